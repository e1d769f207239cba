#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace sheaf::runtime {

class loop;

/// How long the loop has stood in the system's poll, waiting: uv_metrics_idle_time. Zero unless
/// loop_option::metrics_idle_time was configured. Thread: the loop's.
std::chrono::nanoseconds idle_time(const loop& l) noexcept;

/// What libuv has counted of a loop: uv_metrics_t.
struct metrics {
  std::uint64_t turns;           ///< of the loop
  std::uint64_t events;          ///< that were handled
  std::uint64_t events_waiting;  ///< that were ready when the loop came to poll
};

/// Nothing before libuv 1.45, which does not count. Thread: the loop's.
std::optional<metrics> metrics_info(const loop& l) noexcept;

}  // namespace sheaf::runtime
