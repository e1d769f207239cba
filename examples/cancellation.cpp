// Cancellation and errors: how a task is stopped, and where a failure comes out.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

sheaf::coro<int> serve(std::string name) {
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled& why) {
    std::cout << name << ": told to stop: " << why.reason() << '\n';
    throw;  // a task that is asked to stop says that it did
  }
  co_return 0;
}

sheaf::coro<int> fail_after(std::chrono::seconds delay) {
  co_await sheaf::sleep(delay);
  throw std::runtime_error("the disk is full");
}

sheaf::coro<> cancel_a_task() {
  auto task = sheaf::create_task(serve("cancel"));
  co_await sheaf::sleep(1s);
  task.cancel("shutting down");  // asks; the task ends later
  try {
    co_await task;
  } catch (const sheaf::cancelled&) {
    std::cout << "cancel: it has stopped\n";
  }
}

sheaf::coro<> one_of_several_fails() {
  try {
    co_await sheaf::gather(serve("gather"), fail_after(1s));
  } catch (const std::exception& error) {
    // serve() has ended by now.
    std::cout << "gather: " << error.what() << '\n';
  }
}

sheaf::coro<> look_at_each() {
  std::vector<sheaf::coro<int>> coros;
  coros.push_back(fail_after(1s));
  coros.push_back(serve("never stopped"));
  for (const auto& each :
       co_await sheaf::gather(sheaf::return_exceptions, std::move(coros))) {
    std::cout << "each: " << (each.has_value() ? "a value" : "an error") << '\n';
  }
}

sheaf::coro<> without_try() {
  const sheaf::outcome<int> got = co_await sheaf::as_outcome(fail_after(1s));
  std::cout << "outcome: " << (got ? "a value" : "an error") << '\n';
}

sheaf::coro<> all_of_them() {
  co_await cancel_a_task();
  co_await one_of_several_fails();
  co_await look_at_each();
  co_await without_try();
}

// On the virtual clock: two hours of sleep that take no time.
int main() { sheaf::run(all_of_them(), sheaf::run_options().virtual_time()); }
