#include <sheaf/detail/join_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <exception>

namespace sheaf::detail {

void join_state::begin(std::span<join_link> links, std::size_t limit) noexcept {
  links_ = links;
  running_ = links.size();
  retain();  // for as long as a child may still call settled()
  if (runtime::tracing(loop())) [[unlikely]] trace_begin();
  for (join_link& l : links_) {
    if (l.child->done()) {
      child_done(l);
    } else {
      l.child->watch(l.registration, *this);
    }
  }
  next_ = limit == unlimited ? links_.size() : 0;
  for (std::size_t i = 0; i < limit && next_ < links_.size(); ++i) start_next();
  if (first_failure_) act_on_failure();
  if (running_ == 0) finish();
}

// Tasks given to the join run already; starting them again does nothing.
void join_state::start_next() noexcept {
  future_state& child = *links_[next_++].child;
  if (child.is_task()) static_cast<task_state&>(child).start();
}

void join_state::child_done(const join_link& l) noexcept {
  --running_;
  if (l.child->status() == future_status::value) return;
  l.child->mark_retrieved();
  if (!first_failure_ && !tolerant()) first_failure_ = &l;
}

// The registration is the first member of its link.
void join_state::settled(watcher& w) noexcept {
  const auto& link = reinterpret_cast<const join_link&>(w);
  static_assert(std::is_standard_layout_v<join_link>);
  const bool had_failure = first_failure_ != nullptr;
  child_done(link);
  if (next_ != links_.size()) [[unlikely]] start_next();
  if (running_ == 0 || (first_failure_ && !had_failure)) queue();
}

void join_state::queue() noexcept {
  if (queued_) return;
  queued_ = true;
  retain();
  loop().post(*this);
}

void join_state::run() noexcept {
  queued_ = false;
  if (first_failure_ && !reacted_) act_on_failure();
  if (running_ == 0) finish();
  release();
}

void join_state::drop() noexcept {
  queued_ = false;
  release();
}

void join_state::act_on_failure() noexcept {
  reacted_ = true;
  if (policy_ == join_policy::leave_running) return settle_as_failed();
  const future_state& failed = *first_failure_->child;
  const auto cause = cancel_ref::adopt(new cancel_cause(
      "a sibling failed", failed.is_task() ? failed.trace_id() : 0, std::source_location()));
  for (join_link& l : links_) l.child->cancel(cause);
}

void join_state::settle_as_failed() noexcept {
  const future_state& failed = *first_failure_->child;
  if (failed.failed()) return settle_error(failed.error());
  // The join itself is not cancelled by this: it failed, with a cancellation (GATHER-8).
  settle_error(std::make_exception_ptr(cancelled(failed.cause())));
}

void join_state::finish() noexcept {
  if (!done()) {
    if (first_failure_) {
      settle_as_failed();
    } else if (cancel_requested_) {
      settle_error(std::make_exception_ptr(cancelled(cause_)));
    } else {
      try {
        collect();
        settle_value();
      } catch (...) {
        settle_error(std::current_exception());
      }
    }
    if (runtime::tracing(loop())) [[unlikely]] trace_end();
  }
  for (join_link& l : links_) l.child = {};
  release();
}

bool join_state::cancel(const cancel_ref& cause) noexcept {
  if (done()) return future_state::cancel(cause);
  bool accepted = false;
  for (join_link& l : links_) {
    if (l.child && !l.child->done()) accepted = l.child->cancel(cause) || accepted;
  }
  if (!accepted) return false;
  cancel_requested_ = true;
  cause_ = cause;
  return true;
}

void join_state::trace_begin() noexcept {
  auto& t = *loop().trace();
  const auto now = loop().now();
  const task_state* const owner = loop().current_task();
  t.join_begin(now, id_, "gather", static_cast<std::uint32_t>(links_.size()),
               owner ? owner->id() : 0);
  for (const join_link& l : links_) {
    t.join_child(now, id_, l.child->is_task() ? l.child->trace_id() : 0);
  }
}

void join_state::trace_end() noexcept {
  const auto result = [&] {
    if (!failed()) return runtime::trace_result::ok;
    return first_failure_ && first_failure_->child->failed() ? runtime::trace_result::error
                                                            : runtime::trace_result::cancelled;
  }();
  const future_state* const first = first_failure_ ? first_failure_->child.get() : nullptr;
  loop().trace()->join_end(loop().now(), id_, result,
                           first && first->is_task() ? first->trace_id() : 0);
}

}  // namespace sheaf::detail
