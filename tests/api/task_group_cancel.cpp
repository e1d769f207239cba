#include <sheaf/task_group.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::failure;
using test::give;
using test::noted;
using test::reluctant;
using test::said;
using test::stubborn;
using test::thrown_by;
using test::virtual_loop;

namespace {

coro<int> vengeful(const char* what, std::chrono::milliseconds cleanup = 0ms) {
  bool asked = false;
  try {
    co_await sleep(1h);
  } catch (const cancelled&) {
    asked = true;
  }
  if (asked && cleanup != 0ms) co_await sleep(cleanup);
  throw failure(what);
}

/// "errors" if a group was thrown; else what came out, in said()'s words.
coro<std::string> end_of(coro<> run) {
  try {
    co_await std::move(run);
  } catch (const exception_group& g) {
    co_return "errors: " + said(g.first_of<failure>());
  } catch (const cancelled& c) {
    co_return "cancelled: " + c.reason();
  }
  co_return "nothing";
}

}  // namespace

TEST_CASE("task_group: cancelled from outside in its body (TG-7)",
          "[api][task_group][TG-7]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(noted(log, "a", 1h));
    g.create_task(reluctant(log, "b", 1h, 5ms));
    co_await noted(log, "body", 1h);
  };
  const auto t = l.create_task(task_group::run(body));
  l.call_later(1ms, [&] { t.cancel("from outside"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: from outside");
  CHECK(t.cancelled());
  CHECK(l.elapsed_ms() == 6);
  CHECK(log == event_log{"body begins", "a begins", "body is cancelled", "a is cancelled",
                         "b has cleaned up"});
}

TEST_CASE("task_group: cancelled from outside while it waits for its children (TG-7)",
          "[api][task_group][TG-7]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    for (const char* const name : {"a", "b", "c"}) g.create_task(noted(log, name, 1h));
    co_return;
  };
  const auto t = l.create_task(task_group::run(body));
  l.call_later(1ms, [&] {
    log.clear();
    t.cancel("from outside");
  });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: from outside");
  CHECK(t.cancelled());
  // In the order in which they were made: asyncio's is a set's.
  CHECK(log == event_log{"a is cancelled", "b is cancelled", "c is cancelled"});
}

TEST_CASE("task_group: the children hear the reason of the request from outside (TG-7)",
          "[api][task_group][TG-7]") {
  virtual_loop l;
  const auto child = [](std::string& heard) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      heard = c.reason();
      throw;
    }
  };
  for (const bool in_body : {true, false}) {
    std::string heard;
    const auto body = [&](task_group& g) -> coro<> {
      g.create_task(child(heard));
      if (in_body) co_await sleep(1h);
    };
    const auto t = l.create_task(task_group::run(body));
    l.call_later(1ms, [&] { t.cancel("shutting down"); });
    CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: shutting down");
    CHECK(heard == "shutting down");
  }
}

