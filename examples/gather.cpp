// gather: several coroutines side by side, their results in the order of the arguments.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

sheaf::coro<std::string> my_coroutine(int x) {
  std::cout << "Task " << x << " started\n";
  co_await sheaf::sleep(x * unit);
  std::cout << "Task " << x << " finished\n";
  co_return "Result " + std::to_string(x);
}

sheaf::coro<> gather_all() {
  // What is known when you write it: a tuple. It takes as long as the slowest, 3 units.
  auto [first, second, third] =
      co_await sheaf::gather(my_coroutine(1), my_coroutine(2), my_coroutine(3));
  std::cout << first << ", " << second << ", " << third << "\n\n";

  // As many as there are: a vector, in the order of the input, whichever ends first.
  std::vector<sheaf::coro<std::string>> coros;
  for (const int x : {3, 1, 2}) coros.push_back(my_coroutine(x));
  const std::vector<std::string> results = co_await sheaf::gather(std::move(coros));
  for (const auto& result : results) std::cout << result << '\n';
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::run(gather_all());
}
