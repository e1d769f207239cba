#include <sheaf/task_group.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/context_var.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>

#include <functional>
#include <memory>
#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::counted;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::said;
using test::thrown_by;
using test::virtual_loop;

// TG-20: a group exists only while run() runs its body, inside the task that awaits it.
static_assert(!std::is_default_constructible_v<task_group>, "TG-20");
static_assert(!std::is_move_constructible_v<task_group>, "TG-20");
static_assert(std::is_same_v<decltype(task_group::run(
                                 std::declval<coro<int> (*)(task_group&, int)>(), 1)),
                             coro<int>>,
              "TG-20: it is a coro, which only a task can run");

TEST_CASE("task_group: run waits for all children, whose results stay readable (TG-1)",
          "[api][task_group][TG-1]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& on) -> coro<> {
    task<int> a, b, late;
    co_await task_group::run([&](task_group& g) -> coro<> {
      a = g.create_task(give(42, 10ms));
      b = g.create_task(give(11, 20ms));
      co_await sleep(15ms);
      late = g.create_task(give(7, 30ms));
    });
    CHECK(on.elapsed_ms() == 45);
    CHECK(a.result() == 42);
    CHECK(b.result() == 11);
    CHECK(late.result() == 7);
  }(l));
}

TEST_CASE("task_group: run gives what the body gives", "[api][task_group]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto sum = [](task_group& g, int n) -> coro<std::unique_ptr<int>> {
      std::vector<task<int>> all;
      for (int i = 1; i <= n; ++i) all.push_back(g.create_task(give(i, i * 1ms)));
      auto total = std::make_unique<int>(0);
      for (auto& t : all) *total += co_await t;
      co_return total;
    };
    const auto total = co_await task_group::run(sum, 4);
    CHECK(*total == 10);
  }());
}

TEST_CASE("task_group: function and arguments live until the group has ended",
          "[api][task_group]") {
  counted::reset();
  virtual_loop l;
  const auto child = [](const counted& c, int& sum) -> coro<> {
    co_await sleep(5ms);
    sum += c.value;
  };
  int sum = 0;
  {
    const auto body = [child](task_group& g, const counted& kept, counted taken,
                              int& into) -> coro<> {
      g.create_task(child(kept, into));
      into += taken.value;
      co_return;
    };
    auto whole =
        task_group::run(body, counted(1), counted(10), std::ref(sum));  // not begun
    CHECK(counted::alive == 2);
    l.run_until_complete(std::move(whole));
  }
  CHECK(sum == 11);
  CHECK(counted::alive == 0);
  CHECK(counted::copies == 0);
}

TEST_CASE("task_group: run is a coro: it may be gathered, or be a task",
          "[api][task_group]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& on) -> coro<> {
    const auto body = [](task_group& g, int i) -> coro<int> {
      g.create_task(give(0, 10ms));
      co_return i;
    };
    auto [a, b] = co_await gather(task_group::run(body, 1), task_group::run(body, 2));
    CHECK(a + b == 3);
    CHECK(on.elapsed_ms() == 10);
    CHECK(co_await create_task(task_group::run(body, 3)) == 3);
  }(l));
}

TEST_CASE(
    "task_group: a child that is cancelled is no error, and the group goes on (TG-10)",
    "[api][task_group][TG-10]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& on) -> coro<> {
    task<int> a, b;
    co_await task_group::run([&](task_group& g) -> coro<> {
      a = g.create_task(give(42, 1h));
      co_await sleep(15ms);
      a.cancel();
      b = g.create_task(give(11, 20ms));
    });
    CHECK(a.cancelled());
    CHECK(b.result() == 11);
    CHECK(on.elapsed_ms() == 35);
    CHECK(current_task().cancelling() == 0);
  }(l));
}

TEST_CASE("task_group: children may add children, also after the body has ended (TG-14)",
          "[api][task_group][TG-14]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    struct tree {
      static coro<> grow(task_group& g, event_log& into, int depth) {
        co_await sleep(1ms);
        into.push_back("depth " + std::to_string(depth));
        if (depth < 3) g.create_task(grow(g, into, depth + 1));
      }
    };
    co_await task_group::run([&](task_group& g) -> coro<> {
      g.create_task(tree::grow(g, seen, 0));
      co_return;
    });
    seen.push_back("over");
  }(log));
  CHECK(log == event_log{"depth 0", "depth 1", "depth 2", "depth 3", "over"});
}