TEST_CASE("task_group: cancelled again and again, it still waits for all (TG-7)",
          "[api][task_group][TG-7]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(reluctant(log, "a", 1h, 10ms));
    co_return;
  };
  const auto t = l.create_task(task_group::run(body));
  for (int i = 1; i <= 5; ++i) l.call_later(i * 1ms, [&] { t.cancel("again"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: again");
  CHECK(log == event_log{"a has cleaned up"});  // the child was asked once
  CHECK(l.elapsed_ms() == 11);
}

TEST_CASE("task_group: cancelled before it begins, it makes no child (TG-7)",
          "[api][task_group][TG-7]") {
  virtual_loop l;
  bool begun = false;
  const auto body = [&](task_group&) -> coro<> {
    begun = true;
    co_return;
  };
  const auto t = l.create_task(task_group::run(body));
  t.cancel();
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: ");
  CHECK_FALSE(begun);
}

TEST_CASE("task_group: errors win over a cancellation from outside (TG-8)",
          "[api][task_group][TG-8]") {
  virtual_loop l;
  const auto in_body = [](task_group& g) -> coro<> {
    g.create_task(vengeful("child"));
    co_await sleep(1h);
  };
  const auto waiting = [](task_group& g) -> coro<> {
    g.create_task(vengeful("child"));
    co_return;
  };
  const auto a = l.create_task(end_of(task_group::run(in_body)));
  const auto b = l.create_task(end_of(task_group::run(waiting)));
  l.call_later(1ms, [&] {
    a.cancel();
    b.cancel();
  });
  CHECK_THROWS_AS(l.run_until_complete(a), cancelled);  // marked: see TG-9
  CHECK_THROWS_AS(l.run_until_complete(b), cancelled);
}

TEST_CASE("task_group: a child fails while the body cleans up after a request (TG-8)",
          "[api][task_group][TG-8]") {
  virtual_loop l;
  std::string got;
  const auto body = [](task_group& g) -> coro<> {
    g.create_task(fail("child", 30ms));
    bool asked = false;
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      asked = true;
    }
    if (asked) co_await sleep(50ms);
    throw cancelled("passed on");
  };
  const auto parent = [&]() -> coro<> { got = co_await end_of(task_group::run(body)); };
  const auto t = l.create_task(parent());
  l.call_later(10ms, [&] { t.cancel(); });
  CHECK_THROWS_AS(l.run_until_complete(t), cancelled);
  CHECK(got == "errors: child");
  CHECK(l.elapsed_ms() == 30);  // the failure ends the cleanup
}

TEST_CASE(
    "task_group: the request from outside is not lost: the next await throws it (TG-9)",
    "[api][task_group][TG-9]") {
  virtual_loop l;
  event_log log;
  const auto parent = [&]() -> coro<> {
    const auto body = [](task_group& g) -> coro<> {
      g.create_task(vengeful("child"));
      co_return;
    };
    log.push_back(co_await end_of(task_group::run(body)));
    log.push_back("count " + std::to_string(current_task().cancelling()));
    co_await noted(log, "next", 1h);
  };
  const auto t = l.create_task(parent());
  l.call_later(1ms, [&] { t.cancel("from outside"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: from outside");
  CHECK(log == event_log{"errors: child", "count 1", "next begins", "next is cancelled"});
}

TEST_CASE("task_group: that request may be taken back, as timeouts do (TG-9)",
          "[api][task_group][TG-9]") {
  virtual_loop l;
  const auto parent = []() -> coro<int> {
    const auto body = [](task_group& g) -> coro<> {
      g.create_task(vengeful("child"));
      co_return;
    };
    const std::string got = co_await end_of(task_group::run(body));
    CHECK(got == "errors: child");
    CHECK(current_task().uncancel() == 0);
    co_await sleep(1ms);
    co_return 5;
  };
  const auto t = l.create_task(parent());
  l.call_later(1ms, [&] { t.cancel("from outside"); });
  CHECK(l.run_until_complete(t) == 5);
}

TEST_CASE(
    "task_group: inner and outer fail: a group of each, and a count of 1 between "
    "(TG-13)",
    "[api][task_group][TG-13]") {
  virtual_loop l;
  event_log log;
  const auto count = [] { return std::to_string(current_task().cancelling()); };
  const auto inner = [](task_group& g) -> coro<> {
    g.create_task(vengeful("inner"));
    co_await sleep(1h);
  };
  const auto outer = [&](task_group& g) -> coro<> {
    g.create_task(fail("outer", 1ms));
    try {
      co_await task_group::run(inner);
    } catch (const exception_group& e) {
      log.push_back("inner: " + said(e.unwrapped()) + ", count " + count());
    }
    co_await sleep(1h);  // the outer group's request is delivered here
  };
  const auto parent = [&]() -> coro<> {
    try {
      co_await task_group::run(outer);
    } catch (const exception_group& e) {
      log.push_back("outer: " + said(e.unwrapped()) + ", count " + count());
    }
    co_await sleep(1ms);
  };
  l.run_until_complete(parent());
  CHECK(log == event_log{"inner: inner, count 1", "outer: outer, count 0"});
}

TEST_CASE("task_group: cancel ends it without an error (TG-22)",
          "[api][task_group][TG-22]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen, virtual_loop& on) -> coro<> {
    const auto stops = [](task_group& g) -> coro<> {
      co_await sleep(1ms);
      g.cancel("found it");
      g.cancel("again");  // without effect
    };
    const auto body = [&](task_group& g) -> coro<> {
      g.create_task(noted(seen, "a", 1h));
      g.create_task(stops(g));
      g.create_task(reluctant(seen, "b", 1h, 5ms));
      try {
        co_await sleep(1h);
      } catch (const cancelled& c) {
        seen.push_back("body: " + c.reason());
        throw;
      }
    };
    co_await task_group::run(body);
    CHECK(current_task().cancelling() == 0);
    CHECK(on.elapsed_ms() == 6);
    co_await sleep(1ms);
  }(log, l));
  CHECK(log ==
        event_log{"a begins", "a is cancelled", "body: found it", "b has cleaned up"});
}

TEST_CASE("task_group: cancel by the body, before and after it has children (TG-22)",
          "[api][task_group][TG-22]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto empty = [](task_group& g) -> coro<int> {
      g.cancel();
      co_return 1;  // a value that is there is given
    };
    const int one = co_await task_group::run(empty);
    CHECK(one == 1);
    CHECK(current_task().cancelling() == 0);
    co_await sleep(0ms);  // the request was taken back with the group

    task<int> child;
    const auto with_child = [&](task_group& g) -> coro<> {
      child = g.create_task(give(1, 1h));
      g.cancel();
      co_return;
    };
    co_await task_group::run(with_child);
    CHECK(child.cancelled());
    CHECK(current_task().cancelling() == 0);
    co_await sleep(0ms);
  }());
}

