// create_task: start now, collect the result later, one by one.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

sheaf::coro<std::string> my_coroutine(int x) {
  std::cout << "Task " << x << " started\n";
  co_await sheaf::sleep(x * unit);
  std::cout << "Task " << x << " finished\n";
  co_return "Result " + std::to_string(x);
}

sheaf::coro<> start_and_collect() {
  // A coroutine does nothing by itself; as a task it runs beside the code that made it.
  auto first = sheaf::create_task(my_coroutine(1));
  auto second = sheaf::create_task(my_coroutine(2));
  auto third = sheaf::create_task(my_coroutine(3));
  std::cout << "Three tasks made, none has begun\n";

  // All three run while the first is awaited: 3 units in all, not 6.
  std::cout << co_await first << '\n';
  std::cout << co_await second << '\n';
  std::cout << co_await third << '\n';
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::run(start_and_collect());
}
