#include <sheaf/gather.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <list>
#include <memory>
#include <ranges>
#include <stdexcept>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::virtual_loop;

TEST_CASE("gather: of no arguments is done at once [GATHER-1]",
          "[api][gather][GATHER-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = gather();
    CHECK(whole.done());
    CHECK(whole.result() == std::tuple<>());
    co_return;
  }());
}

TEST_CASE("gather: of an empty range is done with an empty vector [GATHER-1]",
          "[api][gather][GATHER-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = gather(std::vector<coro<int>>());
    CHECK(whole.done());
    CHECK(whole.result().empty());
    co_return;
  }());
}

TEST_CASE("gather: results are in argument order [GATHER-2]", "[api][gather][GATHER-2]") {
  virtual_loop l;
  const auto got = l.run_until_complete([]() -> coro<std::tuple<int, int, int>> {
    co_return co_await gather(give(1, 30ms), give(2, 10ms), give(3, 20ms));
  }());
  CHECK(got == std::tuple(1, 2, 3));
  CHECK(l.elapsed_ms() == 30);
}

TEST_CASE("gather: results of a range are in its order [GATHER-2]",
          "[api][gather][GATHER-2]") {
  virtual_loop l;
  const auto got = l.run_until_complete([]() -> coro<std::vector<int>> {
    std::vector<coro<int>> children;
    for (int i = 0; i < 5; ++i) children.push_back(give(i, (50 - 10 * i) * 1ms));
    co_return co_await gather(std::move(children));
  }());
  CHECK(got == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("gather: a child of void gives a monostate, a range of them nothing [GATHER-2]",
          "[api][gather][GATHER-2]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto nothing = []() -> coro<> { co_return; };
    const auto got = co_await gather(nothing(), give(1));
    CHECK(got == std::tuple(std::monostate(), 1));
    std::vector<coro<>> several;
    several.push_back(nothing());
    const future<void> whole = gather(std::move(several));
    co_await whole;
  }());
}

TEST_CASE("gather: is done after its last child, its callbacks run once [GATHER-3]",
          "[api][gather][GATHER-3]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> a, b;
    const auto whole = gather(a.get_future(), b.get_future());
    whole.add_done_callback([&seen](const auto&) { seen.push_back("callback"); });
    a.set_value(1);
    for (int i = 0; i < 3; ++i) co_await sleep(0ms);
    seen.push_back(whole.done() ? "done" : "not done after the first");
    b.set_value(2);
    seen.push_back(whole.done() ? "done" : "not done in the call");
    co_await sleep(0ms);
    seen.push_back(whole.done() ? "done" : "not done");
    for (int i = 0; i < 3; ++i) co_await sleep(0ms);
  }(log));
  CHECK(log == event_log{"not done after the first", "not done in the call", "done",
                         "callback"});
}

TEST_CASE(
    "gather: ends one batch after its last child, who awaits it one later [GATHER-3]",
    "[api][gather][GATHER-3]") {
  event_log log;
  virtual_loop l;
  l.set_budget({1, 0ns});
  const auto parent = l.create_task([](event_log& seen) -> coro<> {
    seen.push_back("parent asks");
    co_await gather(give(1), give(2));
    seen.push_back("parent has it");
  }(log));
  for (int turn = 1; !parent.done(); ++turn) {
    log.push_back("turn " + std::to_string(turn));
    l.turn();
  }
  CHECK(log == event_log{"turn 1", "parent asks", "turn 2", "turn 3", "turn 4",
                         "parent has it"});
}

TEST_CASE("gather: coroutines become tasks by the call [GATHER-4]",
          "[api][gather][GATHER-4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto before = all_tasks().size();
    const auto whole = gather(noted(seen, "a", 0ms), noted(seen, "b", 0ms));
    seen.push_back(std::to_string(all_tasks().size() - before) + " tasks");
    co_await sleep(0ms);
    seen.push_back("not awaited yet");
    co_await whole;
  }(log));
  CHECK(log == event_log{"2 tasks", "a begins", "b begins", "not awaited yet", "a ends",
                         "b ends"});
}

TEST_CASE(
    "gather: the same future given twice is awaited once, reported twice [GATHER-14]",
    "[api][gather][GATHER-14]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto t = create_task(noted(seen, "a", 1ms, 7));
    const auto got = co_await gather(t, t, give(1), t);
    CHECK(got == std::tuple(7, 7, 1, 7));
    std::vector<task<int>> twice{t, t};
    const auto again = co_await gather(twice);
    CHECK(again == std::vector<int>{7, 7});
  }(log));
  CHECK(log == event_log{"a begins", "a ends"});
}

