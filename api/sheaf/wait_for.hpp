#pragma once

#include <sheaf/detail/as_coro.hpp>
#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/limited_wait.hpp>
#include <sheaf/detail/time_limit.hpp>
#include <sheaf/future.hpp>
#include <sheaf/task.hpp>

#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

template <class T>
struct coro_to_limit {
  using value_type = T;
  coro<T> what;
  auto wait(const time_limit& limit) {
    return limited_coro_wait<T>(std::move(what), limit);
  }
};

template <class T, class Wait>
struct future_to_limit {
  using value_type = T;
  state_ref what;
  auto wait(const time_limit& limit) {
    return limited_wait<Wait>(limit, [this] { return Wait(std::move(what)); });
  }
};

/// The awaiter of what is awaited as an rvalue; of one that cannot be moved, a reference.
template <class A>
auto make_awaiter(std::remove_reference_t<A>& what) {
  if constexpr (task_awaitable<A>) {
    return std::forward<A>(what).await_in_task();
  } else if constexpr (std::is_reference_v<A>) {
    return awaiter_ref<std::remove_reference_t<A>>{what};
  } else {
    return A(std::move(what));
  }
}

/// Something else: moved in, or if it cannot be moved (A is then a reference) borrowed from the
/// expression that it is a temporary of.
template <class A>
struct other_source {
  using awaiter = decltype(make_awaiter<A>(std::declval<std::remove_reference_t<A>&>()));
  using value_type =
      std::remove_cvref_t<decltype(std::declval<awaiter&>().await_resume())>;
  A what;
  auto wait(const time_limit& limit) {
    return limited_wait<awaiter>(limit, [this] { return make_awaiter<A>(what); });
  }
};

/// wait_for() before it is awaited; it may also be made a task, or given to gather().
template <class Source>
class [[nodiscard("wait_for does nothing until it is awaited")]] wait_for_call {
 public:
  using value_type = typename Source::value_type;
  using coro_type = coro<value_type>;

  wait_for_call(Source s, const time_limit& limit)
      : source_(std::move(s)), limit_(limit) {}

  auto await_in_task() && {
    take_once(taken_, "wait_for");
    return source_.wait(limit_);
  }
  operator coro_type() && { return as_coro(std::move(*this)); }  // NOLINT: it is one

 private:
  Source source_;
  time_limit limit_;
  bool taken_ = false;
};

/// The same of what is borrowed: only to be awaited where it is written.
template <class A>
class [[nodiscard("wait_for does nothing until it is awaited")]] wait_for_borrowed {
 public:
  wait_for_borrowed(A&& what, const time_limit& limit)
      : source_{std::move(what)}, limit_(limit) {}
  wait_for_borrowed(const wait_for_borrowed&) = delete;
  wait_for_borrowed& operator=(const wait_for_borrowed&) = delete;
  auto await_in_task() && { return source_.wait(limit_); }

 private:
  other_source<A&&> source_;
  time_limit limit_;
};

/// Awaited as an rvalue, and no coro, task or future.
template <class A>
concept other_awaitable =
    !std::is_lvalue_reference_v<A> && (task_awaitable<A> || task_awaiter<A>) &&
    (!awaitable_argument<A> || coro_like<A>);

}  // namespace detail

/// Awaits with a time limit: asyncio's wait_for.
///
///     page p = co_await wait_for(fetch(url), 100ms);
///     co_await wait_for(ready.wait(), std::nullopt);  // no limit
///
/// Takes a coro, which runs inside the awaiting task; a task or future; or what else is
/// awaited, such as a sleep or the wait of an event. Gives what the co_await of it gives.
/// `limit` is a duration, or std::nullopt.
///
/// When the limit has passed, what is awaited is cancelled, and waited for until it has ended:
/// one that refuses, or takes its time, delays this. Then it throws timeout_error, or, if it
/// ended otherwise than cancelled, gives its value or throws its error. A task or future is
/// cancelled for all who wait for it: shield() it where that is not wanted. A limit of zero
/// or less cancels at once: a coro never begins, a task or future that is done still counts.
/// Cancelling the caller cancels what is awaited as well, and wins over a value of the same
/// moment. Cost: for what is ready, or has no limit, nothing but the await of a coro; else as
/// timeout::run(): one pooled block and a timer.
template <class T>
auto wait_for(coro<T> what, detail::time_limit limit) {
  using source = detail::coro_to_limit<T>;
  return detail::wait_for_call<source>(source{std::move(what)}, limit);
}
template <class T>
auto wait_for(const future<T>& what, detail::time_limit limit) {
  using source = detail::future_to_limit<T, detail::future_ref_wait<T>>;
  return detail::wait_for_call<source>(source{what.checked()}, limit);
}
template <class T>
auto wait_for(future<T>&& what, detail::time_limit limit) {
  using source = detail::future_to_limit<T, detail::future_value_wait<T>>;
  const future<T> taken = std::move(what);
  return detail::wait_for_call<source>(source{taken.checked()}, limit);
}
template <class T>
auto wait_for(task<T>&& what, detail::time_limit limit) {
  return wait_for(static_cast<future<T>&&>(what), limit);
}
template <detail::other_awaitable A>
auto wait_for(A&& what, detail::time_limit limit) {
  if constexpr (std::is_move_constructible_v<A>) {
    using source = detail::other_source<A>;
    return detail::wait_for_call<source>(source{std::move(what)}, limit);
  } else {
    return detail::wait_for_borrowed<A>(std::move(what), limit);
  }
}

}  // namespace sheaf
