#include <sheaf/detail/wait_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <stdexcept>
#include <type_traits>

namespace sheaf::detail {

// A wait that is over already returns without suspending (WAIT-12).
bool wait_state::begin(task_state& t) noexcept {
  task_ = &t;
  look_at_children();
  const bool waiting = !other_loop_ && !satisfied();
  watch_children(waiting);
  if (!waiting) return false;
  id_ = t.loop().next_join_id();
  if (runtime::tracing(t.loop())) [[unlikely]]
    trace_begin();
  deadline_.start(t.loop(), timeout_ns_);
  t.suspended_on(*this);
  return true;
}

void wait_state::look_at_children() noexcept {
  for (child& c : children_) look_at(c);
}

// Marks it, to know it if it comes again: a duplicate counts once (WAIT-3).
void wait_state::look_at(child& c) noexcept {
  if (&c.state->loop() != &task_->loop()) {
    other_loop_ = true;
    c.state = nullptr;  // of another thread: not even to be marked
    return;
  }
  if (c.state->marked()) {
    c.state = nullptr;
    return;
  }
  c.state->mark(true);
  ++distinct_;
  if (c.state->done()) note_done(c);
}

// The marks go, now or never; the rest only if there is something to wait for.
void wait_state::watch_children(bool waiting) noexcept {
  for (child& c : children_) {
    if (!c.state) continue;
    c.state->mark(false);
    if (waiting && !c.state->done()) c.state->watch(c.registration, *this);
  }
}

void wait_state::note_done(child& c) noexcept {
  done_.push_back(c.registration);
  ++done_count_;
  has_exception_ = has_exception_ || c.state->failed();
}

bool wait_state::satisfied() const noexcept {
  if (done_count_ == distinct_) return true;
  if (when_ == return_when::first_completed) return !done_.empty();
  return when_ == return_when::first_exception && has_exception_;
}

void wait_state::settled(watcher& w) noexcept {
  static_assert(std::is_standard_layout_v<child>);
  note_done(child_of(w));
  if (queued_ || !satisfied()) return;
  queued_ = in_queue_ = true;
  task_->loop().post(*this);
}

void wait_state::run() noexcept {
  in_queue_ = false;
  if (task_->waiting_on() == this) wake();
}

void wait_state::on_time() noexcept {
  if (task_->waiting_on() != this) return;
  queued_ = true;
  wake();
}

// The deadline goes first: after this the task may run, and this frame with it.
void wait_state::wake() noexcept {
  deadline_.stop();
  task_->wake();
}

bool wait_state::cancel(const cancel_ref&) noexcept {
  interrupt();
  return true;
}

void wait_state::interrupt() noexcept {
  deadline_.stop();
  queued_ = true;
  task_->wake_cancelled();
}

void wait_state::leave() noexcept {
  for (std::size_t i = 0; i < children_.size(); ++i) leave_pending(i);
}

void wait_state::finish() {
  task_->throw_if_interrupted();
  if (other_loop_) {
    throw std::invalid_argument("wait: an awaitable belongs to another loop");
  }
}

void wait_state::trace_begin() noexcept {
  auto& l = task_->loop();
  auto& t = *l.trace();
  const auto now = l.now();
  t.join_begin(now, id_, "wait", static_cast<std::uint32_t>(distinct_), task_->id());
  for (const child& c : children_) {
    if (c.state) t.join_child(now, id_, c.state->is_task() ? c.state->trace_id() : 0);
  }
}

}  // namespace sheaf::detail
