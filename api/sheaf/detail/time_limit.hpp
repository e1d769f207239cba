#pragma once

#include <sheaf/sleep.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace sheaf::detail {

/// How long something may take, or std::nullopt: as long as it likes.
class time_limit {
 public:
  time_limit(std::nullopt_t) noexcept {}  // NOLINT: wait_for(aw, std::nullopt)
  template <class Rep, class Period>
  time_limit(std::chrono::duration<Rep, Period> d) : ns_(to_delay(d)) {}  // NOLINT
  template <class Duration>
  time_limit(const std::optional<Duration>& d)  // NOLINT: a limit that may be none
      : time_limit(d ? time_limit(*d) : time_limit(std::nullopt)) {}

  bool none() const noexcept { return !ns_; }
  /// Zero or less: it has passed.
  bool passed() const noexcept { return ns_ && *ns_ <= 0; }
  std::int64_t ns() const noexcept { return *ns_; }

 private:
  std::optional<std::int64_t> ns_;
};

/// A time of the loop's clock, or std::nullopt: never.
class due_time {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr std::uint64_t never = runtime::timing_wheel::never;

  due_time(std::nullopt_t) noexcept {}  // NOLINT: reschedule(std::nullopt)
  template <class Duration>
  due_time(  // NOLINT: timeout::at(loop.time() + 1s, body)
      std::chrono::time_point<std::chrono::steady_clock, Duration> when) {
    const std::int64_t ns = to_delay(when.time_since_epoch());
    ns_ = ns > 0 ? static_cast<std::uint64_t>(ns) : 0;
  }
  template <class TimePoint>
  due_time(const std::optional<TimePoint>& when)  // NOLINT: what when() gave
      : due_time(when ? due_time(*when) : due_time(std::nullopt)) {}

  std::uint64_t ns() const noexcept { return ns_; }

  static std::optional<time_point> to_point(std::uint64_t ns) noexcept {
    if (ns == never) return std::nullopt;
    return time_point(
        std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(ns, never >> 1))));
  }

 private:
  std::uint64_t ns_ = never;
};

}  // namespace sheaf::detail
