#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/future.hpp>
#include <sheaf/outcome.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

/// An exception as an outcome: a `cancelled` becomes a cancellation.
template <class T>
outcome<T> failed_outcome(std::exception_ptr e) {
  if (const cancelled* const c = thrown<cancelled>(e)) return outcome<T>(*c);
  return outcome<T>(std::move(e));
}

/// A coroutine awaited inline, its exception looked at instead of thrown again.
template <class T>
class coro_outcome_wait {
 public:
  using awaits_in_task = void;

  explicit coro_outcome_wait(coro<T>&& c) : wait_(c.take("as_outcome")) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    wait_.await_suspend(h);
  }
  outcome<T> await_resume() {
    if (wait_.failed()) return failed_outcome<T>(wait_.take_error());
    if constexpr (std::is_void_v<T>) {
      return outcome<T>();
    } else {
      return outcome<T>(wait_.await_resume());
    }
  }

 private:
  coro_wait<T> wait_;
};

template <class T>
class future_outcome_wait final : public future_wait {
 public:
  using future_wait::future_wait;
  outcome<T> await_resume() {
    try {
      settled_value();
    } catch (...) {
      return failed_outcome<T>(std::current_exception());
    }
    return read_outcome<T>(this->state());
  }
};

/// The same for an rvalue: the value is handed over as co_await on an rvalue does.
template <class T>
class future_outcome_value_wait final : public future_wait {
 public:
  using future_wait::future_wait;
  outcome<T> await_resume() {
    try {
      settled_value();
    } catch (...) {
      return failed_outcome<T>(std::current_exception());
    }
    if constexpr (std::is_void_v<T>) {
      return outcome<T>();
    } else {
      return outcome<T>(take_value<T>(this->state(), 1));
    }
  }
};

template <class T>
struct coro_outcome_request {
  coro<T> what;
  coro_outcome_wait<T> await_in_task() && {
    return coro_outcome_wait<T>(std::move(what));
  }
};
template <class T>
struct future_outcome_request {
  state_ref what;
  future_outcome_wait<T> await_in_task() && {
    return future_outcome_wait<T>(std::move(what));
  }
};
template <class T>
struct future_outcome_value_request {
  state_ref what;
  future_outcome_value_wait<T> await_in_task() && {
    return future_outcome_value_wait<T>(std::move(what));
  }
};

}  // namespace detail

/// Awaits without throwing: how it ended, as a value. A coro runs inside the task.
///
///     outcome<page> got = co_await as_outcome(fetch(url));
///
/// A cancellation of the awaiting task is swallowed too, and comes as the outcome: check
/// is_cancelled() and pass it on.
template <class T>
[[nodiscard]] detail::coro_outcome_request<T> as_outcome(coro<T> c) {
  return {std::move(c)};
}
template <class T>
[[nodiscard]] detail::future_outcome_request<T> as_outcome(const future<T>& f) {
  return {f.checked()};
}
template <class T>
[[nodiscard]] detail::future_outcome_value_request<T> as_outcome(future<T>&& f) {
  const future<T> taken = std::move(f);
  return {taken.checked()};
}
template <class T>
[[nodiscard]] detail::future_outcome_value_request<T> as_outcome(task<T>&& t) {
  return as_outcome(static_cast<future<T>&&>(t));
}

}  // namespace sheaf
