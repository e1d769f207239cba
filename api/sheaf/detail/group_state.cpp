#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/group_state.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/exception_group.hpp>

#include <bit>
#include <cassert>
#include <utility>

namespace sheaf::detail {

// ---- the way of run() ------------------------------------------------------------------

void group_state::enter(promise_base& frame) noexcept {
  parent_ = frame.task();
  frame_ = &frame;
  place_ = frame.caller() ? frame.caller()->parent().last_place()
                          : std::bit_cast<place_pointer>(parent_->created_at());
  if (!place_) place_ = frame.last_place();
  id_ = loop().next_join_id();
  if (auto* const t = runtime::tracing(loop())) [[unlikely]]
    t->join_begin(loop().now(), id_, "task_group", 0, parent_->id());
}

// The frame of run() is the library's: the caller's stands for it in the task's stack.
void group_state::body_suspends() noexcept {
  frame_->set_place(frame_->caller() ? nullptr : place_);
}

void group_state::leave_with(std::exception_ptr e) noexcept {
  leaving_ = true;
  if (const auto* const c = thrown<cancelled>(e)) return leave_cancelled(c->cause());
  body_error_ = std::move(e);
  if (thrown<system_exit>(body_error_) && !exit_) exit_ = body_error_;
  if (aborting_) return;
  abort(make_cause(cancel_why::left, parent_, {}, "the group was left by an exception"));
}

void group_state::leave_cancelled(const cancel_ref& cause) noexcept {
  cancelled_ = true;
  if (!is_own_request(cause)) outside_ = cause;
  if (!aborting_) abort(cause);
}

void group_state::finish() {
  frame_->set_place(place_);
  if (runtime::tracing(loop())) [[unlikely]]
    trace_end();
  if (exit_) [[unlikely]]
    throw_exit();
  if (own_request_) take_back_own_request();
  if (!failed_.empty() || body_error_) throw_errors();
  if (cancelled_) throw cancelled(outside_ ? outside_ : parent_->cause());
}

// What is left of the count is somebody else's: a request that came while the children were
// waited for must not go by unnoticed, even if the body has ended well.
void group_state::take_back_own_request() noexcept {
  cancelled_ = parent_->uncancel() != 0 && (cancelled_ || request_came_);
}

// Not wrapped: it ends the program's run. What it hides goes to the exception handler.
void group_state::throw_exit() {
  for (const auto& c : failures()) {
    if (c.exception != exit_) loop().report(c);
  }
  std::rethrow_exception(exit_);
}

// Errors go before a cancellation. One that was asked for from outside is not forgotten: the
// parent's next await throws it, and the count stays as it is.
void group_state::throw_errors() {
  if (parent_->cancelling() != 0) {
    const cancel_ref cause = outside_ ? outside_ : parent_->cause();
    parent_->uncancel();
    parent_->cancel(cause);
  }
  auto rows = log_.take();
  sort_by_index(rows);
  throw exception_group("unhandled errors in a task group", failures(), reports_of(rows));
}

std::vector<exception_context> group_state::failures() {
  std::vector<exception_context> all;
  for (group_link* l = failed_.first(); l != failed_.end(); l = l->next) {
    all.push_back(l->child->describe_as("a task of a group failed"));
  }
  if (body_error_) {
    all.push_back(parent_->describe_as("the body of a group failed"));
    all.back().exception = body_error_;
  }
  return all;
}

group_state::~group_state() {
  assert(!queued_ && "run() waits until nothing is queued; a closed loop queues nothing");
  for (group_link* l = running_list_.first(); l != running_list_.end(); l = l->next) {
    l->child->unwatch(l->registration);
  }
  for (group_link* l = failed_.first(); l != failed_.end();) {
    std::exchange(l, l->next)->child->release();
  }
}

// ---- the children ----------------------------------------------------------------------

void group_state::refuse() const {
  loop().require_open("create_task");
  throw invalid_state(
      aborting_ ? "task_group::create_task: the group is ending: a child or the body has "
                  "failed, or it was cancelled; its other tasks are being cancelled too"
                : "task_group::create_task: the group has ended: its body and its last "
                  "task are done");
}

// From the first failure on none is left out: no more are made, or few.
void group_state::keep_failed(group_link& l) noexcept {
  log_.keep(child_log::all);
  l.child->retain();
  l.child->mark_retrieved();
  failed_.append(l);
  if (!exit_ && thrown<system_exit>(l.child->error())) exit_ = l.child->error();
  queue();
}

void group_state::queue() noexcept {
  if (std::exchange(queued_, true)) return;
  loop().post(*this);
}

void group_state::run() noexcept {
  queued_ = false;
  if (!failed_.empty() && !aborting_) {
    abort_all(make_cause(cancel_why::sibling_failed, failed_.first()->child, {}));
  }
  if (running_ == 0 && waiting_) std::exchange(waiting_, nullptr)->done();
}

void group_state::keep_reports(std::size_t n) {
  if (!aborting_ && failed_.empty()) log_.keep(n);
}

void group_state::cancel(std::string reason, std::source_location at) {
  if (aborting_ || (leaving_ && !busy())) return;
  abort_all(make_cause(loop(), std::move(reason), at));
}

// The children first, then the parent, as asyncio does.
void group_state::abort_all(cancel_ref cause) noexcept {
  if (parent_->cancelling() != 0) outside_ = parent_->cause();
  own_request_ = std::move(cause);
  abort(own_request_);
  parent_->cancel(own_request_);
}

// In the order in which they were made. None ends in it, so the list stays as it is. A child
// that this very request has reached already, on another way, is not asked again: that would
// end its cleanup.
void group_state::abort(const cancel_ref& cause) noexcept {
  aborting_ = true;
  log_.keep(child_log::all);
  parent_->mark_in_request(true);  // of a child that awaits its parent
  for (group_link* l = running_list_.first(); l != running_list_.end(); l = l->next) {
    if (!cause || l->child->cause() != cause) l->child->cancel(cause);
  }
  parent_->mark_in_request(false);
}

bool group_state::is_own_request(const cancel_ref& cause) const noexcept {
  return own_request_ && cause == own_request_;
}

// The parent was cancelled while it waited for the children.
void group_state::note_request() noexcept {
  request_came_ = true;
  if (!is_own_request(parent_->cause())) outside_ = parent_->cause();
  if (aborting_) return;
  cancelled_ = true;
  abort(outside_);
}

// ---- trace -----------------------------------------------------------------------------

void group_state::trace_child(const task_state& child) const noexcept {
  loop().trace()->join_child(loop().now(), id_, child.id());
}

void group_state::trace_end() noexcept {
  const bool failed = exit_ || body_error_ || !failed_.empty();
  const auto result = failed       ? runtime::trace_result::error
                      : cancelled_ ? runtime::trace_result::cancelled
                                   : runtime::trace_result::ok;
  loop().trace()->join_end(loop().now(), id_, result,
                           failed_.empty() ? 0 : failed_.first()->child->id());
}

// ---- the wait --------------------------------------------------------------------------

void group_wait::begin(promise_base& frame) noexcept {
  frame.set_place(group_.place_);
  group_.waiting_ = this;
  group_.parent_->suspended_on(*this);
}

void group_wait::done() noexcept { group_.parent_->wake(); }

void group_wait::await_resume() noexcept {
  if (group_.parent_->consume_interrupt()) group_.note_request();
}

// The group's own request need not wake it: there is nothing to do but to wait on.
bool group_wait::cancel(const cancel_ref& cause) noexcept {
  const bool only_own = group_.parent_->cancelling() == 1 && group_.is_own_request(cause);
  if (!only_own) interrupt();
  return true;
}

void group_wait::interrupt() noexcept {
  group_.waiting_ = nullptr;
  group_.parent_->wake_cancelled();
}

}  // namespace sheaf::detail
