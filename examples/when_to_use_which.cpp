// One problem, four needs: three shops are asked for a price, each takes its time.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

struct offer {
  std::string shop;
  int price;
};

sheaf::coro<offer> ask(std::string shop, int takes, int price) {
  co_await sheaf::sleep(takes * unit);
  co_return offer{shop, price};
}

std::vector<sheaf::coro<offer>> ask_everybody() {
  std::vector<sheaf::coro<offer>> coros;
  coros.push_back(ask("north", 2, 30));
  coros.push_back(ask("south", 3, 10));
  coros.push_back(ask("west", 1, 20));
  return coros;
}

// ORDER: all the answers, each where its question was. gather.
sheaf::coro<> compare() {
  const auto offers = co_await sheaf::gather(ask_everybody());
  for (const auto& o : offers)
    std::cout << "compare: " << o.shop << ' ' << o.price << '\n';
}

// STREAMING: each answer as it comes; leaving early stops the rest. as_completed.
sheaf::coro<> first_below(int limit) {
  auto answers = sheaf::as_completed(ask_everybody());
  while (auto answer = co_await answers.next()) {
    const offer o = co_await *answer;
    std::cout << "stream: " << o.shop << ' ' << o.price << '\n';
    if (o.price < limit) co_return;
  }
}

// CONTROL: look at what is done after a while and decide about the others. wait.
sheaf::coro<> ask_for_a_while() {
  std::vector<sheaf::task<offer>> asked;
  for (auto& coro : ask_everybody()) asked.push_back(sheaf::create_task(std::move(coro)));
  const auto options = sheaf::wait_options().timeout(2 * unit + unit / 2);
  auto [done, pending] = co_await sheaf::wait(asked, options);
  for (const auto& task : done) std::cout << "in time: " << task.result().shop << '\n';
  for (const auto& task : pending) task.cancel("too slow");
  std::cout << "too slow: " << pending.size() << '\n';
}

// ONE THING ON THE SIDE: start it, do something else, then ask for its result. create_task.
sheaf::coro<> do_something_meanwhile() {
  auto answer = sheaf::create_task(ask("west", 1, 20));
  std::cout << "meanwhile: asked, and free to do something else\n";
  const offer o = co_await answer;
  std::cout << "meanwhile: " << o.shop << ' ' << o.price << '\n';
}

sheaf::coro<> all_four() {
  co_await compare();
  co_await first_below(25);
  co_await ask_for_a_while();
  co_await do_something_meanwhile();
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::run(all_four());
}
