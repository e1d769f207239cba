#pragma once

#include <sheaf/runtime/brief_lock.hpp>
#include <sheaf/runtime/ready_queue.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace sheaf::runtime {

/// What other threads have for a loop, in the order in which it came.
///
/// Waking a loop that sleeps costs a thousand times what putting something in does, so that
/// happens once for each time it falls asleep: it says so, and the first to put something in
/// wakes it. While it is awake it looks here by itself.
///
/// May outlive its loop, for who answers a loop of another thread that may be gone by then.
///
/// Pointers in an array, not a list through the nodes: those were written by another
/// processor, and an array lets their memory be asked for side by side.
class inbox {
 public:
  inbox() = default;
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;

  /// What wakes the loop: `f(arg)`. Said once, before anybody can put something in.
  using waker = void (*)(void* arg) noexcept;
  void wakes_by(waker f, void* arg) noexcept {
    wake_ = f;
    wake_arg_ = arg;
  }

  /// From any thread: false once closed. Wakes the loop, under the lock, if that sleeps: what
  /// wakes it exists until close().
  bool put(ready_node& n, bool is_job = false) {
    const std::lock_guard hold(lock_);
    if (closed_) [[unlikely]]
      return false;
    nodes_.push_back(&n);
    jobs_ += is_job;
    if (!some_.load(std::memory_order_relaxed))
      some_.store(true, std::memory_order_relaxed);
    if (asleep_) [[unlikely]] {
      asleep_ = false;
      wake_(wake_arg_);
    }
    return true;
  }

  // ---- on the loop's thread ----

  /// Whether there may be something; a hint, which costs a load.
  bool some() const noexcept { return some_.load(std::memory_order_relaxed); }

  /// Gives each in its turn to `to(node)`, and how many there were.
  template <class To>
  std::size_t take(To&& to) {
    {
      const std::lock_guard hold(lock_);
      taken_.swap(nodes_);
      some_.store(false, std::memory_order_relaxed);
    }
    const std::size_t n = taken_.size();
    for (std::size_t i = 0; i < n; ++i) {
      if (i + ahead < n) __builtin_prefetch(taken_[i + ahead]);
      to(*taken_[i]);
    }
    taken_.clear();
    return n;
  }

  /// From now on the loop does not look by itself; false, and nothing changes, if there is
  /// something.
  bool sleep() noexcept {
    const std::lock_guard hold(lock_);
    if (!nodes_.empty()) return false;
    asleep_ = true;
    return true;
  }

  /// Jobs of thread pools put in so far.
  std::uint64_t jobs() noexcept {
    const std::lock_guard hold(lock_);
    return jobs_;
  }

  void close() noexcept {
    const std::lock_guard hold(lock_);
    closed_ = true;
  }
  /// From any thread.
  bool closed() noexcept {
    const std::lock_guard hold(lock_);
    return closed_;
  }

 private:
  static constexpr std::size_t ahead = 8;
  static constexpr std::size_t line = 64;

  // Apart from what the loop's thread writes all the time.
  alignas(line) brief_lock lock_;
  bool closed_ = false;            // guarded by lock_, as are the following
  bool asleep_ = true;             // a loop that has not run is to be woken
  std::atomic<bool> some_{false};  // written under lock_
  std::uint64_t jobs_ = 0;
  std::vector<ready_node*> nodes_;
  waker wake_ = nullptr;
  void* wake_arg_ = nullptr;

  alignas(
      line) std::vector<ready_node*> taken_;  // the other buffer, of the loop's thread
};

}  // namespace sheaf::runtime