TEST_CASE("task_group: cancel while only children are left (TG-22)",
          "[api][task_group][TG-22]") {
  virtual_loop l;
  task_group* group = nullptr;
  const auto body = [&](task_group& g) -> coro<int> {
    group = &g;
    g.create_task(give(1, 1h));
    co_return 2;
  };
  const auto t = l.create_task(task_group::run(body));
  l.call_later(1ms, [&] { group->cancel(); });
  CHECK(l.run_until_complete(t) == 2);
  CHECK(l.elapsed_ms() == 1);
}

TEST_CASE(
    "task_group: cancelled before its body gave the value, run throws cancelled (TG-22)",
    "[api][task_group][TG-22]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto stops = [](task_group& g) -> coro<> {
      g.cancel("no answer");
      co_return;
    };
    const auto body = [&](task_group& g) -> coro<int> {
      g.create_task(stops(g));
      co_await sleep(1h);
      co_return 1;
    };
    const outcome<int> got = co_await as_outcome(task_group::run(body));
    CHECK(got.is_cancelled());
    CHECK(said(got.error()) == "cancelled: no answer");
    CHECK(current_task().cancelling() == 0);
  }());
}

TEST_CASE("task_group: errors that come after cancel are thrown all the same (TG-22)",
          "[api][task_group][TG-22]") {
  virtual_loop l;
  const auto body = [](task_group& g) -> coro<> {
    g.create_task(vengeful("child"));
    co_await sleep(0ms);
    g.cancel();
  };
  CHECK(l.run_until_complete(end_of(task_group::run(body))) == "errors: child");
}

TEST_CASE("task_group: cancel in an inner group leaves the outer alone (TG-22)",
          "[api][task_group][TG-22]") {
  virtual_loop l;
  event_log log;
  const auto outer = [&](task_group& g) -> coro<> {
    g.create_task(noted(log, "outer child", 5ms));
    const auto inner = [&](task_group& in) -> coro<> {
      in.create_task(noted(log, "inner child", 1h));
      co_await sleep(1ms);
      in.cancel();
      co_await sleep(1h);
    };
    co_await task_group::run(inner);
    log.push_back("inner is over");
  };
  l.run_until_complete(task_group::run(outer));
  CHECK(log == event_log{"outer child begins", "inner child begins",
                         "inner child is cancelled", "inner is over",
                         "outer child ends"});
}

