#include <sheaf/barrier.hpp>

#include <algorithm>

namespace sheaf {

using detail::barrier_wait;

barrier::barrier(std::ptrdiff_t parties) : parties_(static_cast<std::size_t>(parties)) {
  if (parties < 1) throw std::invalid_argument("barrier: a number of parties below 1");
}

// Those who were let go have all they need.
barrier::~barrier() {
  queue_.forget_woken();
  queue_.forsake();
}

// False if the task goes on at once: it is the last of its round, or may not wait.
bool barrier::arrive(barrier_wait& w, detail::task_state& t) noexcept {
  if (broken_) {
    w.broken_ = true;
    return false;
  }
  if (!queue_.anyone_woken() && waiting_ + 1 == parties_) {
    w.index_ = waiting_;
    release_round();
    return false;
  }
  ++waiting_;
  queue_.append(w, t);
  return true;
}

/// Lets those go who wait, as far as they belong to this round.
void barrier::release_round() noexcept {
  const std::size_t n = std::min(waiting_, parties_);
  for (std::size_t i = 0; i < n; ++i) {
    auto& w = static_cast<barrier_wait&>(queue_.first_waiting());
    w.index_ = i;
    queue_.wake(w);
  }
  waiting_ -= n;
}

// The last to leave ends the draining. Those who came meanwhile are the next round, or its
// beginning.
void barrier::left() noexcept {
  if (!queue_.anyone_woken() && waiting_ >= parties_) release_round();
}

void barrier::break_waiting() noexcept {
  while (queue_.anyone_waiting()) {
    auto& w = static_cast<barrier_wait&>(queue_.first_waiting());
    w.broken_ = true;
    queue_.wake(w);
  }
  waiting_ = 0;
}

void barrier::break_woken() noexcept {
  queue_.for_each_woken(
      [](detail::waiter& w) { static_cast<barrier_wait&>(w).broken_ = true; });
}

detail::done_at_once barrier::abort() {
  queue_.require_thread("barrier::abort");
  broken_ = true;
  break_woken();
  break_waiting();
  return {};
}

detail::done_at_once barrier::reset() {
  queue_.require_thread("barrier::reset");
  broken_ = false;
  if (queue_.anyone_woken()) {
    break_woken();
  } else {
    break_waiting();
  }
  return {};
}

// ---- a task that waits -----------------------------------------------------------------

bool barrier_wait::begin(task_state& t) noexcept {
  return barrier_.queue_.admits(*this, t) && barrier_.arrive(*this, t);
}

void barrier_wait::interrupt() noexcept {
  --barrier_.waiting_;
  waiter::interrupt();
}

// Its place in the round is not passed on: the round was complete.
barrier_wait::~barrier_wait() {
  if (queued()) --barrier_.waiting_;
  if (leave()) barrier_.left();
}

std::size_t barrier_wait::await_resume() {
  const bool listed = task() && !alone();
  if (resumed() && listed) barrier_.left();
  if (broken_) throw broken_barrier("barrier: it was aborted or reset");
  return index_;
}

}  // namespace sheaf
