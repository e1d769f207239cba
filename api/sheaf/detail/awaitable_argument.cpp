#include <sheaf/detail/awaitable_argument.hpp>

#include <stdexcept>

namespace sheaf::detail {

void discard_child(future_state& child) noexcept {
  if (!child.is_task() || child.done()) return;
  auto& t = static_cast<task_state&>(child);
  if (t.child_of_call() && !t.begun()) t.discard();
}

void require_same_loop(loop_core*& l, const future_state& s) {
  if (l && l != &s.loop()) {
    throw std::invalid_argument("the awaitables given belong to different loops");
  }
  l = &s.loop();
}

}  // namespace sheaf::detail
