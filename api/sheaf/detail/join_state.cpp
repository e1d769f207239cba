#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

void join_state::leave_all() noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    if (!links_[i].child) continue;
    child(i).unwatch(links_[i].registration);
    discard_child(child(i));
  }
  release_children();
}

inline void join_state::go_on() noexcept {
  if (!open() && !reacted_) end_the_rest();
  if (running_ == 0 && !queued_) finish();
}

void join_state::begin(std::size_t limit) noexcept {
  retain();  // for as long as a child may still call settled()
  began_ = loop().batch_time();
  if (runtime::tracing(loop())) [[unlikely]]
    trace_begin();
  if (policy_->from == supply::later) [[unlikely]] {
    supplying_ = true;  // the one that running_ began with is the supply's
    refill();
  } else {
    --running_;
    if (limit != unlimited) [[unlikely]]
      hold_back(limit);
  }
  go_on();
}

void join_state::hold_back(std::size_t limit) noexcept {
  held_back_ = size_;
  attentive_ = true;
  for (std::size_t i = 0; i < limit && held_back_ != 0; ++i) start_next();
}

// Only a child that was held back takes one of the places of the limit.
void join_state::start_next() noexcept {
  while (held_back_ != 0) {
    const std::size_t place = size_ - held_back_--;
    future_state& c = child(place);
    if (!is_held(c) || c.done()) continue;
    note_start(place);
    return static_cast<task_state&>(c).start();
  }
}

void join_state::note_start(std::size_t place) noexcept {
  table_->starts[place] = loop().batch_time();
}

bool join_state::is_held(const future_state& c) noexcept {
  return c.is_task() && static_cast<const task_state&>(c).held();
}

void join_state::close_supply() noexcept {
  if (!std::exchange(supplying_, false)) return;
  --running_;
  supply_closed();
}

void join_state::put_late(join_link& l, state_ref child) noexcept {
  future_state& c = *child;
  note_start(place_of(l));
  if (auto* const t = runtime::tracing(loop())) [[unlikely]]
    t->join_child(loop().now(), id_, c.is_task() ? c.trace_id() : 0);
  put(l, std::move(child));
  if (!supplying_ && !c.done()) c.cancel(cause_);  // what makes children may cancel them
}

// ---- one child after the other ends ----------------------------------------------------

// The registration is the first member of its link.
void join_state::settled(watcher& w) noexcept {
  static_assert(std::is_standard_layout_v<join_link>);
  static_assert(offsetof(watcher, prev) == offsetof(join_link::end, unregistered));
  join_link& l = reinterpret_cast<join_link&>(w);
  l.ended.at = loop().batch_time();
  if (l.child->status() != future_status::value || attentive_) [[unlikely]]
    settled_unusually(l);
  if (--running_ == 0) [[unlikely]]
    queue();
}

void join_state::settled_unusually(join_link& l) noexcept {
  const bool was_open = open();
  note(l);
  if (supplying_ && ended_with_loop(*l.child)) cancel_as(l.child->cause());
  // After the verdict none starts any more: end_the_rest() is about to cancel them. Nor when
  // all were cancelled: those held back are queued to end, and have not begun.
  const bool going_on = !cancel_requested_ && (open() || policy_->rest == leftover::left);
  if (is_held(*l.child) && going_on) start_next();
  if ((was_open && !open()) || supplying_) queue();
}

// The loop is ending: no more are made, which nobody would cancel any more.
bool join_state::ended_with_loop(const future_state& child) noexcept {
  return child.status() == future_status::cancelled && child.cause() &&
         child.cause()->why() == cancel_why::shutdown;
}

void join_state::cancel_as(const cancel_ref& cause) noexcept {
  cancel_requested_ = true;
  cause_ = cause;
  close_supply();
}

// Puts it behind those that ended before it.
void join_state::note(join_link& l) noexcept {
  l.ended.next = nullptr;
  (first_end_ ? last_end_->ended.next : first_end_) = &l;
  last_end_ = &l;
  const bool good = l.child->status() == future_status::value;
  if (!good && counts_as_seen(l)) l.child->mark_retrieved();
  if (open()) weigh(l, good);
}

