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

#include <algorithm>
#include <numeric>
#include <ranges>
#include <vector>

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
event_log table(const std::vector<child_report>& children) {
  event_log lines;
  for (child_report c : children) {
    if (c.name == "Task-" + std::to_string(c.task)) c.name = "T";
    lines.push_back(describe(c));
  }
  return lines;
}
template <class T>
event_log table(const future<T>& f) {
  return table(f.children());
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

TEST_CASE("children: of a task group that failed, all of them", "[api][children]") {
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
      lines = table(copy.children());
      CHECK(e.split<std::exception>().matching->children().empty());
    }
  };
  l.run_until_complete(parent());
  CHECK(lines == event_log{"#0 'T' succeeded after 1 ms",
                           "#1 'T' was cancelled after 25 ms: as asked",
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
    event_log thrown;
    try {
      co_await late;
    } catch (const exception_group& e) {
      thrown = table(e.children());
    }
    CHECK(thrown == table(late));
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
    CHECK(table(whole) == event_log{"#0 'T' succeeded after 1 ms",
                                    "#1 'T' succeeded after 1 ms",
                                    "#2 'T' was cancelled after 2 ms: a sibling failed",
                                    "#3 'T' failed after 2 ms: test::failure: x"});
  }());
}

TEST_CASE("children: of a map, names and ends of those that are gone",
          "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto fn = [](int i) {
      return named("e" + std::to_string(i), give(i, 1ms * i));
    };
    const auto whole = map(
        return_exceptions, std::views::iota(0, 9),
        [&fn](int i) { return i == 1 ? named("bad", fail("x")) : fn(i); }, limit(1));
    co_await sleep(5ms);
    whole.cancel("enough");
    co_await as_outcome(whole);
    CHECK(table(whole) == event_log{"#0 'e0' succeeded after 0 ms",
                                    "#1 'bad' failed after 0 ms: test::failure: x",
                                    "#2 'e2' succeeded after 2 ms",
                                    "#3 'e3' was cancelled after 3 ms: enough"});
    const auto all = whole.children();
    CHECK(*all[3].started - *all[0].ended == 2ms);
  }());
}

TEST_CASE("children: of a map, the last ones that had ended", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto fn = [](int i) { return i == 2'000 ? fail("x") : give(i); };
    const auto kept = [&](limit most) -> coro<std::vector<std::size_t>> {
      const auto whole = map(std::views::iota(0), fn, most);
      co_await as_outcome(whole);
      std::vector<std::size_t> indices;
      for (const auto& c : whole.children()) indices.push_back(c.index);
      co_return indices;
    };
    const auto from = [](std::size_t first) {
      std::vector<std::size_t> all(2'001 - first);
      std::iota(all.begin(), all.end(), first);
      return all;
    };
    CHECK(co_await kept(limit(1)) == from(2'000 - 1'024));
    CHECK(co_await kept(limit(1).keep_reports(0)) == from(2'000));
    for (const std::size_t n : {1, 11, 12, 13, 25, 1'999, 2'000, 3'000}) {
      CHECK(co_await kept(limit(1).keep_reports(n)) ==
            from(2'000 - std::min(n, 2'000UL)));
    }
  }());
}

TEST_CASE("children: of a map without a limit, all of them", "[api][children]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto fn = [](int i) { return i == 1'999 ? fail("x", 1ms) : give(i); };
    const auto whole = map(std::views::iota(0, 2'000), fn);
    co_await as_outcome(whole);
    const auto all = whole.children();
    REQUIRE(all.size() == 2'000);
    CHECK(std::ranges::is_sorted(all, {}, &child_report::index));
    CHECK(std::ranges::all_of(all, [](const auto& c) { return c.ended.has_value(); }));
  }());
}

TEST_CASE("children: of a task group, the last ones that had ended", "[api][children]") {
  virtual_loop l;
  const auto indices_of = [&](auto body) -> coro<std::vector<std::size_t>> {
    std::vector<std::size_t> indices;
    try {
      co_await task_group::run(body);
    } catch (const exception_group& e) {
      for (const auto& c : e.children()) indices.push_back(c.index);
    }
    co_return indices;
  };
  const auto serve = [](task_group& g, int n) -> coro<> {
    for (int i = 0; i < n; ++i) co_await g.create_task(give(i));
  };
  const auto usual = [&](task_group& g) -> coro<> {
    co_await serve(g, 1'030);
    g.create_task(fail("x"));
  };
  const auto few = [&](task_group& g) -> coro<> {
    g.keep_reports(3);
    co_await serve(g, 20);
    g.keep_reports(4);
    co_await serve(g, 2);
    for (int i = 0; i < 3; ++i) g.create_task(give(i, 1h));
    g.create_task(fail("x"));
  };
  const auto none = [&](task_group& g) -> coro<> {
    co_await serve(g, 20);
    g.keep_reports(0);
    co_await serve(g, 20);
    co_await g.create_task(fail("x"));
  };
  l.run_until_complete([&]() -> coro<> {
    const auto last = co_await indices_of(usual);
    CHECK(last.size() == 1'025);
    CHECK(last.front() == 6);
    const std::vector<std::size_t> some{18, 19, 20, 21, 22, 23, 24, 25};
    CHECK(co_await indices_of(few) == some);
    const std::vector<std::size_t> one{40};
    CHECK(co_await indices_of(none) == one);
  }());
}

TEST_CASE("children: of a task group, also what was cancelled before",
          "[api][children]") {
  virtual_loop l;
  event_log lines;
  const auto body = [](task_group& g) -> coro<> {
    auto t = g.create_task(give(1, 1h), task_options().name("first"));
    co_await sleep(1ms);
    t.cancel("not needed");
    co_await sleep(1ms);
    g.create_task(fail("x"));
  };
  const auto parent = [&]() -> coro<> {
    try {
      co_await task_group::run(body);
    } catch (const exception_group& e) {
      lines = table(e.children());
    }
  };
  l.run_until_complete(parent());
  CHECK(lines == event_log{"#0 'first' was cancelled after 1 ms: not needed",
                           "#1 'T' failed after 0 ms: test::failure: x"});
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
