// Several loops, each on a thread of its own; tasks of one are awaited in another.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

// Runs on a loop of the pool: its thread may be held up without harm to the others.
sheaf::coro<std::string> crunch(std::string what) {
  std::this_thread::sleep_for(5ms);
  co_await sheaf::sleep(1ms);
  if (what.empty()) throw std::invalid_argument("nothing to crunch");
  co_return what + ": done";
}

sheaf::coro<> forever(std::string name) {
  try {
    co_await sheaf::sleep(24h);
  } catch (const sheaf::cancelled& c) {
    std::cout << name << ": " << c.reason() << '\n';
    throw;
  }
}

sheaf::coro<> serve() {
  sheaf::loop_pool pool(2);

  const auto [a, b] = co_await sheaf::gather(spawn_on(pool[0], crunch, "apples"),
                                             spawn_on(pool[1], crunch, "pears"));
  std::cout << a << '\n' << b << '\n';

  // What is thrown over there is thrown here.
  try {
    co_await pool.spawn(crunch, "");
  } catch (const std::invalid_argument& e) {
    std::cout << "error: " << e.what() << '\n';
  }

  // Cancelling who waits cancels the task over there, and waits for its end.
  try {
    co_await sheaf::wait_for(spawn_on(pool[1], forever, "a limit"), 20ms);
  } catch (const sheaf::timeout_error&) {
    std::cout << "too late\n";
  }

  // The end of the pool does so with all that is left.
  const auto left = spawn_on(pool[0], forever, "the end");
  co_await spawn_on(pool[0], crunch, "plums");
  co_await pool.shutdown();
  std::cout << (left.cancelled() ? "all have ended\n" : "?\n");
}

int main() { sheaf::run(serve()); }
