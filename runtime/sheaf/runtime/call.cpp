#include <sheaf/runtime/call.hpp>

#include <sheaf/runtime/trace_hooks.hpp>

namespace sheaf::runtime::detail {

bool call_node::leave_waiting(state to) noexcept {
  if (threadsafe_) {
    state expected = state::waiting;
    return state_.compare_exchange_strong(expected, to);
  }
  if (state_.load(std::memory_order_relaxed) != state::waiting) return false;
  state_.store(to, std::memory_order_relaxed);
  return true;
}

void call_node::run() noexcept {
  if (leave_waiting(state::finished)) {
    const trace_callback slice(owner_, "callback");
    try {
      invoke();
    } catch (...) {
      owner_.fail("a callback", std::current_exception());
    }
    discard();
  }
  release();
}

void call_node::drop() noexcept {
  if (leave_waiting(state::cancelled)) discard();
  release();
}

void call_node::cancel() noexcept {
  if (!leave_waiting(state::cancelled)) return;
  discard();
  if (!armed()) return;  // it is in the ready queue, which passes over it
  owner_.disarm(*this);
  release();
}

}  // namespace sheaf::runtime::detail
