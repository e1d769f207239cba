// One value after another, with waiting in between: a generator.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>

using namespace std::chrono_literals;

// Pages of a list, as a server would give them; each takes its time.
sheaf::coro<std::optional<std::string>> fetch_page(int number) {
  co_await sheaf::sleep(10ms);
  if (number > 3) co_return std::nullopt;
  co_return "page " + std::to_string(number);
}

// Who asks for the next page waits for it; nobody asks, nothing is fetched.
sheaf::generator<std::string> pages() {
  bool closing = false;
  for (int number = 1; !closing; ++number) {
    auto page = co_await fetch_page(number);
    if (!page) co_return;
    try {
      co_yield *std::move(page);
    } catch (const sheaf::generator_exit&) {
      closing = true;  // C++ allows no co_await in a catch block
    }
  }
  co_await sheaf::sleep(10ms);
  std::cout << "(said goodbye to the server)\n";
}

sheaf::coro<> read_all() {
  auto all = pages();
  while (auto page = co_await all.next()) std::cout << *page << '\n';
  std::cout << "that was all\n";
}

sheaf::coro<> read_one() {
  auto all = pages();
  if (const auto page = co_await all.next(); page) std::cout << *page << '\n';
  co_await all.aclose();  // ends it early, and waits for its clean-up
  std::cout << "that was enough\n";
}

sheaf::coro<> read() {
  co_await read_all();
  co_await read_one();
}

int main() { sheaf::run(read()); }
