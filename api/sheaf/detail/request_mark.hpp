#pragma once

#include <sheaf/detail/task_state.hpp>

namespace sheaf::detail {

/// The requests to cancel a task that there were at some time: those that came since may be
/// taken back.
class request_mark {
 public:
  request_mark() = default;
  explicit request_mark(const task_state& t) noexcept
      : requests_(t.cancelling()),
        expired_(t.ambient().expired_scopes()),
        must_leave_(t.must_leave()) {}

  /// Takes back what came since; or throws `c` on, if some of it is not the caller's to take:
  /// that of a scope around it, or of the library.
  void take_back(task_state& t, const cancelled& c) const;

 private:
  unsigned requests_ = 0;
  unsigned expired_ = 0;
  bool must_leave_ = false;
};

}  // namespace sheaf::detail
