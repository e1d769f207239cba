#pragma once

#include <sheaf/run.hpp>

#include <array>
#include <barrier>
#include <cstddef>
#include <thread>

namespace test {

/// Calls `f(0)` and `f(1)` on two threads that begin at the same time.
template <class F>
void on_two_threads(F f) {
  std::barrier start(2);
  const auto begin = [&](std::size_t i) {
    start.arrive_and_wait();
    f(i);
  };
  std::thread first(begin, 0), second(begin, 1);
  first.join();
  second.join();
}

/// What `f(0)` and `f(1)`, two coro<int>, give on the loops of two threads at once.
template <class F>
std::array<int, 2> run_on_both(F f) {
  std::array<int, 2> given{};
  on_two_threads([&](std::size_t i) { given[i] = sheaf::run(f(i)); });
  return given;
}

}  // namespace test
