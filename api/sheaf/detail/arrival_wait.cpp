#include <sheaf/detail/arrival_wait.hpp>
#include <sheaf/runtime/error.hpp>

#include <string>

namespace sheaf::detail {

void arrivals::arrived() noexcept {
  if (!waiter_) return;
  task_state& t = *waiter_->task_;
  waiter_->leave();
  t.wake();
}

bool arrival_wait::await_ready() const {
  if (at_.waiter_) {
    throw invalid_state(std::string(kind_) +
                        ": another task waits here; one at a time does");
  }
  return at_.ready();
}

bool arrival_wait::begin(task_state& t) noexcept {
  task_ = &t;
  at_.waiter_ = this;
  try {
    at_.attend(true);
  } catch (...) {
    at_.waiter_ = nullptr;
    refused_ = std::current_exception();
    return false;
  }
  t.suspended_on(*this);
  return true;
}

void arrival_wait::leave() noexcept {
  if (at_.waiter_ != this) return;
  at_.waiter_ = nullptr;
  at_.attend(false);
}

void arrival_wait::await_resume() {
  if (task_) task_->throw_if_interrupted();
  if (refused_) std::rethrow_exception(refused_);
}

bool arrival_wait::cancel(const cancel_ref&) noexcept {
  interrupt();
  return true;
}

void arrival_wait::interrupt() noexcept {
  leave();
  task_->wake_cancelled();
}

}  // namespace sheaf::detail
