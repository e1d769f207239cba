#include <sheaf/gather.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>

#include <algorithm>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::said;
using test::virtual_loop;

namespace {

struct crowd {
  int now = 0;
  int most = 0;
  std::vector<int> started;
};

coro<int> member(crowd& c, int i, std::chrono::milliseconds d) {
  c.started.push_back(i);
  c.most = std::max(c.most, ++c.now);
  co_await sleep(d);
  --c.now;
  co_return i;
}

}  // namespace

TEST_CASE("gather: limit(n) runs n at a time, started in order", "[api][gather]") {
  crowd c;
  virtual_loop l;
  const auto got = l.run_until_complete([](crowd& all) -> coro<std::vector<int>> {
    std::vector<coro<int>> children;
    for (int i = 0; i < 100; ++i) children.push_back(member(all, i, (i * 7 % 13) * 1ms));
    co_return co_await gather(limit(8), std::move(children));
  }(c));
  std::vector<int> in_order(100);
  for (int i = 0; i < 100; ++i) in_order[static_cast<std::size_t>(i)] = i;
  CHECK(c.most == 8);
  CHECK(c.started == in_order);
  CHECK(got == in_order);
}

TEST_CASE("gather: limit(1) runs one after the other", "[api][gather]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    co_await gather(limit(1), noted(seen, "a", 3ms), noted(seen, "b", 1ms));
  }(log));
  CHECK(log == event_log{"a begins", "a ends", "b begins", "b ends"});
  CHECK(l.elapsed_ms() == 4);
}

TEST_CASE("gather: a failure under limit starts nothing more and ends all",
          "[api][gather]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto how =
        co_await as_outcome(gather(limit(2), noted(seen, "a", 20ms), fail("b", 10ms),
                                   noted(seen, "c", 20ms), noted(seen, "d", 20ms)));
    seen.push_back(said(how.error()));
    seen.push_back(std::to_string(all_tasks().size()) + " task left");
  }(log));
  CHECK(log == event_log{"a begins", "a is cancelled", "b", "1 task left"});
}

TEST_CASE("gather: limit with leave_running goes on starting after a failure",
          "[api][gather]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    co_await as_outcome(gather(limit(1), leave_running, fail("a", 1ms),
                               noted(seen, "b", 1ms), noted(seen, "c", 1ms)));
    co_await sleep(5ms);
  }(log));
  CHECK(log == event_log{"b begins", "b ends", "c begins", "c ends"});
}

TEST_CASE("gather: limit with return_exceptions runs all", "[api][gather]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto [a, b, c] =
        co_await gather(return_exceptions, limit(1), fail("a"), give(2, 1ms), fail("c"));
    CHECK(said(a.error()) == "a");
    CHECK(b.value() == 2);
    CHECK(said(c.error()) == "c");
  }());
}

TEST_CASE("gather: cancelled under limit, what did not start never does",
          "[api][gather]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto whole = gather(limit(1), noted(seen, "a", 20ms), noted(seen, "b", 20ms));
    co_await sleep(1ms);
    whole.cancel();
    co_await as_outcome(whole);
    seen.push_back(std::to_string(all_tasks().size()) + " task left");
  }(log));
  CHECK(log == event_log{"a begins", "a is cancelled", "1 task left"});
}

TEST_CASE("gather: limit above the number of children is no limit", "[api][gather]") {
  crowd c;
  virtual_loop l;
  l.run_until_complete([](crowd& all) -> coro<> {
    co_await gather(limit(10), member(all, 0, 1ms), member(all, 1, 1ms));
  }(c));
  CHECK(c.most == 2);
}

TEST_CASE("gather: a future among the arguments takes and gives no place of the limit",
          "[api][gather]") {
  crowd c;
  virtual_loop l;
  l.run_until_complete([](crowd& all) -> coro<> {
    promise<int> first;
    auto both =
        gather(limit(1), first.get_future(), member(all, 1, 5ms), member(all, 2, 5ms));
    co_await sleep(1ms);
    first.set_value(0);  // must not let the second coro in
    co_await std::move(both);
  }(c));
  CHECK(c.most == 1);
  CHECK(c.started == std::vector<int>{1, 2});
}