TEST_CASE(
    "task_group: no task is added while it is aborting, and the coro is destroyed "
    "(TG-15)",
    "[api][task_group][TG-15]") {
  counted::reset();
  virtual_loop l;
  l.set_debug(true);  // which reports what is never awaited
  const auto child = [](counted) -> coro<> { co_return; };
  std::string refused;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(fail("x"));
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      refused = thrown_by([&] { g.create_task(child(counted())); });
      CHECK(counted::alive == 0);
      throw;
    }
  };
  CHECK_THROWS_AS(l.run_until_complete(task_group::run(body)), exception_group);
  CHECK(refused.find("the group is ending") != std::string::npos);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("task_group: no task is added when it has ended (TG-15)",
          "[api][task_group][TG-15]") {
  counted::reset();
  virtual_loop l;
  l.set_debug(true);
  l.set_budget({1, 0ns});
  const auto child = [](counted) -> coro<> { co_return; };
  task_group* group = nullptr;
  task<int> last;
  const auto whole = l.create_task(task_group::run([&](task_group& g) -> coro<> {
    group = &g;
    last = g.create_task(give(1));
    co_return;
  }));
  while (!last.valid() || !last.done()) l.turn();
  // As in asyncio, the group learns of the end a batch later.
  l.turn();
  REQUIRE_FALSE(whole.done());
  const auto refused = thrown_by([&] { group->create_task(child(counted())); });
  CHECK(refused.find("has ended") != std::string::npos);
  CHECK(counted::alive == 0);
  group->cancel("too late");  // without effect (TG-22)
  CHECK(whole.cancelling() == 0);
  l.run_forever();
  CHECK(whole.done());
  CHECK_FALSE(whole.cancelled());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("task_group: refused options make no task either (TG-15)",
          "[api][task_group][TG-15]") {
  virtual_loop l;
  const auto body = [&](task_group& g) -> coro<> {
    g.cancel();
    CHECK_THROWS_AS(g.create_task(give(1), task_options().name("x")), invalid_state);
    CHECK(g.size() == 0);
    co_return;
  };
  l.run_until_complete(task_group::run(body));
}

TEST_CASE("task_group: names and contexts reach the task (TG-21)",
          "[api][task_group][TG-21]") {
  static context_var<int> level(0);
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto read = []() -> coro<int> { co_return level.get(); };
    level.set(1);
    const context one = copy_context();
    level.set(2);
    task<int> given, inherited;
    co_await task_group::run([&](task_group& g) -> coro<> {
      given = g.create_task(read(), task_options().name("reader").context(one));
      inherited = g.create_task(read());
      CHECK(given.name() == "reader");
      co_return;
    });
    CHECK(given.result() == 1);
    CHECK(inherited.result() == 2);
  }());
}

TEST_CASE("task_group: the loop's task factory sees the children",
          "[api][task_group][TG-21]") {
  virtual_loop l;
  l.set_task_factory([](task_options& o) { o.name("made " + o.name()); });
  l.run_until_complete([]() -> coro<> {
    co_await task_group::run([](task_group& g) -> coro<> {
      CHECK(g.create_task(give(1)).name() == "made ");
      CHECK(g.create_task(give(1), task_options().name("x")).name() == "made x");
      co_return;
    });
  }());
}

TEST_CASE("task_group: an eager child runs inside create_task, and may end there",
          "[api][task_group]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    co_await task_group::run([&](task_group& g) -> coro<> {
      const auto eager = task_options().eager_start();
      CHECK(g.create_task(give(5), eager).result() == 5);
      CHECK(g.size() == 0);
      g.create_task(noted(seen, "child", 1ms), eager);
      seen.push_back("body");
      CHECK(g.size() == 1);
      co_return;
    });
  }(log));
  CHECK(log == event_log{"child begins", "body", "child ends"});
}

TEST_CASE(
    "task_group: a child that fails eagerly ends the group a batch later, not inside "
    "create_task",
    "[api][task_group]") {
  virtual_loop l;
  event_log log;
  task<int> sibling;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(fail("at once"), task_options().eager_start());
    CHECK(current_task().cancelling() == 0);
    sibling = g.create_task(noted(log, "sibling", 1h));  // still open, as in asyncio
    log.push_back("body");
    co_return;
  };
  CHECK_THROWS_AS(l.run_until_complete(task_group::run(body)), exception_group);
  CHECK(log == event_log{"body"});
  CHECK(sibling.cancelled());  // before it began
}

TEST_CASE("task_group: an eager child that cancels the group is cancelled too",
          "[api][task_group][TG-22]") {
  virtual_loop l;
  event_log log;
  const auto child = [](task_group& g, event_log& seen) -> coro<> {
    g.cancel("enough");
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      seen.push_back(c.reason());
      throw;
    }
  };
  l.run_until_complete(task_group::run([&](task_group& g) -> coro<> {
    g.create_task(child(g, log), task_options().eager_start());
    co_await sleep(1h);
  }));
  CHECK(log == event_log{"enough"});
  CHECK(l.elapsed_ms() == 0);
}