join_link* join_state::take_end() noexcept {
  join_link* const l = first_end_;
  if (!l) return nullptr;
  first_end_ = l->ended.next;
  return l;
}

// An error is somebody's business if it is a part of the result. One that a loser threw when
// it was told to stop is nobody's: if nobody has its handle it is reported.
bool join_state::counts_as_seen(const join_link& l) const noexcept {
  if (verdict_ != verdict::value) return true;
  return !reacted_ && is_ours(place_of(l));
}

void join_state::weigh(join_link& l, bool good) noexcept {
  switch (policy_->when) {
    case settles::by_ends:
      return;
    case settles::by_all:
      if (!good) decide(verdict::failure, l);
      return;
    case settles::by_first:
      return decide(good ? verdict::value : verdict::failure, l);
    case settles::by_enough:
      if (good && --wanted_ == 0) return decide(verdict::value, l);
      if (!good && spare_-- == 0) decide(verdict::failure, l);
  }
}

void join_state::decide(verdict v, const join_link& by) noexcept {
  verdict_ = v;
  decisive_ = &by;
  attentive_ = true;
}

void join_state::fail_with(join_link& l) noexcept {
  if (open()) decide(verdict::failure, l);
}

void join_state::queue() noexcept {
  if (queued_) return;
  queued_ = true;
  retain();
  loop().post(*this);
}

void join_state::run() noexcept {
  queued_ = false;
  if (policy_->from == supply::later) refill();
  go_on();
  release();
}

// The loop is closed. Ends it nevertheless: it holds itself until then.
void join_state::drop() noexcept {
  queued_ = false;
  if (wants_more()) cancel_requested_ = true;  // cut off: it cannot be completed
  close_supply();
  if (policy_->from == supply::later)
    refill();  // takes what has ended, and makes nothing
  if (!open() && policy_->rest == leftover::ended_if_ours) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (!is_ours(i)) let_go(links_[i]);
    }
  }
  if (running_ == 0) finish();
  release();
}

// ---- the others ------------------------------------------------------------------------

void join_state::end_the_rest() noexcept {
  reacted_ = true;
  if (policy_->rest == leftover::left) {
    settle_as_failed();
    if (runtime::tracing(loop())) [[unlikely]]
      trace_end();
    return;
  }
  close_supply();
  // Those that were asked are not asked again: a second request would end their cleanup.
  if (cancel_requested_ || running_ == 0) return;
  const future_state& by = *decisive_->child;
  const auto* const t = by.is_task() ? static_cast<const task_state*>(&by) : nullptr;
  const bool failed = verdict_ == verdict::failure;
  stop_children(make_cause(failed ? cancel_why::sibling_failed : cancel_why::not_needed,
                           t, t ? t->failed_at() : std::source_location(),
                           failed ? "" : "a sibling was first"));
}

bool join_state::is_ours(std::size_t place) const noexcept {
  if (policy_->rest != leftover::ended_if_ours) return true;
  return handed_over(place) && child(place).is_work();
}

// True if one accepted the request, or was let go.
bool join_state::stop_children(const cancel_ref& cause) noexcept {
  bool accepted = false;
  for (std::size_t i = 0; i < size_; ++i) {
    if (!links_[i].child || child(i).done()) continue;
    if (is_ours(i)) {
      accepted = child(i).cancel(cause) || accepted;
    } else {
      accepted = true;
      let_go(links_[i]);
    }
  }
  return accepted;
}

void join_state::let_go(join_link& l) noexcept {
  if (!l.registration.registered()) return;
  l.child->unwatch(l.registration);
  l.ended = {};
  --running_;
}

