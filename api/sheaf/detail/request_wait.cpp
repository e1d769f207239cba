#include <sheaf/detail/request_wait.hpp>
#include <sheaf/runtime/error.hpp>

namespace sheaf::detail {

// One that has asked to cancel itself suspends on nothing: the request comes at once.
bool request_wait_base::begin(task_state& t) noexcept {
  task_ = &t;
  if (!t.must_cancel() || how_ == once_begun::resumed) {
    try {
      request_.emplace(ask(*t.loop().facade()));
    } catch (...) {
      refused_ = std::current_exception();
      return false;
    }
  }
  t.suspended_on(*this);
  return true;
}

bool request_wait_base::cancel(const cancel_ref&) noexcept {
  if (request_ && !lets_go()) return false;
  interrupt();
  return true;
}

bool request_wait_base::lets_go() noexcept {
  if (how_ == once_begun::awaited) return request_->cancel();
  return how_ == once_begun::dropped;
}

void request_wait_base::interrupt() noexcept {
  request_.reset();
  task_->wake_cancelled();
}

void request_wait_base::resumed() {
  answered_ ? task_->postpone_interrupt() : task_->throw_if_interrupted();
  if (refused_) std::rethrow_exception(refused_);
  if (error_) throw_error();
}

void request_wait_base::throw_error() const {
  if (subject_.empty()) throw uv_error(error_.value(), kind_);
  throw uv_error(error_.value(), kind_, subject_);
}

}  // namespace sheaf::detail
