#include <sheaf/detail/in_context.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/detail/thread_call.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

namespace sheaf::detail {

void thread_call::submit(const char* what, runtime::thread_pool& pool, with_context c) {
  try {
    if (c == with_context::yes && loop().may_have_context() && has_context())
      context_ = copy_context().state();
    if (runtime::tracing(loop())) [[unlikely]]
      trace_submit(what);
    pool.submit(*this, loop());
  } catch (...) {
    release();
    throw;
  }
}

// ---- on the thread -----------------------------------------------------------------------

void thread_call::execute() noexcept {
  if (withdrawn_.load(std::memory_order_relaxed)) return forget();
  try {
    if (context_) [[unlikely]] {
      const context_scope in(*context_);
      call();
    } else {
      call();
    }
    ended_ = ending::value;
  } catch (...) {
    forget();  // of a callable whose move throws
    error_ = std::current_exception();
    ended_ = ending::error;
  }
}

// ---- back on the loop's --------------------------------------------------------------------

void thread_call::run() noexcept {
  loop().expect_threads(-1);
  if (record_) [[unlikely]]
    trace_ran();
  if (done()) {  // it was cancelled meanwhile
    let_go();
  } else if (ended_ == ending::error) {
    settle(future_status::error);
  } else {
    settle_value();
  }
  release();
}

void thread_call::drop() noexcept {
  loop().expect_threads(-1);
  let_go();
  if (!done()) settle_cancelled({});
  release();
}

// Of what the call gave and nobody will get.
void thread_call::let_go() noexcept {
  if (ended_ == ending::value) discard_value();
  error_ = nullptr;
}

void thread_call::trace_submit(const char* what) {
  loop_core& l = loop();
  auto* const t = runtime::tracing(l);
  const task_state* const by = l.current_task();
  record_ = std::make_unique<record>(record{what, l.next_join_id(), {}});
  t->work_submitted(l.now(), record_->request, what, by ? by->id() : 0);
  // A clock that is not real has nothing to say of what runs beside it.
  if (l.clock() == runtime::clock_kind::real) measure(record_->ran);
}

void thread_call::trace_ran() noexcept {
  auto* const t = runtime::tracing(loop());
  if (!t || record_->ran.end_ns == 0 || ended_ == ending::not_called) return;
  const auto& [what, request, ran] = *record_;
  t->work_ran(ran.begin_ns, ran.end_ns, request, what, ran.thread);
}

}  // namespace sheaf::detail
