#pragma once

#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/trace.hpp>

#include <cstdint>
#include <source_location>

namespace sheaf::runtime {

/// The recorder of `s`, or null: the one branch that tracing costs while it is off. With
/// SHEAF_NO_TRACE the answer is known when compiling and the hooks are gone.
inline trace_recorder* tracing([[maybe_unused]] const scheduler& s) noexcept {
#ifdef SHEAF_NO_TRACE
  return nullptr;
#else
  return s.trace();
#endif
}

/// Times what runs from here on by the real clock, if its loop is asked to.
class stopwatch {
 public:
  stopwatch() = default;
  explicit stopwatch(const scheduler& s) noexcept
      : began_(s.times_steps() ? scheduler::real_now() : 0) {}

  /// Reads the clock again; true if it took as long as the loop's limit, or longer.
  bool too_long(const scheduler& s) noexcept;
  debug_mode::duration took() const noexcept { return took_; }

 private:
  // Without a value until it is started: a callback that is not timed does not pay for one.
  std::uint64_t began_;
  debug_mode::duration took_;
};

/// A callback of the loop, from here to the end of the scope: recorded as a slice, and
/// reported if it was slow. `at` is where it was registered.
class trace_callback {
 public:
  trace_callback(scheduler& s, const char* what, std::source_location at = {}) noexcept
      : scheduler_(s), what_(what), at_(at), observed_(s.observed()) {
    if (observed_) [[unlikely]]
      begin();
  }
  trace_callback(const trace_callback&) = delete;
  trace_callback& operator=(const trace_callback&) = delete;
  ~trace_callback() {
    if (observed_) [[unlikely]]
      end();
  }

 private:
  void begin() noexcept;
  void end() noexcept;

  scheduler& scheduler_;
  const char* what_;
  std::source_location at_;
  bool observed_;
  std::uint64_t began_;  // set by begin(), as watch_: by the loop's clock, 0 if untraced
  stopwatch watch_;
};

}  // namespace sheaf::runtime
