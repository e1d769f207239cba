#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <exception>
#include <utility>

namespace sheaf::detail {

void join_state::leave_children() noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    if (links_[i].child) links_[i].child->unwatch(links_[i].registration);
  }
  release_children();
}

void join_state::add_done(state_ref child) noexcept {
  note(*next_link(std::move(child)).child);
}

void join_state::begin(std::size_t limit) noexcept {
  retain();  // for as long as a child may still call settled()
  --running_;
  if (runtime::tracing(loop())) [[unlikely]]
    trace_begin();
  held_back_ = limit == unlimited ? 0 : size_;
  for (std::size_t i = 0; i < limit && held_back_ != 0; ++i) start_next();
  if (first_failure_) act_on_failure();
  if (running_ == 0 && !queued_) finish();
}

// Only a child that was held back takes one of the places of the limit.
void join_state::start_next() noexcept {
  while (held_back_ != 0) {
    future_state& c = child(size_ - held_back_--);
    if (is_held(c) && !c.done()) return static_cast<task_state&>(c).start();
  }
}

bool join_state::is_held(const future_state& c) noexcept {
  return c.is_task() && static_cast<const task_state&>(c).held();
}

void join_state::note_failure(future_state& child) noexcept {
  child.mark_retrieved();
  if (!first_failure_ && !tolerant()) first_failure_ = &child;
}

// The registration is the first member of its link.
void join_state::settled(watcher& w) noexcept {
  static_assert(std::is_standard_layout_v<join_link>);
  future_state& child = *reinterpret_cast<join_link&>(w).child;
  if (child.status() != future_status::value || held_back_ != 0) [[unlikely]] {
    settled_unusually(child);
  }
  if (--running_ == 0) [[unlikely]]
    queue();
}

void join_state::settled_unusually(future_state& child) noexcept {
  const bool had_failure = first_failure_ != nullptr;
  note(child);
  // After a failure none starts any more: act_on_failure() is about to cancel them.
  const bool ending = first_failure_ && policy_ == join_policy::structured;
  if (is_held(child) && !ending) start_next();
  if (first_failure_ && !had_failure) queue();
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
  if (running_ == 0 && !queued_) finish();
  release();
}

// The loop is closed. Ends it nevertheless: it holds itself until then.
void join_state::drop() noexcept {
  queued_ = false;
  if (running_ == 0) finish();
  release();
}

void join_state::act_on_failure() noexcept {
  reacted_ = true;
  if (policy_ == join_policy::leave_running) return settle_as_failed();
  if (cancel_requested_)
    return;  // they were asked; a second request would end their cleanup
  const future_state& failed = *first_failure_;
  const auto* const t =
      failed.is_task() ? static_cast<const task_state*>(&failed) : nullptr;
  const auto cause = make_cause(cancel_why::sibling_failed, t,
                                t ? t->failed_at() : std::source_location());
  for (std::size_t i = 0; i < size_; ++i) child(i).cancel(cause);
}

void join_state::settle_as_failed() noexcept {
  const future_state& failed = *first_failure_;
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
    if (runtime::tracing(loop())) [[unlikely]]
      trace_end();
  }
  release_children();
  release();
}

// With the end of the join, not with its future, which may be kept for long.
void join_state::release_children() noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    if (links_[i].child) std::exchange(links_[i].child, nullptr)->release();
  }
  size_ = 0;
  first_failure_ = nullptr;
}

bool join_state::cancel(const cancel_ref& cause) noexcept {
  if (done()) return future_state::cancel(cause);
  if (running_ == 0) return false;  // collect() may be letting go of the children
  being_cancelled_ = true;
  bool accepted = false;
  for (std::size_t i = 0; i < size_; ++i) {
    if (!child(i).done()) accepted = child(i).cancel(cause) || accepted;
  }
  being_cancelled_ = false;
  if (!accepted) return false;
  cancel_requested_ = true;
  cause_ = cause;
  return true;
}

void join_state::trace_begin() noexcept {
  auto& t = *loop().trace();
  const auto now = loop().now();
  const task_state* const owner = loop().current_task();
  t.join_begin(now, id_, "gather", static_cast<std::uint32_t>(size_),
               owner ? owner->id() : 0);
  for (std::size_t i = 0; i < size_; ++i) {
    t.join_child(now, id_, child(i).is_task() ? child(i).trace_id() : 0);
  }
}

void join_state::trace_end() noexcept {
  const auto result = [&] {
    if (!failed()) return runtime::trace_result::ok;
    return first_failure_ && first_failure_->failed() ? runtime::trace_result::error
                                                      : runtime::trace_result::cancelled;
  }();
  const future_state* const first = first_failure_;
  loop().trace()->join_end(loop().now(), id_, result,
                           first && first->is_task() ? first->trace_id() : 0);
}

}  // namespace sheaf::detail
