#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/scoped_task.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/wait.hpp>

#include <set>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;

namespace {

coro<> step(std::string& order, char name) {
  order += name;
  co_await sleep(5ms);
  order += name;
}

coro<> five(std::string& order) {
  co_await gather(step(order, 'a'), step(order, 'b'), step(order, 'c'), step(order, 'd'),
                  step(order, 'e'));
}

std::string order_under(std::uint64_t seed) {
  std::string order;
  run(five(order), run_options().virtual_time().seed(seed));
  return order;
}

}  // namespace

TEST_CASE("seed: without one, the order is first in, first out", "[api][seed]") {
  std::string order;
  run(five(order), run_options().virtual_time());
  CHECK(order == "abcdeabcde");
}

TEST_CASE("seed: the same seed gives the same order", "[api][seed]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CHECK(order_under(seed) == order_under(seed));
  }
}

TEST_CASE("seed: many seeds give many orders, of steps and of timers due together",
          "[api][seed]") {
  std::set<std::string> of_steps;
  std::set<std::string> of_timers;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    const std::string order = order_under(seed);
    REQUIRE(order.size() == 10);
    of_steps.insert(order.substr(0, 5));
    of_timers.insert(order.substr(5));
  }
  CHECK(of_steps.size() == 120);  // all there are
  CHECK(of_timers.size() == 120);
}

TEST_CASE("seed: what a step starts never runs in the same batch", "[api][seed]") {
  test::for_seeds([]() -> coro<> {
    test::event_log log;
    auto& l = loop::current();
    for (int i = 0; i < 4; ++i) {
      l.call_soon([&log, &l] {
        log.push_back("first");
        l.call_soon([&log] { log.push_back("second"); });
      });
    }
    co_await sleep(1ms);
    REQUIRE(log.size() == 8);
    for (std::size_t i = 0; i < 8; ++i) CHECK(log[i] == (i < 4 ? "first" : "second"));
  });
}

TEST_CASE("seed: deadlines that differ keep their order", "[api][seed]") {
  test::for_seeds([]() -> coro<> {
    test::event_log log;
    co_await gather(test::noted(log, "late", 3ms), test::noted(log, "early", 1ms),
                    test::noted(log, "middle", 2ms));
    REQUIRE(log.size() == 6);
    CHECK(log[3] == "early ends");
    CHECK(log[4] == "middle ends");
    CHECK(log[5] == "late ends");
  });
}

TEST_CASE("seed: a wait that ends in the batch of its cancellation or its time-out",
          "[api][seed]") {
  test::for_seeds([]() -> coro<> {
    std::vector<task<>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(create_task([](int n) -> coro<> {
        const std::vector<task<>> one{create_task(sleep(1ms))};
        const auto limit = wait_options().timeout(n % 2 == 0 ? 1ms : 1h);
        const auto [done, pending] = co_await wait(one, limit);
        CHECK(done.size() + pending.size() == 1);
        co_await sleep(0ms);
      }(i)));
    }
    co_await sleep(1ms);
    for (int i = 1; i < 8; i += 2) all[static_cast<std::size_t>(i)].cancel();
    static_cast<void>(co_await wait(all));
    for (int i = 0; i < 8; i += 2)
      CHECK(all[static_cast<std::size_t>(i)].outcome().has_value());
  });
}

TEST_CASE("seed: tasks that a system_exit catches as they are due are ended",
          "[api][seed]") {
  const auto scenario = [](int exits) -> coro<> {
    std::vector<scoped_task<void>> sleepers;
    for (int i = 0; i < 8; ++i) sleepers.emplace_back(sleep(1ms));
    // Due with them; under most seeds some of them are still queued then.
    for (int i = 0; i < exits; ++i) {
      loop::current().call_later(1ms, [] { throw system_exit(3); });
    }
    co_await sleep(1h);
  };
  for (const int exits : {1, 2, 3}) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      INFO(exits << " exits, seed " << seed);
      const auto how = run_options().virtual_time().seed(seed);
      CHECK_THROWS_AS(run(scenario(exits), how), system_exit);
    }
  }
}
