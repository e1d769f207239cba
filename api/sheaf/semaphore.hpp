#pragma once

#include <sheaf/detail/guard.hpp>
#include <sheaf/detail/waiter_queue.hpp>

#include <coroutine>
#include <cstddef>
#include <limits>

namespace sheaf {

class semaphore;

namespace detail {

class permit_wait : public waiter {
 public:
  explicit permit_wait(semaphore& s) noexcept : semaphore_(s) {}
  permit_wait(permit_wait&&) noexcept = default;
  inline ~permit_wait();

  // Not here but where the task is known, and with it its loop.
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  inline void await_resume();

  const char* kind() const noexcept final { return "semaphore"; }

 private:
  inline bool begin(task_state& t) noexcept;

 protected:
  semaphore& semaphore_;
};

class scoped_permit_wait final : public permit_wait {
 public:
  using permit_wait::permit_wait;
  guard<semaphore> await_resume() {
    permit_wait::await_resume();
    return guard<semaphore>(semaphore_);
  }
};

}  // namespace detail

/// A number of permits: asyncio's Semaphore.
///
/// Must outlive those who use it; destroyed while tasks wait, each of them gets
/// invalid_state. A permit has no owner: any task, and a callback, may release one.
///
/// Order: fair, first come first served. release() gives the permit to the first who waits,
/// at once: it is not free in between. A waiter that is cancelled leaves the line; one that
/// was given a permit already passes it on, so none is lost.
///
/// Thread: its loop's. Cost: without contention no allocation and no turn of the loop; a
/// waiter is a node in the awaiting frame. Source: asyncio.Semaphore of CPython 3.13.
class semaphore {
 public:
  using guard = detail::guard<semaphore>;

  /// Throws std::invalid_argument below 0.
  explicit semaphore(std::ptrdiff_t permits = 1) : semaphore(permits, no_bound) {}
  ~semaphore() { queue_.forsake(); }

  /// co_await s.acquire(): takes a permit. Throws `cancelled`, and invalid_state on another
  /// loop.
  [[nodiscard]] detail::permit_wait acquire() noexcept {
    return detail::permit_wait(*this);
  }
  /// auto g = co_await s.scoped_lock(): takes a permit until g dies.
  [[nodiscard]] detail::scoped_permit_wait scoped_lock() noexcept {
    return detail::scoped_permit_wait(*this);
  }
  /// Gives a permit back, or adds one. A bounded one throws invalid_state when it has all
  /// its permits.
  void release() {
    queue_.require_thread("semaphore::release");
    if (permits_ >= bound_) [[unlikely]]
      refuse_release();
    give();
  }
  /// Whether acquire() would wait.
  bool locked() const noexcept { return permits_ == 0 || !queue_.idle(); }

 protected:
  static constexpr std::ptrdiff_t no_bound = std::numeric_limits<std::ptrdiff_t>::max();
  semaphore(std::ptrdiff_t permits, std::ptrdiff_t bound);

 private:
  friend class detail::permit_wait;
  friend guard;
  [[noreturn]] static void refuse_release();

  bool try_take() noexcept {
    if (locked()) return false;
    --permits_;
    return true;
  }
  void give() noexcept {
    ++permits_;
    if (queue_.anyone_waiting()) wake_first();
  }
  void release_if_held() noexcept {
    if (permits_ < bound_) give();
  }
  void wake_first() noexcept {
    --permits_;
    queue_.wake(queue_.first_waiting());
  }
  // Who came while a woken one had yet to run stood behind it, even if a permit was free.
  void wake_all_that_may() noexcept {
    while (permits_ > 0 && queue_.anyone_waiting()) wake_first();
  }

  detail::waiter_queue queue_;
  std::ptrdiff_t permits_;
  std::ptrdiff_t bound_;
};

/// A semaphore that refuses a release() too many: asyncio's BoundedSemaphore.
class bounded_semaphore : public semaphore {
 public:
  explicit bounded_semaphore(std::ptrdiff_t permits = 1) : semaphore(permits, permits) {}
};

inline detail::permit_wait::~permit_wait() {
  if (leave()) [[unlikely]] {
    ++semaphore_.permits_;
    semaphore_.wake_all_that_may();
  }
}

// False if it need not wait, or must not.
inline bool detail::permit_wait::begin(task_state& t) noexcept {
  if (!semaphore_.queue_.admits(*this, t) || semaphore_.try_take()) return false;
  semaphore_.queue_.append(*this, t);
  return true;
}

inline void detail::permit_wait::await_resume() {
  if (resumed()) semaphore_.wake_all_that_may();
}

}  // namespace sheaf
