#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/as_coro.hpp>
#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/limited_wait.hpp>
#include <sheaf/detail/time_limit.hpp>
#include <sheaf/exceptions.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {
template <class F, class... Args>
class timeout_request;
}

/// A time limit on a part of a task: asyncio's timeout() and timeout_at().
///
///     co_await timeout::run(100ms, read_all, connection);  // read_all(t, connection)
///
///     auto body = [&](timeout& t) -> coro<page> {
///       auto head = co_await read_head(connection);
///       t.reschedule(loop::current().time() + 1s);  // it is alive: one more second
///       co_return co_await read_body(connection);
///     };
///     page p = co_await timeout::run(100ms, body);
///
/// The body runs inside the awaiting task. At the deadline the task is cancelled where it
/// waits, once; when the body has ended, and not before, the `cancelled` that comes out of it
/// is replaced by timeout_error, and the request taken back: cancelling() is what it was. If
/// somebody else has asked as well, `cancelled` passes. A body that catches `cancelled` and
/// goes on is not told again, and its value counts. All else that it throws passes unchanged.
///
/// A counted handle to one such scope, which the body gets; copies may outlive the scope, to
/// ask expired(). Scopes may be nested. Thread: its loop's. Cost: one pooled block and a timer;
/// no task, no turn of the loop.
class timeout {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Gives what `body(t, args...)`, or `body(args...)` if it does not take a timeout&, gives:
  /// a coro<T>. The callable and the arguments are moved or copied in, as std::thread does,
  /// and live until the body has ended; std::ref is for references. `limit` is a duration,
  /// or std::nullopt for none. Zero or less expires at the first suspension in the body.
  template <class F, class... Args>
  static auto run(detail::time_limit limit, F&& body, Args&&... args);

  /// The same until `deadline` of the loop's time().
  template <class F, class... Args>
  static auto at(detail::due_time deadline, F&& body, Args&&... args);

  /// Moves the deadline; std::nullopt removes it. One that has passed expires at the next
  /// suspension. Throws invalid_state once the scope has expired or was left.
  void reschedule(detail::due_time deadline) const;

  /// The deadline, in the loop's time(); none if it has none.
  std::optional<time_point> when() const noexcept {
    return detail::due_time::to_point(scope_->when());
  }
  /// Whether the deadline has passed while the scope was active.
  bool expired() const noexcept { return scope_->expired(); }
  /// Unlike that of any other scope of this process: what timeout_error::scope() tells.
  std::uint64_t id() const noexcept { return scope_->id(); }

  /// For the library.
  explicit timeout(detail::timeout_ref s) noexcept : scope_(std::move(s)) {}
  detail::timeout_scope& scope() const noexcept { return *scope_; }

 private:
  detail::timeout_ref scope_;
};

/// The earliest deadline of the scopes that the current task is in, of timeout::run(),
/// timeout::at() and wait_for(), in the loop's time(); none if there is none, or no task. Where
/// map() or hedge() calls a function it is that of their call.
///
/// A task inherits it from the task that makes it, as it is then: a time, which later changes
/// of the scope do not move, and which scopes of its own only tighten. An inherited deadline
/// cancels nothing. It is there to be asked: how long a request to somebody else may take.
/// Cost: a step for each scope inside the other; nothing for who does not ask.
std::optional<timeout::time_point> current_deadline();

namespace detail {

/// What timeout::run() calls: with the scope in front if it takes one.
template <class F, class... Args>
decltype(auto) call_body(F&& f, timeout& t, Args&&... args) {
  if constexpr (std::is_invocable_v<F, timeout&, Args...>) {
    return std::invoke(std::forward<F>(f), t, std::forward<Args>(args)...);
  } else {
    return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  }
}

template <class F, class... Args>
using body_coro = decltype(call_body(std::declval<F>(), std::declval<timeout&>(),
                                     std::declval<Args>()...));

/// timeout::run() while its body runs; stands in the awaiting frame.
template <class T, class Limit, class F, class... Args>
class timeout_wait {
 public:
  using awaits_in_task = void;

  timeout_wait(const Limit& limit, std::tuple<F, Args...>&& call)
      : call_(std::move(call)),
        limit_(limit),
        handle_(timeout_ref::adopt(new timeout_scope)),
        scope_(timeout_ref::share(&handle_.scope())),
        body_(begin()) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    scope_.enter(*h.promise().task(), limit_);
    body_.await_suspend(h);
  }
  T await_resume() { return resume_in_scope("timeout", scope_, body_); }

 private:
  std::coroutine_handle<coro_promise<T>> begin() {
    return std::apply(
               [this](F& f, Args&... args) {
                 return call_body(std::move(f), handle_, std::move(args)...);
               },
               call_)
        .take("timeout::run");
  }

  std::tuple<F, Args...> call_;
  Limit limit_;
  timeout handle_;
  scope_holder scope_;
  coro_wait<T> body_;  // last: it dies first, within its scope
};

/// timeout::run() before it is awaited; it may also be made a task, or given to gather().
template <class Limit, class F, class... Args>
class [[nodiscard("a time limit does nothing until it is awaited")]] timeout_call {
  using body = body_coro<F, Args...>;
  static_assert(is_coro_v<body>, "the body of timeout::run gives a coro");

 public:
  using value_type = typename body::value_type;
  using coro_type = coro<value_type>;

  template <class G, class... As>
  explicit timeout_call(Limit limit, G&& f, As&&... args)
      : limit_(limit), call_(std::forward<G>(f), std::forward<As>(args)...) {}

  timeout_wait<value_type, Limit, F, Args...> await_in_task() && {
    take_once(taken_, "timeout::run");
    return timeout_wait<value_type, Limit, F, Args...>(limit_, std::move(call_));
  }
  operator coro_type() && { return as_coro(std::move(*this)); }  // NOLINT: it is one

 private:
  Limit limit_;
  std::tuple<F, Args...> call_;
  bool taken_ = false;
};

}  // namespace detail

template <class F, class... Args>
auto timeout::run(detail::time_limit limit, F&& body, Args&&... args) {
  return detail::timeout_call<detail::time_limit, std::decay_t<F>, std::decay_t<Args>...>(
      limit, std::forward<F>(body), std::forward<Args>(args)...);
}

template <class F, class... Args>
auto timeout::at(detail::due_time deadline, F&& body, Args&&... args) {
  return detail::timeout_call<detail::due_time, std::decay_t<F>, std::decay_t<Args>...>(
      deadline, std::forward<F>(body), std::forward<Args>(args)...);
}

}  // namespace sheaf
