#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/as_coro.hpp>
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
  requires coro_like<A>
struct awaitable_traits<A> : awaitable_traits<coro_form_t<A>> {};

template <class A>
using awaited_t = typename awaitable_traits<std::remove_cvref_t<A>>::value;
template <class A>
using handle_t = typename awaitable_traits<std::remove_cvref_t<A>>::handle;
template <class A>
inline constexpr bool is_coro_v = awaitable_traits<std::remove_cvref_t<A>>::is_coro;

/// A coro to be moved from, a task or a future.
template <class A>
concept awaitable_argument = requires {
  typename awaited_t<A>;
} && (!is_coro_v<A> || (!std::is_lvalue_reference_v<A> && !std::is_const_v<A>));

/// A range of such; one of coros must be an rvalue, as in gather(std::move(coros)).
template <class R>
concept awaitable_range =
    std::ranges::input_range<R> &&
    requires { typename awaited_t<std::ranges::range_value_t<R>>; } &&
    (!is_coro_v<std::ranges::range_value_t<R>> || !std::is_lvalue_reference_v<R> ||
     !std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>);

/// Whether a range gives its elements away: an rvalue that owns them, or one that makes them
/// as they are read. A view of what somebody else has does not.
template <class Range>
inline constexpr bool gives_elements =
    (!std::is_lvalue_reference_v<Range> &&
     !std::ranges::view<std::remove_cvref_t<Range>>) ||
    !std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>>;

/// An element of a range, as an rvalue if it is given away, or if it is a coro, which can
/// only be moved.
template <class Range, class E>
decltype(auto) forward_element(E& each) noexcept {
  if constexpr (gives_elements<Range> ||
                (!std::is_lvalue_reference_v<Range> && is_coro_v<E>)) {
    return std::move(each);
  } else {
    return (each);
  }
}

inline loop_core& loop_or_current(loop_core* l) {
  return l ? *l : loop_core::current("gather, wait or as_completed");
}

/// The loop of a range's first future, or the one that runs here.
template <class Range>
loop_core* loop_of_first(Range& range) {
  if constexpr (!is_coro_v<std::ranges::range_value_t<Range>>) {
    for (auto&& each : range) return &each.state().loop();
  }
  return &loop_or_current(nullptr);
}

/// Ends a child that a combinator made and that has not begun; leaves all else alone.
void discard_child(future_state& child) noexcept;

/// All arguments must be of one loop; `l` is the loop so far, null before the first.
void require_same_loop(loop_core*& l, const future_state& s);

/// A child whose options the loop's task factory has seen. It starts as the combinator says.
template <class T>
state_ref make_child(loop_core& l, coro<T> c, start_mode mode) {
  const task_options options = effective(l, {});
  const auto t = task_ref::adopt(new_task(l, std::move(c), std::source_location(), mode));
  if (!options.name().empty()) t->set_name(options.name());
  return state_ref::share(t.get());
}

/// The loop of the first future among the arguments, or the one that runs here. It must be
/// open if a task is to be made; one that runs is.
template <class First, class... Rest>
loop_core* loop_of(const First& first, const Rest&... rest) {
  if constexpr (!is_coro_v<First>) {
    loop_core& l = first.state().loop();
    if constexpr ((is_coro_v<Rest> || ...)) l.require_open("create_task");
    return &l;
  } else if constexpr (sizeof...(Rest) > 0) {
    loop_core* const l = loop_of(rest...);
    l->require_open("create_task");
    return l;
  } else {
    return &loop_or_current(nullptr);
  }
}

/// The state of a task or future, or of the task that a coro becomes by this call.
template <class A>
[[gnu::always_inline]] inline state_ref to_state(A&& a, loop_core*& l, start_mode mode) {
  if constexpr (is_coro_v<A>) {
    loop_core& here = loop_or_current(l);
    l = &here;
    if constexpr (coro_like<A>) {
      return make_child(here, to_coro(std::forward<A>(a)), mode);
    } else {
      if (here.factory) [[unlikely]]
        return make_child(here, std::forward<A>(a), mode);
      return state_ref::adopt(
          new_task(here, std::forward<A>(a), std::source_location(), mode));
    }
  } else {
    require_same_loop(l, a.state());
    return a.checked();
  }
}

/// Tells who was given twice. The marks go with it, even if a later argument is refused.
template <class Range>
class distinct_marks {
 public:
  explicit distinct_marks(Range& of) noexcept : of_(of) {}
  distinct_marks(const distinct_marks&) = delete;
  distinct_marks& operator=(const distinct_marks&) = delete;
  ~distinct_marks() {
    for (auto& each : of_) state_of(each).mark(false);
  }

 private:
  template <class E>
  static future_state& state_of(E& each) noexcept {
    if constexpr (requires { each.checked(); }) {
      return each.state();
    } else {
      return *each.state;
    }
  }
  Range& of_;
};

}  // namespace sheaf::detail
