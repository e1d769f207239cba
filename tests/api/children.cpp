#include <sheaf/child_report.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/report_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/hedge.hpp>
#include <sheaf/map.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/quorum.hpp>
#include <sheaf/race.hpp>
#include <sheaf/task_group.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::reluctant;
using test::said;
using test::virtual_loop;

namespace {

/// describe() of each, with "T" for what tasks are named by default.
template <class T>
event_log table(const future<T>& f) {
  event_log lines;
  for (child_report c : f.children()) {
    if (c.name == "Task-" + std::to_string(c.task)) c.name = "T";
    lines.push_back(describe(c));
  }
  return lines;
}

task<int> named(std::string name, coro<int> c) {
  return create_task(std::move(c), task_options().name(std::move(name)));
}

}  // namespace

TEST_CASE("children: of a gather that failed, all of them", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    event_log log;
    promise<int> p;
    auto whole = gather(give(1, 1ms), fail("x", 3ms), reluctant(log, "c", 1h, 20ms),
                        named("d", give(4, 9ms)), p.get_future());
    std::string thrown;
    try {
      co_await whole;
    } catch (const std::exception& e) {
      thrown = e.what();
    }
    CHECK(thrown == "x");
    CHECK(table(whole) == event_log{"#0 'T' succeeded after 1 ms",
                                    "#1 'T' failed after 3 ms: test::failure: x",
                                    "#2 'T' was cancelled after 23 ms: as asked",
                                    "#3 'd' was cancelled after 3 ms: a sibling failed",
                                    "#4 was cancelled after 3 ms: a sibling failed"});
    const auto all = whole.children();
    CHECK(all[0].index == 0);
    CHECK(all[0].outcome->has_value());
    CHECK(said(all[1].outcome->error()) == "x");
    CHECK(*all[2].ended - *all[2].started == 23ms);
    CHECK(all[4].task == 0);
  }());
}

TEST_CASE("children: of a task group that failed, those there were", "[api][children]") {
  virtual_loop l;
  event_log lines;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(give(1, 1ms));
    g.create_task(reluctant(log, "b", 1h, 20ms));
    co_await sleep(2ms);
    g.create_task(fail("x", 3ms), task_options().name("fetch"));
    g.create_task(fail("y", 3ms));
    g.create_task(give(2, 3ms));
    g.create_task(give(3, 1h));
  };
  const auto parent = [&]() -> coro<> {
    try {
      co_await task_group::run(body);
    } catch (const exception_group& e) {
      const exception_group copy = e;
      for (child_report c : copy.children()) {
        if (c.name == "Task-" + std::to_string(c.task)) c.name = "T";
        lines.push_back(describe(c));
      }
      CHECK(e.split<std::exception>().matching->children().empty());
    }
  };
  l.run_until_complete(parent());
  CHECK(lines == event_log{"#1 'T' was cancelled after 25 ms: as asked",
                           "#2 'fetch' failed after 3 ms: test::failure: x",
                           "#3 'T' failed after 3 ms: test::failure: y",
                           "#4 'T' succeeded after 3 ms",
                           "#5 'T' was cancelled after 3 ms: a sibling failed"});
}

TEST_CASE("children: of what has not failed there is no table", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto good = gather(give(1), give(2));
    CHECK(good.children().empty());
    co_await good;
    CHECK(good.children().empty());
    const auto won = race(give(1, 1ms), fail("x", 2ms));
    co_await won;
    CHECK(won.children().empty());
    const auto plain = create_task(fail("x"));
    co_await as_outcome(plain);
    CHECK(plain.children().empty());
  }());
}

TEST_CASE("children: what was over when it was given ended then", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto early = create_task(give(1, 2ms));
    co_await early;
    co_await sleep(3ms);
    const auto whole = gather(early, fail("b", 4ms));
    co_await as_outcome(whole);
    CHECK(table(whole) == event_log{"#0 'T' succeeded after 0 ms",
                                    "#1 'T' failed after 4 ms: test::failure: b"});
  }());
}

TEST_CASE("children: what a limit held back has no start", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole =
        gather(limit(1), give(1, 2ms), fail("b", 3ms), give(3, 1ms), give(4, 1ms));
    co_await as_outcome(whole);
    CHECK(table(whole) ==
          event_log{"#0 'T' succeeded after 2 ms",
                    "#1 'T' failed after 3 ms: test::failure: b",
                    "#2 'T' was cancelled before it began: a sibling failed",
                    "#3 'T' was cancelled before it began: a sibling failed"});
    CHECK(*whole.children()[1].started - *whole.children()[0].started == 2ms);
  }());
}

TEST_CASE("children: of a race, a quorum and a hedge with all times", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto kept = create_task(give(1, 9ms));
    const auto lost = race(kept, give(2, 9ms), fail("c", 2ms));
    co_await as_outcome(lost);
    CHECK(table(lost) == event_log{"#0 'T' runs on",
                                   "#1 'T' was cancelled after 2 ms: a sibling failed",
                                   "#2 'T' failed after 2 ms: test::failure: c"});
    const auto few = quorum(2, give(1, 1ms), fail("b", 2ms), fail("c", 3ms));
    co_await as_outcome(few);
    CHECK(table(few) == event_log{"#0 'T' succeeded after 1 ms",
                                  "#1 'T' failed after 2 ms: test::failure: b",
                                  "#2 'T' failed after 3 ms: test::failure: c"});
    const auto late = hedge(5ms, fail("a", 7ms), fail("b", 4ms), fail("c"));
    co_await as_outcome(late);
    CHECK(table(late) == event_log{"#0 'T' failed after 7 ms: test::failure: a",
                                   "#1 'T' failed after 4 ms: test::failure: b",
                                   "#2 'T' failed after 0 ms: test::failure: c"});
    CHECK(*late.children()[1].started - *late.children()[0].started == 5ms);
    CHECK(*late.children()[2].started - *late.children()[0].started == 7ms);
  }());
}

TEST_CASE("children: of a map, the elements that were begun", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto fn = [](int i) {
      return i == 3 ? fail("x", 2ms) : give(i, i == 2 ? 1h : 1ms);
    };
    const auto whole = map(std::views::iota(0, 9), fn, limit(2));
    co_await as_outcome(whole);
    CHECK(table(whole) == event_log{"#0 succeeded", "#1 succeeded",
                                    "#2 'T' was cancelled after 2 ms: a sibling failed",
                                    "#3 'T' failed after 2 ms: test::failure: x"});
  }());
}

TEST_CASE("children: of leave_running, as they were when it failed", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = gather(leave_running, give(1, 9ms), fail("b", 2ms));
    co_await as_outcome(whole);
    CHECK(table(whole) ==
          event_log{"#0 'T' runs on", "#1 'T' failed after 2 ms: test::failure: b"});
    co_await sleep(20ms);
    CHECK(table(whole)[0] == "#0 'T' runs on");
  }());
}

TEST_CASE("children: of one that was cancelled", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = gather(give(1, 9ms), give(2, 1ms));
    co_await sleep(2ms);
    whole.cancel("enough");
    co_await as_outcome(whole);
    CHECK(table(whole) == event_log{"#0 'T' was cancelled after 2 ms: enough",
                                    "#1 'T' succeeded after 1 ms"});
  }());
}

TEST_CASE("children: the table keeps no child", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto f = p.get_future();
    const auto held = f.state().references();
    const auto whole = gather(f, fail("x"));
    co_await as_outcome(whole);
    CHECK(f.state().references() == held);
    CHECK(whole.children().size() == 2);
  }());
}
