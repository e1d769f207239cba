#pragma once

#include <cstdint>

namespace sheaf::runtime::detail {

/// One descriptor for all that a loop waits for: an epoll instance that holds libuv's own and
/// a timerfd for the next deadline, which libuv keeps to itself.
class wake_descriptor {
 public:
  /// Throws uv_error: ENOTSUP where there is no timerfd, EMFILE and the like.
  explicit wake_descriptor(int backend);
  wake_descriptor(const wake_descriptor&) = delete;
  wake_descriptor& operator=(const wake_descriptor&) = delete;
  ~wake_descriptor();

  int get() const noexcept { return all_; }
  /// Readable from now on, in `ms`, or (-1) not before libuv's is; until the next call.
  void ready_in(std::int64_t ms) noexcept;

 private:
  int all_ = -1;
  int timer_ = -1;
  std::int64_t set_to_ = -1;  // of the last call; what is due is set again
};

}  // namespace sheaf::runtime::detail
