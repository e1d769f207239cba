// Time limits: on one await, on a block, moved while it runs, and known to those inside.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

sheaf::coro<std::string> fetch(std::string name, std::chrono::milliseconds time) {
  co_await sheaf::sleep(time);
  co_return name;
}

sheaf::coro<> one_await() {
  try {
    std::cout << co_await sheaf::wait_for(fetch("quick", 20ms), 100ms) << " is there\n";
    std::cout << co_await sheaf::wait_for(fetch("slow", 1h), 100ms) << " is there\n";
  } catch (const sheaf::timeout_error&) {
    // fetch("slow") was cancelled, and has ended.
    std::cout << "slow took too long\n";
  }
}

// The limit is on silence, not on the whole: it moves with each sign of life.
sheaf::coro<int> read_all(sheaf::timeout& limit, int parts) {
  for (int i = 0; i < parts; ++i) {
    co_await fetch("part", 80ms);
    limit.reschedule(sheaf::loop::current().time() + 100ms);
  }
  co_return parts;
}

sheaf::coro<> a_block() {
  const int parts = co_await sheaf::timeout::run(100ms, read_all, 5);
  std::cout << parts << " parts in 400 ms, with a limit of 100\n";
}

// Somebody deep inside, perhaps in another task, asks what time is left.
sheaf::coro<> ask_a_server(std::string name) {
  const auto deadline = sheaf::current_deadline();
  const auto left = *deadline - sheaf::loop::current().time();
  std::cout << name << " has " << left / 1ms << " ms to answer\n";
  co_return;
}

sheaf::coro<> two_servers() {
  co_await sheaf::sleep(100ms);
  co_await sheaf::gather(ask_a_server("red"), ask_a_server("blue"));
}

// What must be done to the end is, whoever asks to stop.
sheaf::coro<> transfer() {
  std::exception_ptr error;
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled& why) {
    std::cout << "transfer: " << why.reason() << '\n';
    error = std::current_exception();
  }
  const auto saved = co_await sheaf::finish(fetch("the books", 50ms));
  std::cout << "transfer: " << saved << " are closed\n";
  if (error) std::rethrow_exception(error);
}

sheaf::coro<> all_of_them() {
  co_await one_await();
  co_await a_block();
  co_await sheaf::timeout::run(300ms, two_servers);
  try {
    co_await sheaf::timeout::run(100ms, transfer);
  } catch (const sheaf::timeout_error&) {
    std::cout << "and now it is over\n";
  }
}

// On the virtual clock: no time passes.
int main() { sheaf::run(all_of_them(), sheaf::run_options().virtual_time()); }
