#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sheaf::runtime {

/// What a loop is asked to watch for: asyncio's debug mode.
///
/// On when SHEAF_DEBUG is set to anything but "" and "0" while the loop is made, or by
/// set(). Thread: the loop's, but for runs_here().
class debug_mode {
 public:
  using duration = std::chrono::nanoseconds;
  /// For steps that nobody is to time.
  static constexpr duration never = duration::max();

  debug_mode() noexcept : on_(asked_by_environment()) {}

  static bool asked_by_environment() noexcept;

  bool on() const noexcept { return on_; }
  void set(bool on) noexcept { on_ = on; }

  /// From how long on a step is reported. 100 ms in debug mode and never without it, until it
  /// is set; then what was set, with or without debug mode.
  duration slow() const noexcept {
    return slow_ != unset ? slow_ : on_ ? std::chrono::milliseconds(100) : never;
  }
  void set_slow(duration d) noexcept { slow_ = d < duration::zero() ? duration{} : d; }
  bool times_steps() const noexcept { return slow() != never; }

  /// The thread that runs the loop from now on is this one; none after leave().
  void enter() noexcept { thread_.store(this_thread(), std::memory_order_relaxed); }
  void leave() noexcept { thread_.store(nullptr, std::memory_order_relaxed); }
  /// False if the loop runs in another thread than the calling one.
  bool runs_here() const noexcept {
    const void* const t = thread_.load(std::memory_order_relaxed);
    return !t || t == this_thread();
  }

 private:
  static constexpr duration unset{-1};
  static const void* this_thread() noexcept;

  std::atomic<const void*> thread_{nullptr};  // an address of the thread's own
  duration slow_ = unset;
  bool on_;
};

}  // namespace sheaf::runtime
