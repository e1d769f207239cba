#include <sheaf/detail/hedge_state.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>

namespace sheaf::detail {

hedge_state::hedge_state(loop_core& l, std::int64_t delay_ns, std::size_t attempts)
    : join_state(l, hedge_policy), delay_ns_(delay_ns), attempts_(attempts), context_(l) {
  if (attempts == 0) throw std::invalid_argument("hedge: there is nothing to attempt");
  want(1, attempts);
  time_starts(attempts);
}

std::size_t hedge_state::due() const noexcept {
  const std::size_t failures = attempts_ - 1 - spare();
  return std::min(attempts_, on_time_ + failures);
}

void hedge_state::refill() noexcept {
  while (wants_more() && size() < due()) make_next();
  if (size() == attempts_) close_supply();
}

void hedge_state::make_next() noexcept {
  state_ref child;
  try {
    child = context_([this] { return make(size()); });
  } catch (...) {
    child = failed_child(loop(), std::current_exception());
  }
  put_late(next_link(), std::move(child));
  restart_deadline();
}

// It holds the join while it is armed or queued.
void hedge_state::restart_deadline() noexcept {
  stop_deadline();
  if (!wants_more() || size() == attempts_) return;
  retain();
  deadline_.start(loop(), delay_ns_);
}

void hedge_state::stop_deadline() noexcept {
  if (!deadline_.armed()) return;
  deadline_.stop();
  release();
}

void hedge_state::on_time() noexcept {
  if (wants_more()) {
    ++on_time_;
    queue();
  }
  release();
}

}  // namespace sheaf::detail
