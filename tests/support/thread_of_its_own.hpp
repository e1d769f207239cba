#pragma once

#include <thread>
#include <utility>

namespace test {

/// Calls `f()` on another thread and waits for it: what it throws is to be caught inside.
template <class F>
void on_another_thread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

}  // namespace test
