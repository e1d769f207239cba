#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/suspension.hpp>

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// wait_for(...), timeout::run(...) and the like, which say what coro they become.
template <class A>
concept says_its_coro = requires {
  typename std::remove_cvref_t<A>::coro_type;
} && std::is_convertible_v<A&&, typename std::remove_cvref_t<A>::coro_type>;

/// A wait that can be moved until it begins: of a sleep, a queue, a lock.
template <class A>
concept movable_wait =
    task_awaiter<A> && std::derived_from<std::remove_cvref_t<A>, suspension> &&
    std::move_constructible<std::remove_cvref_t<A>>;

/// What is awaited in place, and may as well be made a coro: given to create_task(),
/// gather() and the like it becomes one.
template <class A>
concept coro_like =
    !std::is_lvalue_reference_v<A> && !std::is_const_v<std::remove_reference_t<A>> &&
    (says_its_coro<A> || movable_wait<A>);

template <class A>
struct coro_form {
  using type = typename A::coro_type;
};
template <movable_wait A>
struct coro_form<A> {
  using type = coro<std::remove_cvref_t<decltype(std::declval<A&>().await_resume())>>;
};
template <coro_like A>
using coro_form_t = typename coro_form<std::remove_cvref_t<A>>::type;

template <movable_wait Wait>
coro_form_t<Wait> wait_as_coro(Wait what) {
  co_return co_await for_caller(std::move(what));
}

/// The coro that `what` becomes.
template <coro_like A>
coro_form_t<A> to_coro(A&& what) {
  if constexpr (movable_wait<A>) {
    return wait_as_coro<std::remove_cvref_t<A>>(std::forward<A>(what));
  } else {
    return std::forward<A>(what);
  }
}

template <class Request>
coro<typename Request::value_type> as_coro(Request what) {
  if constexpr (std::is_void_v<typename Request::value_type>) {
    co_await for_caller(std::move(what));
  } else {
    co_return co_await for_caller(std::move(what));
  }
}

/// For what is awaited once: marks it as awaited, or throws.
inline void take_once(bool& taken, const char* what) {
  if (std::exchange(taken, true)) [[unlikely]] {
    throw invalid_state(std::string(what) + ": it was awaited before; call it again");
  }
}

}  // namespace sheaf::detail
