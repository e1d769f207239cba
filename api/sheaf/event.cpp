#include <sheaf/event.hpp>

namespace sheaf {

bool detail::event_wait::begin(task_state& t) noexcept {
  if (!event_.queue_.admits(*this, t)) return false;
  event_.queue_.append(*this, t);
  return true;
}

}  // namespace sheaf
