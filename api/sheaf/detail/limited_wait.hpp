#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/future_wait.hpp>
#include <sheaf/detail/time_limit.hpp>
#include <sheaf/detail/timeout_scope.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// The task that runs, which is about to await.
inline task_state& awaiting_task() noexcept {
  return *loop_core::current_or_null()->current_task();
}

/// A scope that is left when this goes: at the latest with the frame that it stands in.
class scope_holder {
 public:
  scope_holder() = default;
  explicit scope_holder(timeout_ref s) noexcept : scope_(std::move(s)) {}
  scope_holder(const scope_holder&) = delete;
  scope_holder& operator=(const scope_holder&) = delete;
  ~scope_holder() {
    if (scope_) scope_->leave();
  }

  void enter(task_state& t, const time_limit& limit) {
    if (!scope_) scope_ = timeout_ref::adopt(new timeout_scope);
    scope_->enter(t);
    if (!limit.none()) scope_->expire_after(limit.ns());
  }
  void enter(task_state& t, const due_time& deadline) {
    scope_->enter(t);
    scope_->expire_at(deadline.ns());
  }
  /// False also for one that was never entered.
  bool leave() noexcept { return scope_ && scope_->leave(); }
  explicit operator bool() const noexcept { return static_cast<bool>(scope_); }
  timeout_scope* operator->() const noexcept { return scope_.get(); }

 private:
  timeout_ref scope_;
};

/// A coroutine awaited inline in a scope; what it throws is looked at, not thrown twice.
template <class T>
T resume_in_scope(const char* what, scope_holder& scope, coro_wait<T>& body) {
  const bool own = scope.leave();
  if (body.failed() && own) [[unlikely]] {
    scope->throw_on(what, body.take_error(), own);
  }
  return body.await_resume();
}

/// wait_for() of a coro.
template <class T>
class limited_coro_wait {
 public:
  using awaits_in_task = void;

  limited_coro_wait(coro<T>&& c, const time_limit& limit)
      : limit_(limit), body_(begin(std::move(c), limit)) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    task_state& t = *h.promise().task();
    if (limit_.passed()) return t.yield();
    if (!limit_.none()) scope_.enter(t, limit_);
    body_.await_suspend(h);
  }
  T await_resume() {
    if (limit_.passed()) [[unlikely]] {
      task_state& t = awaiting_task();
      throw_refused("wait_for", t, t.innermost()->last_place());
    }
    return resume_in_scope("wait_for", scope_, body_);
  }

 private:
  // With no time left its body never starts (WAITFOR-9).
  static std::coroutine_handle<coro_promise<T>> begin(coro<T>&& c, const time_limit& l) {
    const auto frame = c.take("wait_for");
    if (!l.passed()) return frame;
    frame.destroy();
    return nullptr;
  }

  time_limit limit_;
  scope_holder scope_;
  coro_wait<T> body_;  // last: it dies first, within its scope
};

/// wait_for() of anything else that is awaited: Inner is its awaiter.
template <class Inner>
class limited_wait {
  static constexpr bool is_future = std::derived_from<Inner, future_wait>;
  using result = decltype(std::declval<Inner&>().await_resume());

 public:
  using awaits_in_task = void;

  template <class Make>
  limited_wait(const time_limit& limit, Make&& make)
      : limit_(limit), inner_(std::forward<Make>(make)()) {}

  bool await_ready() noexcept {
    return (is_future || !limit_.passed()) && inner_.await_ready();
  }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    task_ = h.promise().task();
    if (limit_.passed()) [[unlikely]]
      return refuse(h);
    if (!limit_.none()) scope_.enter(*task_, limit_);
    return suspend(h);
  }
  result await_resume() {
    if (limit_.passed() && task_) [[unlikely]]
      return resume_refused();
    if (!scope_) return inner_.await_resume();
    if constexpr (is_future) {
      if (!scope_.leave()) [[likely]]
        return inner_.await_resume();
    }
    return resume_in_turn();
  }

 private:
  template <class Promise>
  bool suspend(std::coroutine_handle<Promise> h) noexcept {
    if constexpr (std::is_void_v<decltype(inner_.await_suspend(h))>) {
      inner_.await_suspend(h);
      return true;
    } else {
      return inner_.await_suspend(h);
    }
  }

  // A future is cancelled and waited for (WAITFOR-10); all else has not begun, and does not.
  template <class Promise>
  bool refuse(std::coroutine_handle<Promise> h) noexcept {
    cancelling_ = task_->cancelling();
    place_ = task_->innermost()->last_place();
    if constexpr (is_future) {
      future_state& f = inner_.awaited();
      if (&f.loop() != &task_->loop() || &f == task_) return suspend(h);
      f.cancel(timeout_cause(*task_, place_));
      if (!f.done()) return suspend(h);
    }
    task_->yield();
    return true;
  }

  result resume_refused() {
    if constexpr (is_future) {
      try {
        task_->throw_if_interrupted();
        return inner_.await_resume();
      } catch (const cancelled&) {
        if (task_->cancelling() > cancelling_) throw;
      }
    }
    throw_refused("wait_for", *task_, place_);
  }
  // What is awaited may be in a scope of its own, which is left before this one.
  result resume_in_turn() {
    bool own = is_future;  // it was left already
    try {
      const struct leaver {
        scope_holder& scope;
        bool& own;
        ~leaver() { own = scope.leave() || own; }
      } leave_first{scope_, own};
      return inner_.await_resume();
    } catch (const cancelled& c) {
      if (own) scope_->throw_timeout("wait_for", c);
      throw;
    }
  }

  time_limit limit_;
  task_state* task_ = nullptr;
  place_pointer place_ = nullptr;
  unsigned cancelling_ = 0;  // when it was refused
  scope_holder scope_;
  Inner inner_;  // last: it dies first, within its scope
};

}  // namespace sheaf::detail
