#include <sheaf/detail/completion_state.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

completion_state::completion_state(loop_core& l, std::vector<child> children,
                                   std::optional<std::int64_t> timeout_ns)
    : loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
      id_(l.next_join_id()),
      unclaimed_(children.size()),
      children_(std::move(children)) {
  if (runtime::tracing(l)) [[unlikely]]
    trace_begin();
  bool pending = false;
  for (child& c : children_) {
    if (c.state->done()) {
      arrived_.push_back(c.registration);
    } else {
      pending = true;
      c.state->watch(c.registration, *this);
    }
  }
  if (timeout_ns && pending) {
    retain();  // the deadline's, while it is armed or queued
    deadline_.start(l, timeout_ns);
  }
}

completion_state::~completion_state() {
  for (child& c : children_) c.state->unwatch(c.registration);
}

void completion_state::post() noexcept {
  if (std::exchange(queued_, true)) return;
  retain();
  loop_->post(*this);
}

void completion_state::settled(watcher& w) noexcept {
  static_assert(std::is_standard_layout_v<child>);
  settled_.push_back(w);
  post();
}

void completion_state::run() noexcept {
  queued_ = false;
  arrived_.take_all(settled_);
  hand_out();
  release();
}

void completion_state::drop() noexcept {
  queued_ = false;
  release();
}

void completion_state::hand_out() noexcept {
  while (!waiting_.empty() && ready()) {
    completion_wait& w = *waiting_.front();
    waiting_.pop_front();
    if (arrived_.empty()) {
      w.wake(std::nullopt);
      continue;
    }
    const std::size_t i = index_of(arrived_.pop_front());
    if (--unclaimed_ == 0) stop_deadline();
    w.wake(i);
  }
}

std::optional<std::size_t> completion_state::take() {
  if (unclaimed_ == 0) return std::nullopt;
  if (--unclaimed_ == 0) stop_deadline();
  if (arrived_.empty()) {
    throw timeout_error("as_completed: the time-out passed before all had completed");
  }
  return index_of(arrived_.pop_front());
}

void completion_state::leave(completion_wait& w) noexcept { std::erase(waiting_, &w); }

void completion_state::give_back(std::size_t i) noexcept {
  arrived_.push_front(children_[i].registration);
  ++unclaimed_;
  if (!waiting_.empty()) post();
}

// What has completed by now is still delivered; all else becomes an error at its await, and
// the children run on (ASC-5 to ASC-7).
void completion_state::stop_deadline() noexcept {
  if (!deadline_.armed()) return;
  deadline_.stop();
  release();
}

void completion_state::on_time() noexcept {
  timed_out_ = true;
  for (child& c : children_) c.state->unwatch(c.registration);
  post();
  release();
}

void completion_state::abandon() noexcept {
  stop_deadline();
  const auto cause = make_cause(cancel_why::left, loop_->current_task(), {},
                                "as_completed was left before it ended");
  for (child& c : children_) {
    if (c.own && !c.state->done()) c.state->cancel(cause);
  }
}

void completion_state::trace_begin() noexcept {
  auto& t = *loop_->trace();
  const auto now = loop_->now();
  const task_state* const owner = loop_->current_task();
  t.join_begin(now, id_, "as_completed", static_cast<std::uint32_t>(children_.size()),
               owner ? owner->id() : 0);
  for (const child& c : children_) {
    t.join_child(now, id_, c.state->is_task() ? c.state->trace_id() : 0);
  }
}

// ---- the waiter ------------------------------------------------------------------------

completion_wait::~completion_wait() {
  if (waiting_) state_->leave(*this);
}

bool completion_wait::begin(task_state& t) noexcept {
  task_ = &t;
  other_loop_ = &state_->loop() != &t.loop();
  if (other_loop_) return false;
  waiting_ = true;
  state_->enter(*this);
  t.suspended_on(*this);
  return true;
}

void completion_wait::wake(std::optional<std::size_t> with) noexcept {
  waiting_ = false;
  handed_ = with;
  task_->wake();
}

bool completion_wait::cancel(const cancel_ref&) noexcept {
  interrupt();
  return true;
}

void completion_wait::interrupt() noexcept {
  waiting_ = false;
  state_->leave(*this);
  task_->wake_cancelled();
}

std::optional<std::size_t> completion_wait::next() {
  if (task_) {
    if (handed_ && task_->interrupted()) state_->give_back(*handed_);
    task_->throw_if_interrupted();
  }
  if (other_loop_)
    throw invalid_state("as_completed: the stream belongs to another loop");
  if (handed_) return handed_;
  return state_->take();
}

}  // namespace sheaf::detail
