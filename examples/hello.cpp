#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

sheaf::coro<std::string> brew(std::string drink, std::chrono::milliseconds time) {
  std::cout << drink << ": started\n";
  co_await sheaf::sleep(time);  // the thread is free for others
  std::cout << drink << ": done\n";
  co_return "a cup of " + drink;
}

sheaf::coro<> breakfast() {
  // Both at the same time: 200 ms, not 300. Results come in the order of the arguments.
  auto [first, second] =
      co_await sheaf::gather(brew("tea", 200ms), brew("coffee", 100ms));
  std::cout << first << ", " << second << '\n';
}

int main() { sheaf::run(breakfast()); }
