#pragma once

#include <sheaf/detail/guard.hpp>
#include <sheaf/detail/waiter_queue.hpp>

#include <coroutine>
#include <cstdint>

namespace sheaf {

class mutex;

namespace detail {

class relock_wait;

class lock_wait : public waiter {
 public:
  explicit lock_wait(mutex& m) noexcept : mutex_(m) {}
  lock_wait(lock_wait&&) noexcept = default;
  inline ~lock_wait();

  // Not here but where the task is known, and with it its loop.
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  inline void await_resume();

  const char* kind() const noexcept final { return "mutex"; }
  std::uint64_t object() const noexcept final { return holder().task; }
  wait_holder holder() const noexcept final;

 protected:
  inline bool begin(task_state& t) noexcept;
  mutex& mutex_;
};

class scoped_lock_wait final : public lock_wait {
 public:
  using lock_wait::lock_wait;
  guard<mutex> await_resume() {
    lock_wait::await_resume();
    return guard<mutex>(mutex_);
  }
};

}  // namespace detail

/// Lets one task at a time go on: asyncio's Lock. Needed only where a task suspends in the
/// middle of a change; between two co_awaits nothing else runs anyway.
///
/// Must outlive those who use it; destroyed while tasks wait, each of them gets
/// invalid_state. Destroying it right after release() is fine. It has no owner: any task may
/// release it. Taking it twice in one task waits for ever, which `deadlock` explains.
///
/// Order: fair, first come first served. release() frees it and wakes the first who waits;
/// until that one runs locked() is false, but a newcomer waits behind it. A waiter that is
/// cancelled leaves the line; one that was woken already passes the lock on.
///
/// Thread: its loop's. Cost: without contention no allocation and no turn of the loop; a
/// waiter is a node in the awaiting frame. Source: asyncio.Lock of CPython 3.13.
class mutex {
 public:
  using guard = detail::guard<mutex>;

  mutex() = default;
  ~mutex() { queue_.forsake(); }

  /// co_await m.acquire(): takes it. Throws `cancelled`, and invalid_state on another loop.
  [[nodiscard]] detail::lock_wait acquire() noexcept { return detail::lock_wait(*this); }
  /// auto g = co_await m.scoped_lock(): takes it until g dies.
  [[nodiscard]] detail::scoped_lock_wait scoped_lock() noexcept {
    return detail::scoped_lock_wait(*this);
  }
  /// Frees it. Throws invalid_state if it is free.
  void release() {
    queue_.require_thread("mutex::release");
    if (!locked_) [[unlikely]]
      refuse_release();
    free();
  }
  bool locked() const noexcept { return locked_; }

 private:
  friend class detail::lock_wait;
  friend class detail::relock_wait;
  friend guard;
  [[noreturn]] static void refuse_release();

  bool try_take(const detail::task_state& t) noexcept {
    if (locked_ || !queue_.idle()) return false;
    take(t);
    return true;
  }
  void take(const detail::task_state& t) noexcept {
    locked_ = true;
    holder_ = {t.id(), t.innermost()->last_place()};
  }
  void free() noexcept {
    locked_ = false;
    wake_first();
  }
  void release_if_held() noexcept {
    if (locked_) free();
  }
  void wake_first() noexcept {
    if (queue_.anyone_waiting()) queue_.wake(queue_.first_waiting());
  }

  detail::waiter_queue queue_;
  detail::wait_holder holder_;
  bool locked_ = false;
};

inline detail::lock_wait::~lock_wait() {
  if (leave()) [[unlikely]]
    mutex_.wake_first();
}

// False if it need not wait, or must not.
inline bool detail::lock_wait::begin(task_state& t) noexcept {
  if (!mutex_.queue_.admits(*this, t) || mutex_.try_take(t)) return false;
  mutex_.queue_.append(*this, t);
  return true;
}

inline void detail::lock_wait::await_resume() {
  if (resumed()) mutex_.take(*task());
}

}  // namespace sheaf
