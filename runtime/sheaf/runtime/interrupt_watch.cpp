#include <sheaf/runtime/interrupt_watch.hpp>
#include <sheaf/runtime/loop.hpp>

#include <pthread.h>
#include <signal.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cerrno>

namespace sheaf::runtime {

namespace {

constexpr int patience = 3;  // signals that the loop does not look at

// Of the one watch that lives. A signal's handler can be given nothing.
std::atomic<int> unseen{0};
struct sigaction of_libuv;

bool on_main_thread() noexcept {
#if defined(__linux__)
  return ::syscall(SYS_gettid) == ::getpid();
#elif defined(__APPLE__)
  return ::pthread_main_np() != 0;
#else
  return false;
#endif
}

struct sigaction action_now() noexcept {
  struct sigaction now{};
  ::sigaction(SIGINT, nullptr, &now);
  return now;
}

bool is_simple(const struct sigaction& a, void (*handler)(int)) noexcept {
  return (a.sa_flags & SA_SIGINFO) == 0 && a.sa_handler == handler;
}

// Only what is safe in a signal's handler, and nothing of the loop's.
void on_sigint(int signum) {
  if (unseen.fetch_add(1, std::memory_order_relaxed) + 1 < patience) {
    return of_libuv.sa_handler(signum);
  }
  const int error = errno;
  ::signal(signum, SIG_DFL);
  ::raise(signum);  // taken when this returns, for it is blocked until then
  errno = error;
}

}  // namespace

bool interrupt_watch::available() noexcept {
  return on_main_thread() && is_simple(action_now(), SIG_DFL);
}

// libuv installs its handler, and ours goes before that.
interrupt_watch::interrupt_watch(loop& owner, unique_function<void()> on_interrupt)
    : signal_(owner, [f = std::move(on_interrupt)](int) mutable {
        unseen.store(0, std::memory_order_relaxed);
        f();
      }) {
  signal_.unref();
  signal_.start(SIGINT);
  unseen.store(0, std::memory_order_relaxed);
  of_libuv = action_now();
  struct sigaction ours = of_libuv;
  ours.sa_handler = on_sigint;
  ::sigaction(SIGINT, &ours, nullptr);
}

// libuv restores the default, which is what was there, unless somebody came after us.
interrupt_watch::~interrupt_watch() {
  const struct sigaction now = action_now();
  signal_.stop();
  if (!is_simple(now, on_sigint)) {
    ::sigaction(SIGINT, &now, nullptr);
  } else if (!is_simple(action_now(), SIG_DFL)) {
    ::sigaction(SIGINT, &of_libuv, nullptr);  // others wait for it through libuv
  }
}

}  // namespace sheaf::runtime
