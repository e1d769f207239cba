#include <sheaf/detail/wait_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <stdexcept>
#include <type_traits>

namespace sheaf::detail {

wait_state::wait_state(std::vector<state_ref> children, return_when when,
                       std::optional<std::int64_t> timeout_ns)
    : when_(when), timeout_ns_(timeout_ns) {
  children_.reserve(children.size());
  done_order_.reserve(children.size());
  for (state_ref& s : children) children_.push_back({{}, std::move(s)});
}

// A wait that is over already returns without suspending (WAIT-12).
bool wait_state::begin(task_state& t) noexcept {
  task_ = &t;
  for (const child& c : children_)
    other_loop_ = other_loop_ || &c.state->loop() != &t.loop();
  if (other_loop_) return false;
  for (const child& c : children_) {
    if (c.state->done()) note_done(c);
  }
  if (satisfied()) return false;
  for (child& c : children_) {
    if (!c.state->done()) c.state->watch(c.registration, *this);
  }
  id_ = t.loop().next_join_id();
  if (runtime::tracing(t.loop())) [[unlikely]]
    trace_begin();
  deadline_.start(t.loop(), timeout_ns_);
  t.suspended_on(*this);
  return true;
}

void wait_state::note_done(const child& c) noexcept {
  done_order_.push_back(static_cast<std::size_t>(&c - children_.data()));
  has_exception_ = has_exception_ || c.state->failed();
}

bool wait_state::satisfied() const noexcept {
  if (done_order_.size() == children_.size()) return true;
  if (when_ == return_when::first_completed) return !done_order_.empty();
  return when_ == return_when::first_exception && has_exception_;
}

void wait_state::settled(watcher& w) noexcept {
  static_assert(
      std::is_standard_layout_v<child>);  // the registration is its first member
  note_done(reinterpret_cast<const child&>(w));
  if (queued_ || !satisfied()) return;
  queued_ = true;
  task_->loop().post(*this);
}

void wait_state::run() noexcept {
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
  for (child& c : children_) {
    if (c.registration.registered()) c.state->unwatch(c.registration);
  }
}

void wait_state::finish() {
  leave();
  task_->throw_if_interrupted();
  if (other_loop_) {
    throw std::invalid_argument("wait: an awaitable belongs to another loop");
  }
}

void wait_state::trace_begin() noexcept {
  auto& l = task_->loop();
  auto& t = *l.trace();
  const auto now = l.now();
  t.join_begin(now, id_, "wait", static_cast<std::uint32_t>(children_.size()),
               task_->id());
  for (const child& c : children_) {
    t.join_child(now, id_, c.state->is_task() ? c.state->trace_id() : 0);
  }
}

}  // namespace sheaf::detail
