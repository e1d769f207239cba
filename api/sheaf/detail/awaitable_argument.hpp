#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/future.hpp>
#include <sheaf/task.hpp>

#include <ranges>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// What an argument of a combinator gives when it is awaited, and the handle it goes by.
template <class A>
struct awaitable_traits {};
template <class T>
struct awaitable_traits<coro<T>> {
  using value = T;
  using handle = task<T>;
  static constexpr bool is_coro = true;
};
template <class T>
struct awaitable_traits<task<T>> {
  using value = T;
  using handle = task<T>;
  static constexpr bool is_coro = false;
};
template <class T>
struct awaitable_traits<future<T>> {
  using value = T;
  using handle = future<T>;
  static constexpr bool is_coro = false;
};

template <class A>
using awaited_t = typename awaitable_traits<std::remove_cvref_t<A>>::value;
template <class A>
using handle_t = typename awaitable_traits<std::remove_cvref_t<A>>::handle;
template <class A>
inline constexpr bool is_coro_v = awaitable_traits<std::remove_cvref_t<A>>::is_coro;

/// A coro to be moved from, a task or a future.
template <class A>
concept awaitable_argument =
    requires { typename awaited_t<A>; } &&
    (!is_coro_v<A> || (!std::is_lvalue_reference_v<A> && !std::is_const_v<A>));

/// A range of such; one of coros must be an rvalue, as in gather(std::move(coros)).
template <class R>
concept awaitable_range =
    std::ranges::input_range<R> && requires { typename awaited_t<std::ranges::range_value_t<R>>; } &&
    (!is_coro_v<std::ranges::range_value_t<R>> || !std::is_lvalue_reference_v<R> ||
     !std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>);

/// An element of a range, as an rvalue if the range is one.
template <class Range, class E>
decltype(auto) forward_element(E& each) noexcept {
  if constexpr (std::is_lvalue_reference_v<Range>) {
    return (each);
  } else {
    return std::move(each);
  }
}

inline loop_core& loop_or_current(loop_core* l) {
  return l ? *l : loop_core::current("gather, wait or as_completed");
}

/// All arguments must be of one loop; `l` is the loop so far, null before the first.
void require_same_loop(loop_core*& l, const future_state& s);

/// The state of a task or future, or of the task that a coro becomes by this call.
template <class A>
state_ref to_state(A&& a, loop_core*& l, task_state::start_mode mode) {
  if constexpr (is_coro_v<A>) {
    loop_core& here = loop_or_current(l);
    here.require_open("create_task");
    auto t = make_task(here, std::forward<A>(a), std::source_location(), mode);
    l = &here;
    return t.checked();
  } else {
    require_same_loop(l, a.state());
    return a.checked();
  }
}

}  // namespace sheaf::detail
