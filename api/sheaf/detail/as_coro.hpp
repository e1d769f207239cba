#pragma once

#include <sheaf/coro.hpp>

#include <string>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// What is awaited in place, and may as well be made a coro: given to create_task(),
/// gather() and the like it becomes one.
template <class A>
concept coro_like =
    !std::is_lvalue_reference_v<A> && !std::is_const_v<std::remove_reference_t<A>> &&
    requires { typename std::remove_cvref_t<A>::coro_type; } &&
    std::is_convertible_v<A&&, typename std::remove_cvref_t<A>::coro_type>;

template <class Request>
coro<typename Request::value_type> as_coro(Request what) {
  if constexpr (std::is_void_v<typename Request::value_type>) {
    co_await std::move(what);
  } else {
    co_return co_await std::move(what);
  }
}

/// For what is awaited once: marks it as awaited, or throws.
inline void take_once(bool& taken, const char* what) {
  if (std::exchange(taken, true)) [[unlikely]] {
    throw invalid_state(std::string(what) + ": it was awaited before; call it again");
  }
}

}  // namespace sheaf::detail
