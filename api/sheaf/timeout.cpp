#include <sheaf/timeout.hpp>

#include <string>

namespace sheaf {

void timeout::reschedule(detail::due_time deadline) const {
  if (!scope_->active()) {
    throw invalid_state(std::string("reschedule: this timeout is ") +
                        scope_->state_word() + ", its deadline cannot be moved any more");
  }
  scope_->expire_at(deadline.ns());
}

std::optional<timeout::time_point> current_deadline() {
  const auto* const l = detail::loop_core::current_or_null();
  return l ? detail::due_time::to_point(l->deadline_here()) : std::nullopt;
}

}  // namespace sheaf
