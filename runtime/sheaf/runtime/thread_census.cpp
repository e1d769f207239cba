#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/thread_census.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

// ThreadSanitizer runs a thread of its own, which has no name to know it by.
extern "C" __attribute__((weak)) void __tsan_init();

namespace sheaf::runtime {

namespace {

std::atomic<int> pool_threads{0};

std::atomic<int> libuv_threads{0};

// By the rules of libuv's own init_threads().
int libuv_pool_size() noexcept {
  const char* const wish = std::getenv("UV_THREADPOOL_SIZE");
  return wish ? std::clamp(std::atoi(wish), 1, 1024) : 4;
}

// libuv names the threads of its pool since 1.50 only. Before, they bear the name of the
// thread that first used the pool, so that they can only be counted. The kernel's threads for
// io_uring never leave the kernel: "iou-sqp-" and "iou-wrk-" with a number.
bool only_runs_requests(const std::filesystem::path& thread) {
  std::string name;
  std::ifstream(thread / "comm") >> name;
  return name == "libuv-worker" || name.starts_with("iou-");
}

}  // namespace

void count_pool_threads(int change) noexcept { pool_threads += change; }

void count_libuv_threads() noexcept {
  constexpr unsigned names_its_threads = (1 << 16) | (50 << 8);
  static const int count = uv_version() < names_its_threads ? libuv_pool_size() : 0;
  libuv_threads.store(count, std::memory_order_relaxed);
}

bool other_threads_exist() noexcept try {
  int others = -1 - pool_threads - libuv_threads - (&__tsan_init ? 1 : 0);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (!only_runs_requests(thread.path())) ++others;
  }
  return others > 0;
} catch (...) {
  return true;
}

}  // namespace sheaf::runtime
