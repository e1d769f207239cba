#include <sheaf/detail/awaitable_argument.hpp>

#include <stdexcept>

namespace sheaf::detail {

void require_same_loop(loop_core*& l, const future_state& s) {
  if (l && l != &s.loop()) {
    throw std::invalid_argument("the awaitables given belong to different loops");
  }
  l = &s.loop();
}

}  // namespace sheaf::detail
