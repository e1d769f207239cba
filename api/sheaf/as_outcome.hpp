#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/as_coro.hpp>
#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/request_mark.hpp>
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

/// co_await of a future as an outcome; `HandsOver` as co_await on an rvalue does.
template <class T, bool HandsOver>
class future_outcome_wait final : public future_wait {
 public:
  using future_wait::future_wait;
  outcome<T> await_resume() {
    try {
      settled_value();
    } catch (...) {
      return failed_outcome<T>(std::current_exception());
    }
    if constexpr (HandsOver && !std::is_void_v<T>) {
      return outcome<T>(take_value<T>(this->state(), 1));
    } else {
      return read_outcome<T>(this->state());
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
template <class T, bool HandsOver>
struct future_outcome_request {
  state_ref what;
  future_outcome_wait<T, HandsOver> await_in_task() && {
    return future_outcome_wait<T, HandsOver>(std::move(what));
  }
};

/// As Wait, and takes back the requests that a cancellation was made by.
template <class T, class Wait>
class uncancelling_wait {
 public:
  using awaits_in_task = void;

  template <class Source>
  explicit uncancelling_wait(Source&& s) : wait_(std::forward<Source>(s)) {}
  bool await_ready() const noexcept { return wait_.await_ready(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    task_ = h.promise().task();
    before_ = request_mark(*task_);
    if constexpr (std::is_void_v<decltype(wait_.await_suspend(h))>) {
      wait_.await_suspend(h);
      return true;
    } else {
      return wait_.await_suspend(h);
    }
  }
  outcome<T> await_resume() {
    outcome<T> o = wait_.await_resume();
    if (task_ && o.is_cancelled()) before_.take_back(*task_, o.cancellation());
    return o;
  }

 private:
  task_state* task_ = nullptr;
  request_mark before_;
  Wait wait_;
};

template <class T, class Wait, class Source>
struct uncancelling_request {
  Source what;
  uncancelling_wait<T, Wait> await_in_task() && {
    return uncancelling_wait<T, Wait>(std::move(what));
  }
};

}  // namespace detail

/// Awaits without throwing: how it ended, as a value. A coro runs inside the task.
///
///     outcome<page> got = co_await as_outcome(fetch(url));
///
/// A cancellation of the awaiting task is swallowed too, and comes as the outcome: check
/// is_cancelled() and pass it on, or take it back with as_outcome(uncancel, aw).
template <class T>
[[nodiscard]] detail::coro_outcome_request<T> as_outcome(coro<T> c) {
  return {std::move(c)};
}
template <class T>
[[nodiscard]] detail::future_outcome_request<T, false> as_outcome(const future<T>& f) {
  return {f.checked()};
}
template <class T>
[[nodiscard]] detail::future_outcome_request<T, true> as_outcome(future<T>&& f) {
  const future<T> taken = std::move(f);
  return {taken.checked()};
}
template <class T>
[[nodiscard]] detail::future_outcome_request<T, true> as_outcome(task<T>&& t) {
  return as_outcome(static_cast<future<T>&&>(t));
}
/// Of wait_for(...), a read of a stream, the get() of a queue and the like.
template <detail::coro_like A>
[[nodiscard]] auto as_outcome(A&& what) {
  return as_outcome(detail::to_coro(std::forward<A>(what)));
}

struct uncancel_t {
  explicit uncancel_t() = default;
};
inline constexpr uncancel_t uncancel{};

/// The same for who means to go on although it was cancelled: swallows the cancellation and
/// takes the requests back in one, so that cancelling() is what it was before.
///
///     outcome<> end = co_await as_outcome(uncancel, play(song));  // cancel() skips the song
///
/// Guarded: only requests that somebody made with cancel() while it was awaited are taken
/// back. `cancelled` is thrown, as ever, if the time limit of a scope around it has passed, a
/// sibling failed, or the loop is ending: those wait for the task to leave.
template <class T>
[[nodiscard]] auto as_outcome(uncancel_t, coro<T> c) {
  return detail::uncancelling_request<T, detail::coro_outcome_wait<T>, coro<T>>{
      std::move(c)};
}
template <class T>
[[nodiscard]] auto as_outcome(uncancel_t, const future<T>& f) {
  return detail::uncancelling_request<T, detail::future_outcome_wait<T, false>,
                                      detail::state_ref>{f.checked()};
}
template <class T>
[[nodiscard]] auto as_outcome(uncancel_t, future<T>&& f) {
  const future<T> taken = std::move(f);
  return detail::uncancelling_request<T, detail::future_outcome_wait<T, true>,
                                      detail::state_ref>{taken.checked()};
}
template <class T>
[[nodiscard]] auto as_outcome(uncancel_t how, task<T>&& t) {
  return as_outcome(how, static_cast<future<T>&&>(t));
}
template <detail::coro_like A>
[[nodiscard]] auto as_outcome(uncancel_t how, A&& what) {
  return as_outcome(how,
                    typename std::remove_cvref_t<A>::coro_type(std::forward<A>(what)));
}

}  // namespace sheaf
