#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/metrics.hpp>

namespace sheaf::runtime {

std::chrono::nanoseconds idle_time(const loop& l) noexcept {
  if (l.is_closed()) return {};
  return std::chrono::nanoseconds(uv_metrics_idle_time(l.uv()));
}

std::optional<metrics> metrics_info([[maybe_unused]] const loop& l) noexcept {
#if UV_VERSION_HEX >= ((1 << 16) | (45 << 8))
  uv_metrics_t m;
  if (l.is_closed() || uv_metrics_info(l.uv(), &m) < 0) return {};
  return metrics{m.loop_count, m.events, m.events_waiting};
#else
  return {};
#endif
}

}  // namespace sheaf::runtime
