#include <sheaf/runtime/brief_lock.hpp>
#include <sheaf/runtime/spin_pause.hpp>

#include <chrono>
#include <thread>

namespace sheaf::runtime {

void brief_lock::wait() noexcept {
  constexpr int spins = 100, yields = 20;
  constexpr std::chrono::microseconds nap(50);
  for (int tries = 0;; ++tries) {
    if (!held_.load(std::memory_order_relaxed) &&
        !held_.exchange(true, std::memory_order_acquire)) {
      return;
    }
    if (tries < spins) {
      spin_pause();
    } else if (tries < spins + yields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap);
    }
  }
}

}  // namespace sheaf::runtime