TEST_CASE("gather: a result that cannot be copied is not given twice [GATHER-14]",
          "[api][gather][GATHER-14]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<std::unique_ptr<int>> p;
    p.set_value(std::make_unique<int>(7));
    const auto f = p.get_future();
    const auto whole = gather(f, f);
    CHECK(test::thrown_by([&] { whole.result(); }) ==
          "the result was moved out by an earlier co_await");
    co_return;
  }());
}

TEST_CASE("gather: a future may be a child of several gathers [GATHER-15]",
          "[api][gather][GATHER-15]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto shared = p.get_future();
    const auto one = gather(shared, give(1));
    const auto two = gather(give(2), shared);
    p.set_value(5);
    const auto first = co_await one;
    const auto second = co_await two;
    CHECK(first == std::tuple(5, 1));
    CHECK(second == std::tuple(2, 5));
  }());
}

TEST_CASE("gather: children of different loops are an argument error [GATHER-16]",
          "[api][gather][GATHER-16]") {
  virtual_loop l, other;
  promise<int> here(l), there(other);
  CHECK_THROWS_AS(gather(here.get_future(), there.get_future()), std::invalid_argument);
  std::vector<future<int>> both{here.get_future(), there.get_future()};
  CHECK_THROWS_AS(gather(both), std::invalid_argument);
}

TEST_CASE("gather: belongs to its children's loop, which need not run [GATHER-16]",
          "[api][gather][GATHER-16]") {
  virtual_loop l;
  promise<int> a(l), b(l);
  const auto whole = gather(a.get_future(), b.get_future());
  a.set_value(1);
  b.set_value(2);
  CHECK(l.run_until_complete(whole) == std::tuple(1, 2));
}

TEST_CASE("gather: of coroutines where no loop runs is an error [GATHER-16]",
          "[api][gather][GATHER-16]") {
  CHECK_THROWS_AS(gather(give(1), give(2)), invalid_state);
}

namespace {
template <class... Args>
concept gatherable = requires(Args&&... args) { gather(std::forward<Args>(args)...); };
}  // namespace

TEST_CASE("gather: takes what can be awaited and nothing else [GATHER-17]",
          "[api][gather][GATHER-17]") {
  STATIC_REQUIRE(gatherable<coro<int>, task<int>&, const future<int>&, coro<>>);
  STATIC_REQUIRE(gatherable<std::vector<coro<int>>>);
  STATIC_REQUIRE(gatherable<limit, std::vector<coro<int>>>);
  STATIC_REQUIRE(gatherable<std::vector<task<int>>&>);
  STATIC_REQUIRE_FALSE(gatherable<int>);
  STATIC_REQUIRE_FALSE(gatherable<coro<int>, int>);
  STATIC_REQUIRE_FALSE(gatherable<coro<int>&>);
  STATIC_REQUIRE_FALSE(gatherable<std::vector<coro<int>>&>);
  STATIC_REQUIRE_FALSE(gatherable<std::vector<int>>);
}

TEST_CASE("gather: a view of tasks leaves the handles where they are", "[api][gather]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::vector<task<int>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(create_task(give(i)));
    const auto odd = [](const task<int>& t) { return t.id() % 2 == 1; };
    co_await gather(tasks | std::views::filter(odd));
    co_await gather(tasks | std::views::take(2));
    for (const auto& t : tasks) CHECK(t.valid());
  }());
}

// asyncio lets it run; here it may refer to the frame that the exception unwinds.
TEST_CASE(
    "gather: what was wrapped before a bad argument ends quietly, unrun [GATHER-17]",
    "[api][gather][GATHER-17]") {
  event_log log;
  virtual_loop l, other;
  promise<int> there(other);
  l.run_until_complete([](event_log& seen, const future<int>& foreign) -> coro<> {
    promise<int> here;
    const auto local = here.get_future();
    CHECK_THROWS_AS(gather(noted(seen, "a", 1ms), local, foreign), std::invalid_argument);
    co_await sleep(2ms);
    CHECK(all_tasks().size() == 1);
  }(log, there.get_future()));
  CHECK(log.empty());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("gather: of children that are done is done on return [GATHER-20]",
          "[api][gather][GATHER-20]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = create_task(give(1));
    const auto b = create_task(give(2));
    co_await sleep(0ms);
    const auto whole = gather(a, b);
    CHECK(whole.done());
    CHECK(whole.result() == std::tuple(1, 2));
  }());
}

