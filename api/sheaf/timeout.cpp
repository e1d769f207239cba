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
  const auto* const t = l ? l->current_task() : nullptr;
  return t ? detail::due_time::to_point(t->ambient().nearest()) : std::nullopt;
}

}  // namespace sheaf
