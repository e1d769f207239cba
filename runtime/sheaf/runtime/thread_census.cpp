#include <sheaf/runtime/thread_census.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

// ThreadSanitizer runs a thread of its own, which has no name to know it by.
extern "C" __attribute__((weak)) void __tsan_init();

namespace sheaf::runtime {

namespace {

std::atomic<int> pool_threads{0};

// libuv names the threads of its pool since 1.50 only. Before, they bear the name of the
// thread that first used the pool, so they cannot be told from others and count as such.
bool is_libuv_worker(const std::filesystem::path& thread) {
  std::string name;
  std::ifstream(thread / "comm") >> name;
  return name == "libuv-worker";
}

}  // namespace

void count_pool_threads(int change) noexcept { pool_threads += change; }

bool other_threads_exist() noexcept try {
  int others = -1 - pool_threads - (&__tsan_init ? 1 : 0);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (!is_libuv_worker(thread.path())) ++others;
  }
  return others > 0;
} catch (...) {
  return true;
}

}  // namespace sheaf::runtime