TEST_CASE("gather: awaiting one that is done takes no batch [GATHER-20]",
          "[api][gather][GATHER-20]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = create_task(give(1));
    co_await sleep(0ms);
    const auto before = loop::current().ticks();
    co_await gather(a, a);
    CHECK(loop::current().ticks() == before);
  }());
}

TEST_CASE("gather: takes any range of handles, and leaves them", "[api][gather]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::list<task<int>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(create_task(give(i)));
    const auto got = co_await gather(tasks);
    CHECK(got == std::vector<int>{0, 1, 2});
    CHECK(tasks.front().result() == 0);
  }());
}

TEST_CASE("gather: children start in the order of the arguments", "[api][gather]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    co_await gather(noted(seen, "a", 2ms), noted(seen, "b", 1ms), noted(seen, "c", 2ms));
  }(log));
  CHECK(log ==
        event_log{"a begins", "b begins", "c begins", "b ends", "a ends", "c ends"});
}

TEST_CASE("gather: a dropped gather of coroutines still runs them", "[api][gather]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    {
      const auto dropped = gather(noted(seen, "a", 1ms), noted(seen, "b", 2ms));
    }
    co_await sleep(3ms);
  }(log));
  CHECK(log == event_log{"a begins", "b begins", "a ends", "b ends"});
}

TEST_CASE("gather: the error of a gather that nobody read is reported once",
          "[api][gather]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    {
      const auto dropped = gather(fail("x"), fail("y"));
    }
    co_await sleep(1ms);
  }());
  CHECK(l.exceptions_reported() == 1);
}

TEST_CASE("gather: values are moved, never copied", "[api][gather]") {
  test::counted::reset();
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = [](int v) -> coro<test::counted> {
      co_await sleep(1ms);
      co_return test::counted(v);
    };
    auto [a, b] = co_await gather(make(1), make(2));
    CHECK(a.value + b.value == 3);
    std::vector<coro<test::counted>> range;
    for (int i = 0; i < 3; ++i) range.push_back(make(i));
    const auto got = co_await gather(std::move(range));
    CHECK(got[2].value == 2);
    CHECK(test::counted::alive == 5);
    std::vector<coro<test::counted>> outcomes;
    for (int i = 0; i < 3; ++i) outcomes.push_back(make(i));
    const auto kept = co_await gather(return_exceptions, std::move(outcomes));
    CHECK(kept[2].value().value == 2);
  }());
  CHECK(test::counted::copies == 0);
  CHECK(test::counted::alive == 0);
}

TEST_CASE("gather: gives results that can only be moved", "[api][gather]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = [](int v) -> coro<std::unique_ptr<int>> {
      co_return std::make_unique<int>(v);
    };
    auto [a, b] = co_await gather(make(1), make(2));
    CHECK(*a + *b == 3);
  }());
}

TEST_CASE("gather: leaves the values of tasks to their handles", "[api][gather]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = []() -> coro<std::string> { co_return std::string(100, 'x'); };
    const auto t = create_task(make());
    const auto [copy] = co_await gather(t);
    CHECK(copy.size() == 100);
    CHECK(t.result().size() == 100);
  }());
}

TEST_CASE("gather: of 100,000 children gives all their results", "[api][gather]") {
  virtual_loop l;
  const auto sum = l.run_until_complete([]() -> coro<long long> {
    std::vector<coro<int>> children;
    for (int i = 0; i < 100'000; ++i) children.push_back(give(i, (i % 7) * 1ms));
    const auto all = co_await gather(std::move(children));
    long long total = 0;
    for (std::size_t i = 0; i < all.size(); ++i) total += all[i] == static_cast<int>(i);
    co_return total;
  }());
  CHECK(sum == 100'000);
}

namespace {
coro<int> tree(int depth) {
  if (depth == 0) co_return 1;
  const auto [left, right] = co_await gather(tree(depth - 1), tree(depth - 1));
  co_return left + right;
}
}  // namespace

TEST_CASE("gather: may be gathered, and so on", "[api][gather]") {
  virtual_loop l;
  CHECK(l.run_until_complete(tree(10)) == 1024);
  l.run_until_complete([]() -> coro<> {
    const auto got = co_await gather(gather(give(1), give(2)), give(3));
    CHECK(got == std::tuple(std::tuple(1, 2), 3));
  }());
}
