#include <sheaf/runtime/brief_lock.hpp>

#include <chrono>
#include <thread>

namespace sheaf::runtime {

namespace {

void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void brief_lock::wait() noexcept {
  constexpr int spins = 100, yields = 20;
  constexpr std::chrono::microseconds nap(50);
  for (int tries = 0;; ++tries) {
    if (!held_.load(std::memory_order_relaxed) &&
        !held_.exchange(true, std::memory_order_acquire)) {
      return;
    }
    if (tries < spins) {
      pause();
    } else if (tries < spins + yields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap);
    }
  }
}

}  // namespace sheaf::runtime
