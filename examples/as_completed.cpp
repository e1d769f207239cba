// as_completed: each result as soon as there is one, the fastest first.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

sheaf::coro<std::string> my_coroutine(int x) {
  std::cout << "Task " << x << " started\n";
  co_await sheaf::sleep(x * unit);
  std::cout << "Task " << x << " finished\n";
  co_return "Result " + std::to_string(x);
}

std::vector<sheaf::coro<std::string>> three_coros() {
  std::vector<sheaf::coro<std::string>> coros;
  for (const int x : {3, 1, 2}) coros.push_back(my_coroutine(x));
  return coros;
}

sheaf::coro<> take_them_as_they_come() {
  // next() gives the task that has finished, so that you know which one it was.
  auto stream = sheaf::as_completed(three_coros());
  while (auto task = co_await stream.next()) {
    const std::string result = co_await *task;
    std::cout << "Task finished with result " << result << '\n';
  }
  std::cout << '\n';

  // The same as a loop over results alone.
  for (auto&& next : sheaf::as_completed(three_coros())) {
    const std::string result = co_await next;
    std::cout << "Task finished with result " << result << '\n';
  }
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::run(take_them_as_they_come());
}
