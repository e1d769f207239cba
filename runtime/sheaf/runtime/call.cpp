#include <sheaf/runtime/call.hpp>

namespace sheaf::runtime::detail {

bool call_node::leave_waiting(std::uint32_t to) noexcept {
  std::uint32_t word = word_.load(std::memory_order_acquire);
  if (!threadsafe_) {
    if (word % one_holder != waiting) return false;
    word_.store(word + to, std::memory_order_relaxed);
    return true;
  }
  while (word % one_holder == waiting) {
    if (word_.compare_exchange_weak(word, word + to, std::memory_order_acq_rel)) {
      return true;
    }
  }
  return false;
}

void call_node::fail(std::source_location at) noexcept {
  scheduler::current()->fail("a callback", std::current_exception(), at);
}

void call_node::drop() noexcept {
  if (leave_waiting(is_cancelled)) discard();
  release();
}

void call_node::cancel() noexcept {
  if (!leave_waiting(is_cancelled)) return;
  discard();
  if (!armed()) return;  // it is in the ready queue, which passes over it
  disarm();
  release();
}

}  // namespace sheaf::runtime::detail
