#include <sheaf/detail/request_mark.hpp>

namespace sheaf::detail {

void request_mark::take_back(task_state& t, const cancelled& c) const {
  if (t.cancelling() <= requests_)
    return;  // what was awaited was cancelled, not the task
  const bool plain = c.why() == cancel_why::requested;
  if (!plain || t.ambient().expired_scopes() != expired_) throw c;
  while (t.cancelling() > requests_) t.uncancel();
}

}  // namespace sheaf::detail
