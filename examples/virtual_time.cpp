// A test of code that waits for hours, in no time: the clock jumps to the next deadline
// whenever nothing else can happen.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;

// What is to be tested: tries again after 1 hour, 2 hours, 4 hours...
template <class F>
sheaf::coro<int> retry(F attempt, int times) {
  auto pause = 1h;
  for (; times > 1; --times, pause *= 2) {
    const auto got = co_await sheaf::as_outcome(attempt());
    if (got) co_return got.value();
    co_await sheaf::sleep(pause);
  }
  co_return co_await attempt();
}

int calls = 0;

sheaf::coro<int> works_the_third_time() {
  if (++calls < 3) throw std::runtime_error("not yet");
  co_return 42;
}

sheaf::coro<bool> test_retry() {
  const auto& loop = sheaf::loop::current();
  const auto began = loop.time();
  const int result = co_await retry(works_the_third_time, 5);
  const auto took = loop.time() - began;
  std::cout << result << " after " << took / 1h << " hours\n";
  co_return result == 42 && took == 3h;  // exactly: no tolerance needed
}

// A test that would hang says so instead, and names the task that waits.
sheaf::coro<> waits_for_what_nobody_does() {
  sheaf::promise<int> never;
  co_await never.get_future();
}

int main() {
  const auto virtual_time = sheaf::run_options().virtual_time();
  const bool passed = sheaf::run(test_retry(), virtual_time);
  try {
    sheaf::run(waits_for_what_nobody_does(), virtual_time);
  } catch (const sheaf::deadlock&) {
    std::cout << "nothing can wake the task any more\n";
  }
  return passed ? 0 : 1;
}
