#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>
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
  trace_ran();
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

void thread_call::submit() {
  loop_core& l = result_->loop();
  try {
    l.require_open("to_thread");
    trace_submit();
    l.pool().submit(*this);
  } catch (...) {
    l.expect_threads(+1);  // which drop() takes back
    drop();
    throw;
  }
}

void thread_call::trace_submit() noexcept {
  loop_core& l = result_->loop();
  if (auto* const t = runtime::tracing(l)) {
    const task_state* const by = l.current_task();
    request_ = l.next_join_id();
    t->work_submitted(l.now(), request_, "to_thread", by ? by->id() : 0);
  }
}

void thread_call::trace_ran() noexcept {
  auto* const t = runtime::tracing(result_->loop());
  if (!t || !timed() || withdrawn_) return;
  t->work_ran(ran().begin_ns, ran().end_ns, request_, "to_thread", ran().thread);
}

}  // namespace sheaf::detail
