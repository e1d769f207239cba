#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/task_dump.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

namespace sheaf::detail {

void promise_base::unhandled_exception() noexcept {
  task_->throw_in_flight(std::current_exception());
  if (!caller_) task_->drop_result();
}

place_pointer promise_base::callers_place(place_pointer unknown) const noexcept {
  if (caller_) return caller_->parent().last_place();
  for (const auto at : {task_->created_at(), task_->awaited_at()}) {
    if (at.line() != 0) return std::bit_cast<place_pointer>(at);
  }
  return unknown;
}

// ---- the driver ------------------------------------------------------------------------

void task_state::run() noexcept {
  if (flags_.has_any(task_flag::must_cancel, task_flag::has_context)) [[unlikely]] {
    if (!prepare_unusually()) return;
  }
  loop_core& l = loop();
  l.set_current_task(this);
  if (l.observed()) [[unlikely]]
    return observed_run();
  resume_until_suspended();
  l.set_current_task(nullptr);
  l.set_context(nullptr);
}

// False if there is nothing to resume any more.
bool task_state::prepare_unusually() noexcept {
  if (flags_.has(task_flag::must_cancel) && deliver()) return false;
  if (flags_.has(task_flag::has_context)) loop().set_context(loop().context_of(id_));
  return true;
}

// Each resume() returns when a coroutine suspends. innermost() then tells why: another frame
// is to go on (a coroutine was awaited, or one has returned to its caller), none (the task's
// own has returned), or the same (it waits for something, or has queued itself).
inline void task_state::resume_until_suspended() noexcept {
  promise_base* p = innermost();
  for (;;) {
    p->handle().resume();
    promise_base* const next = innermost();
    if (next == p) break;
    if (!next) return returned(p);
    p = next;
  }
  if (flags_.has(task_flag::must_cancel)) [[unlikely]]
    request_own_cancellation();
}

// It asked to cancel itself before it suspended: what it waits for is cancelled (CANCEL-12).
void task_state::request_own_cancellation() noexcept {
  if (!waiting_on_) return;
  flags_.clear(task_flag::must_cancel);
  if (!waiting_on_->cancel(cause_)) flags_.set(task_flag::must_cancel);
}

// Unless there is an error the frame is gone: arguments die before anybody is told.
inline void task_state::returned(promise_base* root) noexcept {
  if (eventful_) [[unlikely]]
    return end_unusually(root);
  end(future_status::value);
}

void task_state::end_unusually(promise_base* root) noexcept {
  const place_pointer told_at = loop().debug() ? loop().notes().take_told(id_) : nullptr;
  if (error_) return settle_failed(*root);
  if (!flags_.has(task_flag::must_cancel)) return end_uncancelled(told_at);
  discard_value();  // it cancelled itself and did not suspend again (CANCEL-13)
  end(future_status::cancelled);
}

// It was asked to end and did not: fine if that came to nothing, or it took the request back.
void task_state::end_uncancelled(place_pointer told_at) noexcept {
  cause_ = {};
  const state_ref keep = state_ref::share(this);
  end(future_status::value);
  if (!told_at || cancelling_ == 0) return;
  loop().report(
      {.message =
           "a task swallowed its cancellation: throw `cancelled` on, or call uncancel()",
       .task_id = id_,
       .task_name = name(),
       .created_at = created_at_,
       .waiting_at = promise_base::await_place(told_at)});
}

void task_state::settle_failed(promise_base& root) noexcept {
  const place_pointer last_await = root.last_place();
  root.handle().destroy();
  if (const cancelled* const c = thrown<cancelled>(error_)) {
    cause_ = c->cause();
    error_ = nullptr;
    return end(future_status::cancelled);
  }
  if (loop().running() && leaves_run(error_)) {
    retrieved_ = true;
    loop().leave_with(error_);
  }
  cause_ = {};
  failed_at_ = last_await;
  end(future_status::error);
}

inline void task_state::end(future_status s) noexcept {
  loop_core& l = loop();
  l.delist(*this);
  if (runtime::tracing(l)) [[unlikely]]
    trace_end(s);
  settle(s);
  release();  // the loop's
}

// A request that was made while the task could not be told is delivered now: as an exception
// at its await, or, if it never began, by ending it (CANCEL-6): true then.
bool task_state::deliver() noexcept {
  if (done()) {
    release();  // the queue's reference to a task that was discarded
    return true;
  }
  flags_.clear(task_flag::must_cancel);
  if (begun()) {
    flags_.set(task_flag::interrupted);
    return false;
  }
  promise_base& root = *std::exchange(innermost_, nullptr);
  root.handle().destroy();
  end(future_status::cancelled);
  return true;
}

void task_state::discard() noexcept {
  flags_.set(task_flag::must_cancel);
  if (flags_.has(task_flag::queued_once)) retain();
  std::exchange(innermost_, nullptr)->handle().destroy();
  end(future_status::cancelled);
}

void task_state::drop() noexcept {
  if (flags_.has(task_flag::must_cancel) && done()) release();
}

cancelled task_state::take_interrupt() noexcept {
  flags_.clear(task_flag::interrupted);
  if (loop().debug()) [[unlikely]]
    note_told();
  return cancelled(cause_);
}

// asyncio's rule for two requests that are delivered as one: what it waited for was cancelled
// by the first of them, and tells why (CANCEL-19).
cancelled task_state::take_interrupt(const future_state& awaited) noexcept {
  if (awaited.failed()) {
    if (const cancelled* const inside = thrown<cancelled>(awaited.error()))
      cause_ = inside->cause();
  }
  if (awaited.status() == future_status::cancelled) cause_ = awaited.cause();
  return take_interrupt();
}

void task_state::start() noexcept {
  if (flags_.has(task_flag::queued_once)) return;
  flags_.set(task_flag::queued_once);
  loop().post(*this);
}

void task_state::start_eagerly() noexcept {
  flags_.set(task_flag::queued_once);
  const state_ref keep = state_ref::share(this);
  loop_core& l = loop();
  task_state* const outer = l.current_task();
  context_state* const outer_context = l.context();
  l.set_context(nullptr);
  run();
  l.set_current_task(outer);
  l.set_context(outer_context);
}

void task_state::abandon() noexcept {
  waiting_on_ =
      nullptr;  // first: destructors may cancel this task, or one that awaits it
  const state_ref keep = state_ref::share(this);
  if (runtime::tracing(loop())) loop().trace()->task_orphan(loop().now(), {id_});
  for (promise_base* p = std::exchange(innermost_, nullptr); p;) {
    coro_wait_base* const caller = p->caller();
    if (caller) caller->forget_child();
    promise_base* const parent = caller ? &caller->parent() : nullptr;
    p->handle().destroy();
    p = parent;
  }
  error_ = nullptr;
  end(future_status::cancelled);
}

// ---- cancellation ----------------------------------------------------------------------

void task_state::note_request(const cancel_ref& cause) noexcept {
  ++cancelling_;
  eventful_ = true;
  if (cause && cause->why() != cancel_why::requested &&
      cause->why() != cancel_why::timeout) {
    flags_.set(task_flag::must_leave);
  }
  if (!flags_.has(task_flag::interrupted))
    cause_ = cause;  // else the first is on its way
  if (auto* const t = runtime::tracing(loop())) [[unlikely]] {
    const cancelled why(cause);
    t->cancel_requested(loop().now(), {id_}, why.by(), why.reason(), why.at());
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
  bool told = false;
  for (;;) {
    last->note_request(cause);
    last->flags_.set(task_flag::in_request);
    task_state* const inner =
        last->waiting_on_ ? last->waiting_on_->awaited_task() : nullptr;
    if (!inner || inner->flags_.has(task_flag::in_request)) break;
    told = cause && inner->cause_ == cause;  // by this very request, on another way
    if (told) break;
    last = inner;
  }
  task_state* t = this;
  while (t != last) {
    t->flags_.clear(task_flag::in_request);
    t = t->waiting_on_->awaited_task();
  }
  last->flags_.clear(task_flag::in_request);
  if (!told) last->interrupt_or_mark(cause);
}

void task_state::interrupt_or_mark(const cancel_ref& cause) noexcept {
  if (!waiting_on_) {
    flags_.set(task_flag::must_cancel);
    return start();  // a child that a limit has held back ends without having run
  }
  if (waiting_on_->awaited_task())
    return waiting_on_->interrupt();  // a cycle: break it here
  if (!waiting_on_->cancel(cause)) flags_.set(task_flag::must_cancel);
}

unsigned task_state::uncancel() noexcept {
  // Of a task that is done the flags are the queue's: it may hold one that was discarded.
  if (cancelling_ > 0 && --cancelling_ == 0 && !done()) {
    flags_.clear(task_flag::must_cancel);
    flags_.clear(task_flag::must_leave);
  }
  return cancelling_;
}

// ---- trace -----------------------------------------------------------------------------

void task_state::trace_spawn() noexcept {
  const task_state* const parent = loop().current_task();
  loop().trace()->task_spawned(loop().now(), id_, parent ? parent->id() : 0, trace_name(),
                               created_at_);
}

// One that was given no name goes by its coroutine's: "Task-7" would be one of a kind, and
// what is of a kind is to be counted together.
std::uint16_t task_state::trace_name() const noexcept {
  auto& t = *loop().trace();
  return flags_.has(task_flag::named) ? t.intern(loop().name_of(id_))
                                      : t.intern_function(function());
}

void task_state::trace_wait(const char* kind, std::uint64_t object) noexcept {
  const std::uint64_t now = loop().now();
  loop().set_suspended_at(now);
  loop().trace()->task_waits(now, id_, kind, object, innermost()->place());
}

// One look at the clock for both, which is most of what they cost.
void task_state::trace_yield() noexcept {
  auto& t = *loop().trace();
  const std::uint64_t now = loop().now();
  loop().set_suspended_at(now);
  t.task_waits(now, id_, "yield", 0, innermost()->place());
  t.task_woken(now, {id_}, id_);
}

void task_state::trace_wake() noexcept {
  const task_state* const by = loop().current_task();
  loop().trace()->task_woken(loop().now(), {id_}, by ? by->id() : 0);
}

void task_state::trace_end(future_status how) noexcept {
  auto& t = *loop().trace();
  const auto now = loop().now();
  if (how == future_status::value) return t.task_done(now, {id_});
  if (how == future_status::error)
    return t.task_failed(now, {id_}, sheaf::describe(error_));
  const cancelled why(cause_);
  t.task_cancelled(now, {id_}, why.by(), why.reason(), why.at());
}

void task_state::observed_run() noexcept {
  loop_core& l = loop();
  const state_ref keep = state_ref::share(this);
  const place_pointer from = innermost()->last_place();
  runtime::stopwatch watch(l);
  runtime::tracing(l) ? traced_steps() : resume_until_suspended();
  l.set_current_task(nullptr);
  l.set_context(nullptr);
  if (watch.too_long(l)) report_slow(from, watch.took());
}

void task_state::report_slow(place_pointer from, std::chrono::nanoseconds took) noexcept {
  loop().report({.message = "a task's step held the loop",
                 .task_id = id_,
                 .task_name = name(),
                 .created_at = created_at_,
                 .waiting_at = waiting_at(),
                 .resumed_at = promise_base::await_place(from),
                 .took = took});
}

void task_state::traced_steps() noexcept {
  loop_core& l = loop();
  const std::uint64_t outer_began = l.step_began();
  const std::uint64_t began = l.now();
  const place_pointer from = innermost()->last_place();
  l.set_step_began(began);
  l.set_suspended_at(0);
  resume_until_suspended();
  l.set_step_began(outer_began);
  // Suspending was the last thing that the step did, so its time is the step's end.
  const std::uint64_t ended = l.suspended_at() != 0 ? l.suspended_at() : l.now();
  l.set_suspended_at(0);  // an outer step, which started this one eagerly, goes on
  auto* const t = runtime::tracing(l);
  if (!t) return;
  if (t->too_long(began, ended)) trace_blocked(began, ended, from);
  t->step(began, ended, {id_}, ++steps_);
}

// Ahead of its step, so that it lies inside.
void task_state::trace_blocked(std::uint64_t began, std::uint64_t ended,
                               place_pointer from) noexcept {
  const auto was = promise_base::await_place(from);
  loop().trace()->blocked(ended, ended - began, id_, was,
                          innermost() ? innermost()->place() : was);
}

void task_state::trace_alive() noexcept {
  auto* const t = runtime::tracing(loop());
  if (!t) return;
  t->task_alive(loop().now(), id_, 0, trace_name(), created_at_);
  if (loop().current_task() == this) loop().set_step_began(loop().now());
  if (waiting_on_) trace_wait(waiting_on_->kind(), waiting_on_->object());
}

void task_state::trace_open_step() noexcept {
  if (auto* const t = runtime::tracing(loop())) {
    t->step(loop().step_began(), loop().now(), {id_}, ++steps_);
  }
}

}  // namespace sheaf::detail
