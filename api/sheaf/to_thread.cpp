#include <sheaf/to_thread.hpp>

namespace sheaf::detail {

void thread_call::execute() noexcept {
  if (withdrawn_) return;
  try {
    call();
  } catch (...) {
    error_ = std::current_exception();
  }
}

void thread_call::leave() noexcept {
  result_->unwatch(watch_);
  result_->loop().expect_threads(-1);
}

void thread_call::run() noexcept {
  leave();
  if (!result_->done()) {
    try {
      error_ ? result_->settle_error(std::move(error_)) : deliver(*result_);
    } catch (...) {
      result_->settle_error(std::current_exception());  // the value could not be moved
    }
  }
  delete this;
}

void thread_call::drop() noexcept {
  leave();
  if (!result_->done()) result_->settle_cancelled({});
  delete this;
}

void submit_to_pool(loop_core& l, runtime::pool_job* job) {
  try {
    l.require_open("to_thread");
    l.pool().submit(*job);
  } catch (...) {
    l.expect_threads(+1);
    job->drop();
    throw;
  }

}

}  // namespace sheaf::detail
