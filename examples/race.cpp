// Replicas: one question to several servers, and what to do with more than one answer.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

sheaf::coro<std::string> ask(std::string server, int takes, bool works = true) {
  try {
    co_await sheaf::sleep(takes * unit);
  } catch (const sheaf::cancelled& why) {
    std::cout << "  " << server << " is stopped: " << why.reason() << '\n';
    throw;
  }
  if (!works) throw std::runtime_error(server + " is down");
  co_return "hello from " + server;
}

// The first that ends, whichever way. The others have ended when race() returns.
sheaf::coro<> first_of_all() {
  auto [index, answer] = co_await sheaf::race(ask("north", 3), ask("south", 1));
  std::cout << "race: " << answer << " (argument " << index << ")\n";
}

// The first that succeeds. If none does, an exception_group has every error.
sheaf::coro<> first_good() {
  auto got = co_await sheaf::first_success(ask("north", 1, false), ask("south", 2));
  std::cout << "first_success: " << got.value << '\n';
  try {
    co_await sheaf::first_success(ask("east", 1, false), ask("west", 2, false));
  } catch (const sheaf::exception_group& failed) {
    std::cout << "first_success: " << failed.exceptions().size() << " errors\n";
  }
}

// As many as must agree.
sheaf::coro<> two_of_three() {
  std::vector<sheaf::coro<std::string>> servers;
  servers.push_back(ask("north", 2));
  servers.push_back(ask("south", 9));
  servers.push_back(ask("west", 1));
  for (const auto& [index, answer] : co_await sheaf::quorum(2, std::move(servers)))
    std::cout << "quorum: " << answer << '\n';
}

// One server, and another beside it only if the first is slow.
sheaf::coro<> patience() {
  auto [attempt, answer] =
      co_await sheaf::hedge(2 * unit, ask("slow", 9), ask("spare", 1));
  std::cout << "hedge: " << answer << " (attempt " << attempt << ")\n";
}

// When something failed: what became of each.
sheaf::coro<> explain() {
  auto all = sheaf::gather(ask("north", 1, false), ask("south", 9));
  const auto how = co_await sheaf::as_outcome(all);
  for (const auto& c : all.children())
    std::cout << c.index << (c.outcome->is_cancelled() ? " stopped\n" : " failed\n");
}

sheaf::coro<> all_five() {
  co_await first_of_all();
  co_await first_good();
  co_await two_of_three();
  co_await patience();
  co_await explain();
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::run(all_five());
}
