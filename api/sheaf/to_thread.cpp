#include <sheaf/to_thread.hpp>

namespace sheaf::detail {

void thread_call::execute() noexcept {
  try {
    call();
  } catch (...) {
    error_ = std::current_exception();
  }
}

void thread_call::run() noexcept {
  loop_core& l = result_->loop();
  l.expect_threads(-1);
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
  result_->loop().expect_threads(-1);
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
