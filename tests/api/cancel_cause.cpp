#include "support/catch.hpp"
#include "support/children.hpp"

#include <sheaf/as_completed.hpp>
#include <sheaf/as_outcome.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/timeout.hpp>

#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::virtual_loop;

// What a cancellation tells: who asked, why, and where.

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Sleeps, and keeps the cancellation that ends it.
coro<int> keep_end(std::optional<cancelled>& end) {
  try {
    co_await sleep(1h);
  } catch (const cancelled& c) {
    end = c;
    throw;
  }
  co_return 0;
}

std::string place(unsigned line) { return "cancel_cause.cpp:" + std::to_string(line); }

coro<unsigned> cancel_it(task<int> t, std::string why) {
  co_await sleep(1ms);
  t.cancel(std::move(why));
  co_return std::source_location::current().line() - 1;
}

}  // namespace

TEST_CASE(
    "cancel cause: cancel() tells the task that asked, its name, its words, its place "
    "[CANCEL-19]",
    "[api][cancel_cause][CANCEL-19]") {
  virtual_loop l;
  std::optional<cancelled> end;
  auto t = l.create_task(keep_end(end));
  auto by = l.create_task(cancel_it(t, "too slow"), task_options().name("boss"));
  const unsigned line = l.run_until_complete(by);
  l.run_forever();
  REQUIRE(end);
  CHECK(end->why() == cancel_why::requested);
  CHECK(end->reason() == "too slow");
  CHECK(end->by() == by.id());
  CHECK(end->by_name() == "boss");
  CHECK(end->at().line() == line);
  CHECK(contains(end->describe(),
                 "too slow, by task " + std::to_string(by.id()) + " 'boss' at "));
  CHECK(contains(end->describe(), place(line)));
}

TEST_CASE(
    "cancel cause: an unnamed task is told by the name that it goes by, a callback by "
    "none [CANCEL-19]",
    "[api][cancel_cause][CANCEL-19]") {
  virtual_loop l;
  std::optional<cancelled> end;
  auto t = l.create_task(keep_end(end));
  auto by = l.create_task(cancel_it(t, ""));
  l.run_until_complete(by);
  l.run_forever();
  CHECK(end->reason().empty());
  CHECK(end->by_name() == by.name());
  auto second = l.create_task(keep_end(end));
  l.call_later(1ms, [second] { second.cancel("from a callback"); });
  l.run_forever();
  CHECK(end->by() == 0);
  CHECK(end->by_name().empty());
  CHECK(end->describe().starts_with("from a callback at "));
  CHECK(cancelled().describe().empty());
  CHECK(cancelled().why() == cancel_why::requested);
}

TEST_CASE("cancel cause: the words of each kind", "[api][cancel_cause]") {
  CHECK(to_string(cancel_why::requested).empty());
  for (const auto why :
       {cancel_why::timeout, cancel_why::sibling_failed, cancel_why::left,
        cancel_why::not_needed, cancel_why::shutdown}) {
    CHECK_FALSE(to_string(why).empty());
  }
}

TEST_CASE("cancel cause: a time limit is told down to the innermost task",
          "[api][cancel_cause]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<cancelled> first, second;
    unsigned line = 0;
    auto body = [&]() -> coro<> { co_await gather(keep_end(first), keep_end(second)); };
    auto limited = [&]() -> coro<> {
      line = std::source_location::current().line() + 1;
      co_await timeout::run(10ms, body);
    };
    auto caller = create_task(limited(), task_options().name("request"));
    const auto end = co_await as_outcome(caller);
    CHECK_FALSE(end.has_value());
    for (const auto& c : {first, second}) {
      REQUIRE(c);
      CHECK(c->why() == cancel_why::timeout);
      CHECK(c->by() == caller.id());
      CHECK(c->by_name() == "request");
      CHECK(c->at().line() == line);
      CHECK(c->reason() == to_string(cancel_why::timeout));
    }
  }());
}

TEST_CASE("cancel cause: a sibling that failed is named", "[api][cancel_cause]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<cancelled> end;
    auto failing = create_task(test::fail("no", 1ms), task_options().name("culprit"));
    CHECK_THROWS_AS(co_await gather(keep_end(end), failing), test::failure);
    REQUIRE(end);
    CHECK(end->why() == cancel_why::sibling_failed);
    CHECK(end->by() == failing.id());
    CHECK(end->by_name() == "culprit");
  }());
}

