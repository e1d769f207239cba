#pragma once

#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/work.hpp>

#include <atomic>
#include <cstdlib>
#include <system_error>
#include <thread>

namespace test {

/// Holds all threads of libuv's pool, so that what is asked for meanwhile stays queued.
class busy_pool {
 public:
  explicit busy_pool(sheaf::runtime::loop& l) {
    for (int i = 0; i < threads_; ++i) {
      sheaf::runtime::work(
          l,
          [this] {
            ++held_;
            while (!free_) std::this_thread::yield();
            --held_;
          },
          [](std::error_code) {})
          .detach();
    }
    while (held_ < threads_) std::this_thread::yield();
  }
  busy_pool(const busy_pool&) = delete;
  busy_pool& operator=(const busy_pool&) = delete;
  ~busy_pool() { free(); }

  void free() {
    free_ = true;
    while (held_ > 0) std::this_thread::yield();
  }

 private:
  static int pool_size() {
    const char* const wish = std::getenv("UV_THREADPOOL_SIZE");
    return wish ? std::atoi(wish) : 4;
  }
  const int threads_ = pool_size();
  std::atomic<int> held_ = 0;
  std::atomic<bool> free_ = false;
};

}  // namespace test
