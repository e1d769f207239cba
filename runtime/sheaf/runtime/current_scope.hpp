#pragma once

#include <utility>

namespace sheaf::runtime {

class scheduler;

namespace detail {

// The scheduler whose callbacks run on this thread now.
extern constinit thread_local scheduler* this_thread_scheduler
    __attribute__((tls_model("initial-exec")));

/// Makes `s` the current one of this thread for the scope's time.
class current_scope {
 public:
  explicit current_scope(scheduler& s) noexcept
      : before_(std::exchange(this_thread_scheduler, &s)) {}
  current_scope(const current_scope&) = delete;
  current_scope& operator=(const current_scope&) = delete;
  ~current_scope() { this_thread_scheduler = before_; }

 private:
  scheduler* before_;
};

}  // namespace detail
}  // namespace sheaf::runtime
