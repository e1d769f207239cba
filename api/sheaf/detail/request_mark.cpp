#include <sheaf/detail/request_mark.hpp>

namespace sheaf::detail {

void request_mark::take_back(task_state& t, const cancelled& c) const {
  if (t.cancelling() <= requests_)
    return;  // what was awaited was cancelled, not the task
  const bool plain = c.why() == cancel_why::requested;
  const bool scopes = t.ambient().expired_scopes() != expired_;
  // Of several requests that come at once `c` tells one; the others are not lost for that.
  if (!plain || scopes || t.must_leave() != must_leave_) throw c;
  while (t.cancelling() > requests_) t.uncancel();
}

}  // namespace sheaf::detail