bool join_state::cancel(const cancel_ref& cause) noexcept {
  if (done()) return future_state::cancel(cause);
  if (being_cancelled_) return false;  // a circle of joins
  being_cancelled_ = true;
  deep_requests& deep = loop().deep();
  if (deep.full()) [[unlikely]]
    return put_off(cause);
  deep.enter();
  const bool accepted = pass_to_children(cause);
  if (deep.outermost() && deep.put_off_) [[unlikely]]
    tell_put_off();
  deep.leave();
  if (deep.put_off_) [[unlikely]]
    hold_in(deep.told_);
  else
    being_cancelled_ = false;
  return accepted;
}

bool join_state::pass_to_children(const cancel_ref& cause) noexcept {
  const bool accepted = stop_children(cause);
  if (!accepted && !supplying_) return false;
  cancel_as(cause);
  if (running_ == 0) queue();
  return true;
}

// ---- a request from very far out -------------------------------------------------------

void join_state::hold_in(join_state*& list) noexcept {
  retain();
  deep_next_ = std::exchange(list, this);
}

bool join_state::put_off(const cancel_ref& cause) noexcept {
  const bool accepts = supplying_ || std::ranges::any_of(links(), [](const join_link& l) {
                         return l.child && !l.child->done();
                       });
  if (!accepts) return being_cancelled_ = false;
  cancel_as(cause);
  hold_in(loop().deep().put_off_);
  return true;
}

// Of the outermost join: those that are told may put off others.
void join_state::tell_put_off() noexcept {
  deep_requests& deep = loop().deep();
  while (join_state* const j = deep.put_off_) {
    deep.put_off_ = j->deep_next_;
    j->deep_next_ = std::exchange(deep.told_, j);
    const cancel_ref cause = j->cause_;
    j->pass_to_children(cause);
  }
  while (join_state* const j = deep.told_) {
    deep.told_ = std::exchange(j->deep_next_, nullptr);
    j->being_cancelled_ = false;
    j->release();
  }
}

// ---- the result ------------------------------------------------------------------------

inline void join_state::settle_result() noexcept {
  if (verdict_ == verdict::failure) return settle_as_failed();
  if (cancel_requested_) return settle_as_cancelled(cause_);
  try {
    collect();
    settle_value();
  } catch (...) {
    fill_table();
    settle_error(std::current_exception());
  }
}

void join_state::finish() noexcept {
  if (!done()) {
    settle_result();
    if (runtime::tracing(loop())) [[unlikely]]
      trace_end();
  }
  release_children();
  if (policy_->from == supply::later) supply_ended();
  release();
}

void join_state::settle_as_failed() noexcept {
  if (policy_->when == settles::by_enough) return settle_with_all_failures();
  const future_state& failed = *decisive_->child;
  if (!failed.failed()) return settle_as_cancelled(failed.cause());
  fill_table();
  settle_error(failed.error());
}

// The join itself is not cancelled by this: it failed, with a cancellation (GATHER-8).
void join_state::settle_as_cancelled(const cancel_ref& cause) noexcept {
  fill_table();
  settle_error(std::make_exception_ptr(cancelled(cause)));
}

// With the end of the join, not with its future, which may be kept for long.
void join_state::release_children() noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    if (links_[i].child) std::exchange(links_[i].child, nullptr)->release();
  }
  size_ = 0;
}

// ---- trace -----------------------------------------------------------------------------

void join_state::trace_begin() noexcept {
  auto& t = *loop().trace();
  const auto now = loop().now();
  const task_state* const owner = loop().current_task();
  t.join_begin(now, id_, policy_->name, static_cast<std::uint32_t>(expected()),
               owner ? owner->id() : 0);
  for (std::size_t i = 0; i < size_; ++i) {
    t.join_child(now, id_, child(i).is_task() ? child(i).trace_id() : 0);
  }
}

void join_state::trace_end() noexcept {
  const auto result = [&] {
    if (!failed()) return runtime::trace_result::ok;
    return thrown<cancelled>(error()) ? runtime::trace_result::cancelled
                                      : runtime::trace_result::error;
  }();
  const future_state* const by = decisive_ ? decisive_->child : nullptr;
  loop().trace()->join_end(loop().now(), id_, result,
                           by && by->is_task() ? by->trace_id() : 0);
}

}  // namespace sheaf::detail
