#pragma once

#include <sheaf/fwd.hpp>

#include <concepts>
#include <type_traits>

namespace sheaf::detail {

template <class R>
inline constexpr bool is_coro_result = false;
template <class T>
inline constexpr bool is_coro_result<coro<T>> = true;

/// What a loop can call. A function that gives a coro is refused: nobody would await it, and
/// nothing of it would run. Such a function goes to create_task(f()) instead (DEBUG-3).
template <class F, class... Args>
concept plain_callback =
    std::invocable<F, Args...> &&
    !is_coro_result<std::remove_cvref_t<std::invoke_result_t<F, Args...>>>;

}  // namespace sheaf::detail
