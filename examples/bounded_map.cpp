// map with a limit: a thousand pages to fetch, four at a time, the results in their order.
#include <sheaf/sheaf.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

std::chrono::microseconds unit = 100us;

// What the coroutines share. All run on one thread, so it needs no lock.
struct client {
  int open = 0;
  int most = 0;
};

// Pages and client are taken by reference: map() keeps both until the last child has ended.
sheaf::coro<std::size_t> fetch(const std::string& page, client& through) {
  through.most = std::max(through.most, ++through.open);
  co_await sheaf::sleep((page.size() % 3 + 1) * unit);
  --through.open;
  co_return page.size();
}

sheaf::coro<int> parse(std::string text) {
  co_await sheaf::sleep(unit);
  co_return std::stoi(text);
}

sheaf::coro<> crawl() {
  // Elements are made as they are needed: at no time are there more than four coroutines.
  const auto name = [](int i) { return "page-" + std::to_string(i); };
  auto pages = std::views::iota(0, 1000) | std::views::transform(name);
  client shared;
  const std::vector<std::size_t> sizes =
      co_await sheaf::map(pages, fetch, sheaf::limit(4), std::ref(shared));
  std::cout << sizes.size() << " pages, " << shared.most << " at a time, the first has "
            << sizes.front() << " letters, the last " << sizes.back() << '\n';
}

sheaf::coro<> tolerate() {
  const std::vector<std::string> texts{"1", "two", "3"};
  // The first failure stops the rest and is thrown ...
  const auto how = co_await sheaf::as_outcome(sheaf::map(texts, parse, sheaf::limit(2)));
  std::cout << (how.has_value() ? "all parsed" : "one failed, and the rest was stopped")
            << '\n';
  // ... or each has its outcome.
  const auto outcomes =
      co_await sheaf::map(sheaf::return_exceptions, texts, parse, sheaf::limit(2));
  for (const auto& o : outcomes)
    std::cout << (o.has_value() ? std::to_string(o.value()) : "no number") << '\n';
}

sheaf::coro<> both() {
  co_await crawl();
  co_await tolerate();
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::microseconds(std::atoi(argv[1]));
  sheaf::run(both());
}
