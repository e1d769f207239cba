#include <sheaf/sleep.hpp>

#include <cmath>
#include <limits>
#include <stdexcept>

namespace sheaf::detail {

std::int64_t to_delay(std::chrono::duration<double, std::nano> d) {
  if (std::isnan(d.count()))
    throw std::invalid_argument("sleep: the delay is not a number");
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  if (d.count() >= static_cast<double>(most)) return most;
  if (d.count() <= -static_cast<double>(most)) return -most;
  return static_cast<std::int64_t>(std::ceil(d.count()));
}

void sleep_wait::enter_wheel(std::int64_t time) noexcept {
  auto& l = task().loop();
  l.arm(*this, time < 0 ? static_cast<std::uint64_t>(~time) : l.after(time));
  task().suspended_on(*this);
}

bool sleep_wait::cancel(const cancel_ref&) noexcept {
  interrupt();
  return true;
}

// If the deadline has passed and this node is queued, it runs before the task does and finds
// that the task waits for it no longer.
void sleep_wait::interrupt() noexcept {
  leave_wheel();
  task().wake_cancelled();
}

}  // namespace sheaf::detail
