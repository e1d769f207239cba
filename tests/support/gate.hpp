#pragma once

#include <atomic>
#include <thread>

namespace test {

/// Holds the calls of threads back until it is opened.
class gate {
 public:
  void open() noexcept { open_ = true; }
  void pass() const noexcept {
    while (!open_) std::this_thread::yield();
  }

 private:
  std::atomic<bool> open_ = false;
};

}  // namespace test
