#include <sheaf/detail/future_wait.hpp>

namespace sheaf::detail {

void future_wait::interrupt() noexcept {
  state_->unwatch(registration_);
  task_->wake_cancelled();
}

bool future_wait::misused(task_state& t) noexcept {
  misuse_ = state_.get() == &t ? misuse::itself : misuse::other_loop;
  return false;
}

void future_wait::refuse() const {
  if (misuse_ == misuse::itself) {
    throw invalid_state("co_await: a task cannot await itself: task " + task_->name());
  }
  throw invalid_state(
      "co_await: the future belongs to another loop; await it there, and bring the "
      "result "
      "over with call_soon_threadsafe");
}

}  // namespace sheaf::detail