TEST_CASE("cancel cause: the end of the program, and a stream that is left",
          "[api][cancel_cause]") {
  std::optional<cancelled> end;
  run([](std::optional<cancelled>& kept) -> coro<> {
    static_cast<void>(create_task(keep_end(kept)));
    co_await sleep(0s);
  }(end));
  REQUIRE(end);
  CHECK(end->why() == cancel_why::shutdown);
  CHECK(end->reason() == "run() is ending");
  run([](std::optional<cancelled>& kept) -> coro<> {
    {
      std::vector<coro<int>> all;
      all.push_back(keep_end(kept));
      all.push_back(test::give(1));
      auto stream = as_completed(std::move(all));
      const auto first = co_await stream.next();
      CHECK(first);
    }
    co_await sleep(0s);
    co_await sleep(0s);
  }(end));
  CHECK(end->why() == cancel_why::left);
}

TEST_CASE(
    "cancel cause: of two requests one who waits tells the first, one who runs the last "
    "[CANCEL-19]",
    "[api][cancel_cause][CANCEL-19]") {
  virtual_loop l;
  const auto ask_twice = [&](const auto& t) {
    t.cancel("a");
    t.cancel("b");
    l.run_forever();
    const auto end = t.outcome();
    return end.cancellation().reason();
  };
  std::optional<cancelled> seen;
  auto sleeps = l.create_task(keep_end(seen));
  l.turn();
  CHECK(ask_twice(sleeps) == "a");
  CHECK(seen->reason() == "a");

  const auto await_future = [](future<int> f) -> coro<int> { co_return co_await f; };
  promise<int> p(l);
  auto of_future = l.create_task(await_future(p.get_future()));
  l.turn();
  CHECK(ask_twice(of_future) == "a");

  auto inner = l.create_task(keep_end(seen));
  auto of_task = l.create_task(await_future(inner));
  l.turn();
  CHECK(ask_twice(of_task) == "a");
  CHECK(seen->reason() == "a");

  const auto await_gather = [](std::optional<cancelled>& kept) -> coro<int> {
    const auto [v] = co_await gather(keep_end(kept));
    co_return v;
  };
  auto of_gather = l.create_task(await_gather(seen));
  l.turn();
  CHECK(ask_twice(of_gather) == "a");

  auto not_begun = l.create_task(keep_end(seen));
  CHECK(ask_twice(not_begun) == "b");

  promise<int> ready(l);
  auto woken = l.create_task(await_future(ready.get_future()));
  l.turn();
  ready.set_value(1);
  CHECK(ask_twice(woken) == "b");
}

TEST_CASE("cancel cause: dumps tell it while the task is being cancelled, and after",
          "[api][cancel_cause]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    test::event_log log;
    auto t = create_task(test::reluctant(log, "t", 1h, 5ms), task_options().name("t"));
    co_await sleep(1ms);
    t.cancel("too slow");
    const std::string by = "by task " + std::to_string(current_task().id());
    CHECK(contains(t.describe(), "'t' cancelling (too slow, " + by));
    CHECK(contains(t.describe(), "cancel_cause.cpp:"));
    co_await sleep(2ms);
    CHECK(contains(t.describe(), "cancelling (too slow, " + by));
    CHECK(contains(t.describe(), "waiting for sleep"));
    co_await sleep(10ms);
    CHECK(contains(t.describe(), "'t' cancelled (as asked"));  // what it threw itself
    auto limited = create_task([]() -> coro<> {
      auto body = []() -> coro<> {
        co_await test::stubborn(1, 1h);
        co_await sleep(1h);
      };
      co_await timeout::run(10ms, body);
    }());
    co_await sleep(20ms);
    CHECK(
        contains(limited.describe(), "cancelling (the time limit has passed, by task "));
    limited.cancel();
  }());
}

TEST_CASE(
    "cancel cause: a request that was withdrawn leaves no reason behind [CANCEL-17]",
    "[api][cancel_cause][CANCEL-17]") {
  virtual_loop l;
  std::optional<cancelled> end;
  auto t = l.create_task(keep_end(end));
  t.cancel("withdrawn");
  t.uncancel();
  CHECK(contains(t.describe(), "pending"));
  CHECK_FALSE(contains(t.describe(), "withdrawn"));
  l.turn();
  t.cancel("in earnest");
  l.run_forever();
  CHECK(end->reason() == "in earnest");
}
