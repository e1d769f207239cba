#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

namespace sheaf::detail {

void promise_base::unhandled_exception() noexcept {
  task_->throw_in_flight(std::current_exception());
  if (caller_) caller_->mark_failed();
}

// ---- the driver ------------------------------------------------------------------------

void task_state::run() noexcept {
  if (must_cancel_ && deliver()) [[unlikely]] return;
  started_ = true;
  loop_core& l = loop();
  task_state* const outer = l.current_task();
  l.set_current_task(this);
  if (runtime::tracing(l)) [[unlikely]] return traced_run(outer);
  resume_until_suspended();
  l.set_current_task(outer);
}

// Each resume() returns when a coroutine suspends. innermost_ then tells why: another frame
// is to go on (a coroutine was awaited, or one has returned to its caller), none (the task's
// own has returned), or the same (it waits for something, or has queued itself).
inline void task_state::resume_until_suspended() noexcept {
  promise_base* p = innermost_;
  for (;;) {
    p->handle().resume();
    promise_base* const next = innermost_;
    if (next == p) break;
    if (!next) return returned(*p);
    p = next;
  }
  if (must_cancel_) [[unlikely]] request_own_cancellation();
}

// It asked to cancel itself before it suspended: what it waits for is cancelled (CANCEL-12).
void task_state::request_own_cancellation() noexcept {
  if (!waiting_on_) return;
  must_cancel_ = false;
  if (!waiting_on_->cancel(cause_)) must_cancel_ = true;
}

inline void task_state::returned(promise_base& root) noexcept {
  root.handle().destroy();  // arguments die before anybody is told
  if (error_) [[unlikely]] return settle_failed();
  if (must_cancel_) [[unlikely]] return settle_self_cancelled();
  end(future_status::value);
}

// It cancelled itself and did not suspend again (CANCEL-13).
void task_state::settle_self_cancelled() noexcept {
  discard_value();
  end(future_status::cancelled);
}

void task_state::settle_failed() noexcept {
  if (const cancelled* const c = thrown<cancelled>(error_)) {
    cause_ = c->cause();
    error_ = nullptr;
    return end(future_status::cancelled);
  }
  if (thrown<system_exit>(error_) && loop().running()) {
    retrieved_ = true;
    loop().leave_with(error_);
  }
  end(future_status::error);
}

inline void task_state::end(future_status s) noexcept {
  if (cause_ && s != future_status::cancelled) [[unlikely]] cause_ = {};
  loop_core& l = loop();
  l.delist(*this);
  if (runtime::tracing(l)) [[unlikely]] trace_end(s);
  settle(s);
  release();  // the loop's
}

// A request that was made while the task could not be told is delivered now: as an exception
// at its await, or, if it never began, by ending it (CANCEL-6): true then.
bool task_state::deliver() noexcept {
  must_cancel_ = false;
  if (started_) {
    interrupted_ = true;
    return false;
  }
  promise_base& root = *std::exchange(innermost_, nullptr);
  root.handle().destroy();
  end(future_status::cancelled);
  return true;
}

void task_state::throw_interrupt() {
  interrupted_ = false;
  throw cancelled(cause_);
}

void task_state::start() noexcept {
  if (queued_once_) return;
  queued_once_ = true;
  loop().post(*this);
}

void task_state::start_eagerly() noexcept {
  queued_once_ = true;
  const state_ref keep = state_ref::share(this);
  run();
}

void task_state::abandon() noexcept {
  const state_ref keep = state_ref::share(this);
  if (runtime::tracing(loop())) loop().trace()->task_orphan(loop().now(), {id_});
  for (promise_base* p = std::exchange(innermost_, nullptr); p;) {
    coro_wait_base* const caller = p->caller();
    if (caller) caller->forget_child();
    promise_base* const parent = caller ? &caller->parent() : nullptr;
    p->handle().destroy();
    p = parent;
  }
  waiting_on_ = nullptr;
  error_ = nullptr;
  end(future_status::cancelled);
}

// ---- cancellation ----------------------------------------------------------------------

void task_state::note_request(const cancel_ref& cause) noexcept {
  ++cancelling_;
  cause_ = cause;
  if (auto* const t = runtime::tracing(loop())) [[unlikely]] {
    t->cancel_requested(loop().now(), {id_}, cause ? cause->by() : 0,
                        cause ? cause->text() : std::string(),
                        cause ? cause->at() : std::source_location());
  }
}

bool task_state::cancel(const cancel_ref& cause) noexcept {
  if (done()) return future_state::cancel(cause);
  pass_request(cause);
  return true;
}

// Along a chain of tasks that await tasks, down to the innermost (CANCEL-5): in a loop, since
// the chain may be long, and once around if it is a cycle.
void task_state::pass_request(const cancel_ref& cause) noexcept {
  task_state* last = this;
  for (;;) {
    last->note_request(cause);
    last->in_request_ = true;
    task_state* const inner = last->waiting_on_ ? last->waiting_on_->awaited_task() : nullptr;
    if (!inner || inner->in_request_) break;
    last = inner;
  }
  task_state* t = this;
  while (t != last) {
    t->in_request_ = false;
    t = t->waiting_on_->awaited_task();
  }
  last->in_request_ = false;
  last->interrupt_or_mark(cause);
}

void task_state::interrupt_or_mark(const cancel_ref& cause) noexcept {
  if (!waiting_on_) {
    must_cancel_ = true;
    return start();  // a child that a limit has held back ends without having run
  }
  if (waiting_on_->awaited_task()) return waiting_on_->interrupt();  // a cycle: break it here
  if (!waiting_on_->cancel(cause)) must_cancel_ = true;
}

unsigned task_state::uncancel() noexcept {
  if (cancelling_ > 0 && --cancelling_ == 0) must_cancel_ = false;
  return cancelling_;
}

// ---- what is known of a task -----------------------------------------------------------

std::string task_state::name() const {
  return name_ ? *name_ : "Task-" + std::to_string(id_);
}

void task_state::set_name(std::string name) {
  name_ = std::make_unique<std::string>(std::move(name));
}

std::source_location task_state::waiting_at() const noexcept {
  return innermost_ && started_ ? innermost_->place() : std::source_location{};
}

std::vector<std::source_location> task_state::stack() const {
  std::vector<std::source_location> places;
  for (const promise_base* p = started_ ? innermost_ : nullptr; p;
       p = p->caller() ? &p->caller()->parent() : nullptr) {
    if (p->place().line() != 0) places.push_back(p->place());
  }
  return places;
}

std::string task_state::describe() const {
  const auto word = [&]() -> std::string {
    switch (status_) {
      case future_status::value:
        return "finished";
      case future_status::error:
        return "finished exception=" + sheaf::describe(error_);
      case future_status::cancelled:
        return "cancelled";
      case future_status::pending:
        return cancelling_ > 0 ? "cancelling" : "pending";
    }
    return {};
  };
  std::string line = "task " + std::to_string(id_) + " '" + name() + "' " + word();
  if (done()) return line;
  if (waiting_on_) line += std::string(" waiting for ") + waiting_on_->kind();
  const auto at = waiting_at();
  if (at.line() != 0) {
    line += std::string(" at ") + at.file_name() + ':' + std::to_string(at.line());
  }
  return line;
}

exception_context task_state::describe_unretrieved() const {
  return {.message = "the exception of a task was never retrieved",
          .exception = error_,
          .task_id = id_,
          .task_name = name(),
          .created_at = created_at_,
          .waiting_at = {}};
}

// ---- trace -----------------------------------------------------------------------------

void task_state::trace_spawn() noexcept {
  const task_state* const parent = loop().current_task();
  // The name that most tasks have is left to the id, which stands beside it.
  loop().trace()->task_spawned(loop().now(), id_, parent ? parent->id() : 0,
                               name_ ? std::string_view(*name_) : std::string_view("task"),
                               created_at_);
}

void task_state::trace_wait(const char* kind, std::uint64_t object) noexcept {
  loop().trace()->task_waits(loop().now(), id_, kind, object, innermost_->place());
}

void task_state::trace_yield() noexcept {
  trace_wait("yield", 0);
  trace_wake();
}

void task_state::trace_wake() noexcept {
  const task_state* const by = loop().current_task();
  loop().trace()->task_woken(loop().now(), {id_}, by ? by->id() : 0);
}

void task_state::trace_end(future_status how) noexcept {
  auto& t = *loop().trace();
  const auto now = loop().now();
  if (how == future_status::value) return t.task_done(now, {id_});
  if (how == future_status::error) return t.task_failed(now, {id_}, sheaf::describe(error_));
  t.task_cancelled(now, {id_}, cause_ ? cause_->by() : 0, cause_ ? cause_->text() : "");
}

void task_state::traced_run(task_state* outer) noexcept {
  loop_core& l = loop();
  const state_ref keep = state_ref::share(this);
  const std::uint64_t outer_began = l.step_began();
  const std::uint64_t began = l.now();
  l.set_step_began(began);
  resume_until_suspended();
  l.set_current_task(outer);
  l.set_step_began(outer_began);
  if (auto* const t = runtime::tracing(l)) t->step(began, l.now(), {id_}, ++steps_);
}

void task_state::trace_open_step() noexcept {
  if (auto* const t = runtime::tracing(loop())) {
    t->step(loop().step_began(), loop().now(), {id_}, ++steps_);
  }
}

}  // namespace sheaf::detail
