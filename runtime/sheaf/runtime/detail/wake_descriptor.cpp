#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/detail/wake_descriptor.hpp>
#include <sheaf/runtime/error.hpp>

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace sheaf::runtime::detail {

#ifdef __linux__

namespace {

int made(int descriptor, const char* call) {
  if (descriptor < 0) throw uv_error(uv_translate_sys_error(errno), call);
  return descriptor;
}

void add(int all, int one) {
  epoll_event when{};
  when.events = EPOLLIN;
  made(epoll_ctl(all, EPOLL_CTL_ADD, one, &when), "epoll_ctl");
}

}  // namespace

wake_descriptor::wake_descriptor(int backend) {
  try {
    all_ = made(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    timer_ = made(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                  "timerfd_create");
    add(all_, backend);
    add(all_, timer_);
  } catch (...) {
    if (timer_ >= 0) ::close(timer_);
    if (all_ >= 0) ::close(all_);
    throw;
  }
}

wake_descriptor::~wake_descriptor() {
  ::close(timer_);
  ::close(all_);
}

// Setting it also takes back that it was readable. A time of 0 would switch it off.
void wake_descriptor::ready_in(std::int64_t ms) noexcept {
  if (ms == set_to_ && ms <= 0) return;
  set_to_ = ms;
  itimerspec at{};
  if (ms == 0) at.it_value.tv_nsec = 1;
  if (ms > 0) at.it_value = {ms / 1000, ms % 1000 * 1'000'000};
  timerfd_settime(timer_, 0, &at, nullptr);
}

#else

wake_descriptor::wake_descriptor(int) {
  throw uv_error(UV_ENOTSUP, "poll_fd: this system has no timerfd");
}
wake_descriptor::~wake_descriptor() = default;
void wake_descriptor::ready_in(std::int64_t) noexcept {}

#endif

}  // namespace sheaf::runtime::detail
