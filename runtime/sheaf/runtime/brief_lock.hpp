#pragma once

#include <atomic>

namespace sheaf::runtime {

/// A lock to be held for a few stores: no call, no allocation that could be avoided.
///
/// Half of what a std::mutex costs where nobody else holds it: unlocking is a plain store.
/// Who finds it held spins for a moment, then gives way, then sleeps, so that a holder which
/// lost its processor gets it back whatever the priorities are.
class brief_lock {
 public:
  brief_lock() = default;
  brief_lock(const brief_lock&) = delete;
  brief_lock& operator=(const brief_lock&) = delete;

  void lock() noexcept {
    if (held_.exchange(true, std::memory_order_acquire)) [[unlikely]]
      wait();
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  void wait() noexcept;

  std::atomic<bool> held_{false};
};

}  // namespace sheaf::runtime
