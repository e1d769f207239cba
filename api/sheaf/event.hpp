#pragma once

#include <sheaf/detail/waiter_queue.hpp>

#include <coroutine>

namespace sheaf {

class event;

namespace detail {

class queue_core;

class event_wait : public waiter {
 public:
  explicit event_wait(event& e) noexcept : event_(e) {}
  event_wait(event_wait&&) noexcept = default;
  ~event_wait() { leave(); }

  inline bool await_ready() const noexcept;
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  bool await_resume() {
    resumed();
    return true;
  }

  const char* kind() const noexcept override { return "event"; }

 private:
  bool begin(task_state& t) noexcept;
  event& event_;
};

}  // namespace detail

/// A flag that tasks wait for: asyncio's Event.
///
/// Must outlive those who wait, until it is set: destroying it right after set(), or in a
/// task that set() woke, is fine. Destroyed unset, those who wait get invalid_state.
///
/// Order: set() wakes all, in the order in which they came, through the ready queue; they
/// stay woken even if clear() follows at once. Who calls wait() after set() passes before
/// them. A waiter that is cancelled leaves.
///
/// Thread: its loop's; from another, loop.call_soon_threadsafe([&] { e.set(); }). Cost: no
/// allocation, and no turn of the loop while it is set. Source: asyncio.Event.
class event {
 public:
  event() = default;
  ~event() { queue_.forsake(); }

  void set() {
    queue_.require_thread("event::set");
    raise();
  }
  void clear() noexcept { set_ = false; }
  bool is_set() const noexcept { return set_; }

  /// co_await e.wait(): returns true, once it is set. Throws `cancelled`, and invalid_state
  /// on another loop.
  detail::event_wait wait() noexcept { return detail::event_wait(*this); }

 private:
  friend class detail::event_wait;
  friend class detail::queue_core;
  void raise() noexcept {
    set_ = true;
    queue_.dismiss_all();
  }

  detail::waiter_queue queue_;
  bool set_ = false;
};

inline bool detail::event_wait::await_ready() const noexcept { return event_.set_; }

}  // namespace sheaf
