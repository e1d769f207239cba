#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/waiter_queue.hpp>
#include <sheaf/mutex.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace sheaf {

/// Lets tasks wait for a change of what a mutex protects: asyncio's Condition.
///
/// Has a mutex of its own, or works with a given one, which must outlive it. It must outlive
/// those who wait until they are notified; destroyed before, they get invalid_state. One with
/// a mutex of its own must outlive the guards it gave, too.
///
/// Order: notify() wakes the oldest first, through the ready queue, and keeps the lock; those
/// who were woken go on one after the other when they get it. A notification is not
/// remembered if nobody waits.
///
/// Cancelled, wait() throws only when it has the lock again, whatever comes meanwhile; was it
/// notified already, it passes the notification on. A wake-up without a reason is possible,
/// so wait_for(predicate) is the natural form.
///
/// Thread: its loop's. Cost: wait() takes a pooled frame. Source: asyncio.Condition of
/// CPython 3.13.
class condition {
 public:
  condition() : mutex_(&own_.emplace()) {}
  explicit condition(mutex& lock) noexcept : mutex_(&lock) {}
  condition(const condition&) = delete;
  condition& operator=(const condition&) = delete;
  ~condition();

  /// Gives the lock up, waits for a notification, takes the lock again and returns true.
  /// Throws invalid_state if the lock is free.
  coro<bool> wait() { return wait_nested(1); }

  /// Waits until `predicate(args...)` is true, and gives what it returned. It is asked at
  /// once (without the lock if it is true already) and after each notification, with the
  /// lock held. Captures by reference or arguments, not captures by value: g++ 12 destroys
  /// those of a temporary twice.
  template <class Predicate, class... Args>
    requires std::invocable<Predicate&, Args&...>
  coro<std::decay_t<std::invoke_result_t<Predicate&, Args&...>>> wait_for(
      Predicate predicate, Args... args) {
    for (;;) {
      auto result = std::invoke(predicate, args...);
      if (result) co_return result;
      co_await wait_nested(2);
    }
  }

  /// Wakes at most `n` of those who wait. Throws invalid_state if the lock is free.
  void notify(std::size_t n = 1);
  void notify_all() { notify(std::numeric_limits<std::size_t>::max()); }

  // The mutex's.
  [[nodiscard]] detail::lock_wait acquire() noexcept { return mutex_->acquire(); }
  [[nodiscard]] detail::scoped_lock_wait scoped_lock() noexcept {
    return mutex_->scoped_lock();
  }
  void release() { mutex_->release(); }
  bool locked() const noexcept { return mutex_->locked(); }

 private:
  class notification;
  coro<bool> wait_nested(int depth);
  void require_locked(const char* what) const;
  void wake(std::size_t n) noexcept;

  detail::waiter_queue queue_;
  std::optional<mutex> own_;
  mutex* mutex_;
};

}  // namespace sheaf