TEST_CASE(
    "task_group: a request from outside after cancel is not lost, though the body "
    "ended well (TG-22)",
    "[api][task_group][TG-22]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(reluctant(log, "child", 1h, 10ms));
    co_await sleep(1ms);
    g.cancel("enough");
  };
  const auto t = l.create_task(task_group::run(body));
  l.call_later(5ms, [&] { t.cancel("from outside"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: from outside");
  CHECK(t.cancelling() == 1);
  CHECK(l.elapsed_ms() == 11);
  CHECK(log == event_log{"child has cleaned up"});
}

TEST_CASE("task_group: the same when both requests come at once, in either order (TG-22)",
          "[api][task_group][TG-22]") {
  for (const bool outside_first : {true, false}) {
    for (const bool in_body : {true, false}) {
      INFO("outside first: " << outside_first << ", in the body: " << in_body);
      virtual_loop l;
      task_group* group = nullptr;
      const auto body = [&](task_group& g) -> coro<> {
        group = &g;
        g.create_task(stubborn(1, 1h));
        if (in_body) co_await sleep(1h);
      };
      const auto t = l.create_task(task_group::run(body));
      l.call_later(1ms, [&] {
        if (outside_first) t.cancel("from outside");
        group->cancel("on purpose");
        if (!outside_first) t.cancel("from outside");
      });
      // One that waits tells the first of several requests: asyncio's rule.
      const bool told_own = in_body && !outside_first;
      CHECK(thrown_by([&] { l.run_until_complete(t); }) ==
            (told_own ? "cancelled: on purpose" : "cancelled: from outside"));
      CHECK(t.cancelling() == 1);
    }
  }
}

TEST_CASE("task_group: the same when the body asks for both and ends well (TG-22)",
          "[api][task_group][TG-22]") {
  for (const bool outside_first : {true, false}) {
    INFO("outside first: " << outside_first);
    virtual_loop l;
    const auto body = [&](task_group& g) -> coro<> {
      g.create_task(stubborn(1, 1h));
      if (outside_first) current_task().cancel("not by the group");
      g.cancel("on purpose");
      if (!outside_first) current_task().cancel("not by the group");
      co_return;
    };
    const auto t = l.create_task(task_group::run(body));
    CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: not by the group");
  }
}

TEST_CASE("task_group: run()'s end asks each child once, in whatever order",
          "[api][task_group][RUN-4]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    event_log log;
    const auto body = [&](task_group& g) -> coro<> {
      g.create_task(reluctant(log, "child", 1h, 5ms));
      co_return;
    };
    const auto main = [&]() -> coro<> {
      static_cast<void>(create_task(task_group::run(body)));
      co_await sleep(1ms);
    };
    const auto virtual_time = run_options().virtual_time();
    run(main(), seed == 0 ? virtual_time : run_options(virtual_time).seed(seed));
    CHECK(log == event_log{"child has cleaned up"});
  }
}

TEST_CASE(
    "task_group: a child in its cleanup is not asked again by a later request (TG-7)",
    "[api][task_group][TG-7]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(reluctant(log, "child", 1h, 10ms));
    co_await sleep(1ms);
    g.cancel("enough");
    static_cast<void>(co_await reluctant(log, "body", 1h, 20ms));
  };
  const auto t = l.create_task(task_group::run(body));
  l.call_later(5ms, [&] { t.cancel("from outside"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: from outside");
  CHECK(log == event_log{"child has cleaned up"});
  CHECK(l.elapsed_ms() == 11);
}

TEST_CASE(
    "task_group: the cancellation that leaves the body is the one that comes out (TG-7)",
    "[api][task_group][TG-7]") {
  virtual_loop l;
  const auto body = [](task_group& g) -> coro<> {
    g.create_task(give(1, 1h));
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      throw cancelled("in other words");
    }
  };
  const auto t = l.create_task(task_group::run(body));
  l.call_later(1ms, [&] { t.cancel("from outside"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: in other words");
}

TEST_CASE("task_group: 10,000 groups, one inside the other, are cancelled from outside",
          "[api][task_group][TG-12]") {
  struct tower {
    static coro<> level(task_group& g, int n, int& ended) {
      if (n > 0) g.create_task(task_group::run(level, n - 1, std::ref(ended)));
      const struct leave {
        int& count;
        ~leave() { ++count; }
      } on_exit{ended};
      co_await sleep(n > 0 ? 0ms : 1h);
    }
  };
  virtual_loop l;
  int ended = 0;
  const auto t = l.create_task(task_group::run(tower::level, 10'000, std::ref(ended)));
  l.call_later(1ms, [&] { t.cancel("all"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: all");
  CHECK(ended == 10'001);
}

TEST_CASE("task_group: in whatever order, a request from outside is never lost (TG-9)",
          "[api][task_group][TG-9]") {
  test::for_seeds([]() -> coro<> {
    for (int at = 0; at < 6; ++at) {
      const auto body = [](task_group& g) -> coro<> {
        g.create_task(fail("x", 2ms));
        g.create_task(vengeful("y", 1ms));
        g.create_task(stubborn(1, 3ms));
        co_await sleep(3ms);
      };
      const auto parent = [&]() -> coro<> {
        try {
          co_await task_group::run(body);
        } catch (const exception_group&) {
        }
        co_await sleep(1h);
      };
      const task<> t = create_task(parent());
      co_await sleep(at * 1ms);
      t.cancel("from outside");
      const outcome<> got = co_await as_outcome(t);
      CHECK(got.is_cancelled());
      CHECK(t.cancelling() >= 1);
    }
  });
}

TEST_CASE(
    "task_group: the body fails after cancel, and a request comes from outside: the "
    "error is thrown, then the request (TG-8)",
    "[api][task_group][TG-8]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(reluctant(log, "child", 1h, 10ms));
    co_await sleep(1ms);
    g.cancel("enough");
    throw failure("body");
  };
  const auto parent = [&]() -> coro<> {
    log.push_back(co_await end_of(task_group::run(body)));
    co_await sleep(1h);
  };
  const auto t = l.create_task(parent());
  l.call_later(5ms, [&] { t.cancel("from outside"); });
  CHECK(thrown_by([&] { l.run_until_complete(t); }) == "cancelled: from outside");
  CHECK(log == event_log{"child has cleaned up", "errors: body"});
  CHECK(l.elapsed_ms() == 11);
}

TEST_CASE("task_group: a child that the body awaits is asked once (TG-2)",
          "[api][task_group][TG-2]") {
  virtual_loop l;
  event_log log;
  task<int> child;
  const auto body = [&](task_group& g) -> coro<> {
    child = g.create_task(reluctant(log, "child", 1h, 5ms));
    g.create_task(fail("x", 1ms));
    co_await child;
  };
  CHECK(l.run_until_complete(end_of(task_group::run(body))) == "errors: x");
  CHECK(log == event_log{"child has cleaned up"});
  CHECK(child.cancelling() == 1);
}
