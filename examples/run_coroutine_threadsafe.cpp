// A loop in a thread of its own, and plain threads that ask it for something.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <future>
#include <iostream>
#include <stop_token>
#include <thread>

using namespace std::chrono_literals;

sheaf::coro<int> square(int x) {
  co_await sheaf::sleep(10ms);
  co_return x* x;
}

sheaf::coro<> wait_for_ever() {
  const sheaf::promise<> never;
  co_await never.get_future();
}

int main() {
  sheaf::loop loop;
  sheaf::promise<> over(loop);
  const auto until = [](sheaf::future<> end) -> sheaf::coro<> { co_await end; };
  std::thread served([&] { loop.run_until_complete(until(over.get_future())); });

  // Any thread may give it a coroutine, and blocks until there is an answer.
  std::future<int> answer = sheaf::run_coroutine_threadsafe(loop, square(7));
  std::cout << "7 squared is " << answer.get() << '\n';

  // A std::future has no cancel(): a stop token has.
  std::stop_source stop;
  auto waiting = sheaf::run_coroutine_threadsafe(loop, wait_for_ever(), stop.get_token());
  if (waiting.wait_for(10ms) != std::future_status::ready) stop.request_stop();
  try {
    waiting.get();
  } catch (const sheaf::cancelled& c) {
    std::cout << "cancelled: " << c.reason() << '\n';
  }

  loop.call_soon_threadsafe([&over] { over.set_value(); });
  served.join();  // before the loop goes: who may still call it is gone then
}