TEST_CASE("task_group: a body that returns early still waits for its children (TG-23)",
          "[api][task_group][TG-23]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& on) -> coro<> {
    const int got = co_await task_group::run([](task_group& g) -> coro<int> {
      for (int i = 0;; ++i) {
        g.create_task(give(i, 10ms));
        if (i == 3) co_return i;
      }
    });
    CHECK(got == 3);
    CHECK(on.elapsed_ms() == 10);
  }(l));
}

TEST_CASE("task_group: without children it does not suspend (TG-23)",
          "[api][task_group][TG-23]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    loop::current().call_soon([&seen] { seen.push_back("next batch"); });
    co_await task_group::run([](task_group&) -> coro<> { co_return; });
    seen.push_back("group is over");
    co_await sleep(0ms);
  }(log));
  CHECK(log == event_log{"group is over", "next batch"});
}

TEST_CASE("task_group: asyncio's number of batches from the last end to the parent",
          "[api][task_group][TG-1]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto child = [](event_log& into) -> coro<> {
      into.push_back("child ends");
      loop::current().call_soon([&into] {
        into.push_back("one later");
        loop::current().call_soon([&into] { into.push_back("two later"); });
      });
      co_return;
    };
    co_await task_group::run([&](task_group& g) -> coro<> {
      g.create_task(child(seen));
      co_return;
    });
    seen.push_back("parent goes on");
    co_await sleep(0ms);
  }(log));
  // The child's callback was queued ahead of the group's, and its own ahead of the parent.
  CHECK(log == event_log{"child ends", "one later", "two later", "parent goes on"});
}

TEST_CASE("task_group: says how many tasks it waits for, and where",
          "[api][task_group]") {
  virtual_loop l;
  promise<int> never(l);
  const auto waiting = [](future<int> f) -> coro<> { co_await f; };
  unsigned line = 0;
  const auto parent = [&]() -> coro<> {
    const auto body = [&](task_group& g) -> coro<> {
      for (int i = 0; i < 3; ++i) g.create_task(waiting(never.get_future()));
      co_await sleep(1ms);
    };
    line = __LINE__ + 1;
    co_await task_group::run(body);
  };
  const auto t = l.create_task(parent(), task_options().name("parent"));
  l.turn();
  const auto in_body = t.stack();
  REQUIRE(in_body.size() == 2);  // the body and the parent; run() itself does not show
  CHECK(in_body[1].line() == line);
  std::string said;
  try {
    l.run_until_complete(t);
  } catch (const deadlock& d) {
    said = d.what();
  }
  CHECK(said.find("'parent' pending waiting for task_group of 3 tasks at " +
                  std::string(__FILE__) + ':' + std::to_string(line)) !=
        std::string::npos);
  const auto waiting_there = t.stack();
  REQUIRE(waiting_there.size() == 1);
  CHECK(waiting_there[0].line() == line);
}

TEST_CASE("task_group: a child that awaits its parent is cancelled with the group",
          "[api][task_group]") {
  virtual_loop l;
  event_log log;
  const auto child = [](const task<>& parent, event_log& seen) -> coro<> {
    try {
      co_await parent;
    } catch (const cancelled& c) {
      seen.push_back("child: " + c.reason());
      throw;
    }
  };
  task<> parent;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(child(parent, log));
    co_return;
  };
  parent = l.create_task(task_group::run(body));
  l.call_later(1ms, [&] { parent.cancel("stop"); });
  CHECK(thrown_by([&] { l.run_until_complete(parent); }) == "cancelled: stop");
  CHECK(log == event_log{"child: stop"});
}

TEST_CASE(
    "task_group: in whatever order the loop runs what is ready, all children end "
    "before run does (TG-1)",
    "[api][task_group][TG-1]") {
  test::for_seeds([]() -> coro<> {
    int alive = 0;
    const auto child = [](task_group& g, int& count, int depth, auto self) -> coro<> {
      ++count;
      for (int i = 0; i < depth; ++i) {
        g.create_task(self(g, count, depth - 1, self));
        co_await sleep(0ms);
      }
      co_await sleep(depth * 1ms);
      --count;
    };
    co_await task_group::run([&](task_group& g) -> coro<> {
      for (int i = 0; i < 4; ++i) g.create_task(child(g, alive, 3, child));
      co_await sleep(1ms);
    });
    CHECK(alive == 0);
  });
}
