#include <sheaf/runtime/sigpipe_guard.hpp>

#include <signal.h>

#include <mutex>

namespace sheaf::runtime {

namespace {

std::mutex lock;
int guards = 0;        // guarded by lock, as the next
bool changed = false;  // the first of them found the default

bool is(void (*handler)(int)) noexcept {
  struct sigaction now{};
  ::sigaction(SIGPIPE, nullptr, &now);
  return (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == handler;
}

}  // namespace

sigpipe_guard::sigpipe_guard() noexcept {
  const std::lock_guard hold(lock);
  if (guards++ == 0 && (changed = is(SIG_DFL))) ::signal(SIGPIPE, SIG_IGN);
}

sigpipe_guard::~sigpipe_guard() {
  const std::lock_guard hold(lock);
  if (--guards == 0 && changed && is(SIG_IGN)) ::signal(SIGPIPE, SIG_DFL);
}

}  // namespace sheaf::runtime
