#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <chrono>

namespace sheaf::runtime {

class loop;

/// A uv_timer_t, in real time whatever the clock of the loop: for a watchdog, or a host's
/// own ticking. sleep() and call_later() do not use it, and cost less.
class timer : public handle {
 public:
  using duration = std::chrono::nanoseconds;

  /// Throws invalid_state if the loop is closed.
  timer(loop& owner, unique_function<void()> on_fire);

  /// Fires after `delay`, in place of any earlier start, then every `repeat` if that is
  /// positive. Both are rounded up to milliseconds, libuv's resolution.
  ///
  /// The first is never early: the delay counts from now, not from the loop's cached time.
  /// A repeat counts from the time at which the turn began that called the one before.
  void start(duration delay, duration repeat = {});

  /// Idempotent. The callback is not called after this returns, even if it was already due.
  void stop() noexcept;

  /// Starts a repeating timer anew: the next one is a whole `repeat` away. Without effect on
  /// one that does not repeat; throws uv_error (EINVAL) if it was never started.
  void again();

  /// The pause between two firings; zero if it does not repeat. A new one holds from the next
  /// firing on: the one under way keeps its time.
  duration repeat() const noexcept;
  void set_repeat(duration repeat) noexcept;

  /// The time from now to the next firing; zero if it is due, or not started.
  duration due_in() const noexcept;
};

}  // namespace sheaf::runtime
