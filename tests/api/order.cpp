#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

#include <sheaf/as_completed.hpp>
#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>
#include <sheaf/wait.hpp>

#include <exception>
#include <thread>
#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::noted;
using test::said;
using test::virtual_loop;

namespace {

coro<> awaits(future<int> f, event_log& log, std::string name) {
  co_await f;
  log.push_back(name + " resumes");
}

}  // namespace

TEST_CASE("R1: setting a promise resumes nobody inside the call", "[api][order][R1]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> p;
    const auto t = create_task(awaits(p.get_future(), seen, "waiter"));
    co_await sleep(0ms);
    p.set_value(1);
    seen.push_back("set");
    co_await t;
  }(log));
  CHECK(log == event_log{"set", "waiter resumes"});
}

TEST_CASE("R1: a callback that settles a future resumes nobody inside it",
          "[api][order][R1]") {
  event_log log;
  virtual_loop l;
  promise<int> p(l);
  const auto t = l.create_task(awaits(p.get_future(), log, "waiter"));
  l.call_later(1ms, [&] {
    p.set_value(1);
    log.push_back("callback ends");
  });
  l.run_until_complete(t);
  CHECK(log == event_log{"callback ends", "waiter resumes"});
}

TEST_CASE("R1: a coroutine that is awaited runs inside its awaiting task, at once",
          "[api][order][R1]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    loop::current().call_soon([&seen] { seen.push_back("queued before"); });
    const auto outer = current_task();
    const auto inner = [](event_log& s, any_task caller) -> coro<> {
      CHECK(current_task() == caller);
      s.push_back("inner");
      co_return;
    };
    co_await inner(seen, outer);
    seen.push_back("outer");
    co_await sleep(0ms);
  }(log));
  CHECK(log == event_log{"inner", "outer", "queued before"});
}

TEST_CASE("R1: a task made by create_task begins on the next turn", "[api][order][R1]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto t = create_task(noted(seen, "child", 0ms));
    seen.push_back("made");
    co_await t;
  }(log));
  CHECK(log == event_log{"made", "child begins", "child ends"});
}

TEST_CASE("R2: tasks, callbacks and done callbacks share one queue, first in, first out",
          "[api][order][R2]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto& here = loop::current();
    promise<int> p;
    const auto f = p.get_future();
    f.add_done_callback([&seen](const auto&) { seen.push_back("done callback"); });
    here.call_soon([&seen] { seen.push_back("first callback"); });
    const auto t = create_task(noted(seen, "task", 0ms));
    p.set_value(1);
    here.call_soon([&seen] { seen.push_back("last callback"); });
    co_await t;
  }(log));
  CHECK(log == event_log{"first callback", "task begins", "done callback",
                         "last callback", "task ends"});
}

TEST_CASE("R2: who awaits one future resumes in the order of the awaits",
          "[api][order][R2]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> p;
    const auto a = create_task(awaits(p.get_future(), seen, "a"));
    const auto b = create_task(awaits(p.get_future(), seen, "b"));
    const auto c = create_task(awaits(p.get_future(), seen, "c"));
    co_await sleep(0ms);
    p.set_value(1);
    co_await gather(a, b, c);
  }(log));
  CHECK(log == event_log{"a resumes", "b resumes", "c resumes"});
}

TEST_CASE("R2: equal deadlines fire in the order they were armed", "[api][order][R2]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto& here = loop::current();
    std::vector<task<int>> sleepers;
    for (int i = 0; i < 8; i += 2) {
      sleepers.push_back(create_task(noted(seen, std::to_string(i), 10ms)));
      here.call_soon([&seen, &here, i] {
        here.call_later(10ms, [&seen, i] { seen.push_back(std::to_string(i + 1)); });
      });
    }
    co_await sleep(1ms);
    seen.clear();
    co_await gather(sleepers);
  }(log));
  // A callback runs in the batch of its deadline, a task one batch later.
  CHECK(log == event_log{"1", "3", "5", "7", "0 ends", "2 ends", "4 ends", "6 ends"});
}

TEST_CASE("R3: cancel never resumes inline", "[api][order][R3]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> never;
    const auto on_sleep = create_task(noted(seen, "on a sleep", 1h));
    const auto on_gather = create_task(
        [](event_log& s) -> coro<> { co_await gather(noted(s, "child", 1h)); }(seen));
    const auto on_future = create_task(awaits(never.get_future(), seen, "on a future"));
    const auto on_wait = create_task([](future<int> f, event_log& s) -> coro<> {
      std::vector<future<int>> one{f};
      try {
        static_cast<void>(co_await wait(one));
      } catch (const cancelled&) {
        s.push_back("on a wait is cancelled");
        throw;
      }
    }(never.get_future(), seen));
    co_await sleep(1ms);
    seen.clear();
    for (const any_task& t : {any_task(on_sleep), any_task(on_gather), any_task(on_wait),
                              any_task(on_future)}) {
      t.cancel();
    }
    seen.push_back("cancelled all");
    co_await gather(return_exceptions, on_sleep, on_gather, on_wait, on_future);
  }(log));
  CHECK(log == event_log{"cancelled all", "on a sleep is cancelled", "child is cancelled",
                         "on a wait is cancelled"});
}

TEST_CASE("R4: gather waits for the end of every child that it started",
          "[api][order][R4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto borrows = [](event_log& s, const std::string& text) -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      co_await sleep(5ms);
      s.push_back("still there: " + text);
    };
    {
      const std::string local = "the parent's local";
      co_await as_outcome(gather(borrows(seen, local), fail("x", 1ms)));
    }
    seen.push_back("left");
  }(log));
  CHECK(log == event_log{"still there: the parent's local", "left"});
}

TEST_CASE("R4: run waits for the end of every task", "[api][order][R4]") {
  event_log log;
  run(
      [](event_log& seen) -> coro<> {
        static_cast<void>(create_task(test::reluctant(seen, "task", 1h, 5ms)));
        co_await sleep(1ms);
      }(log),
      run_options().virtual_time());
  CHECK(log == event_log{"task has cleaned up"});
}

TEST_CASE("R5: the first failure in time wins, the others stay reachable",
          "[api][order][R5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto late = [](const char* what) -> coro<> {
      try {
        co_await sleep(20ms);
      } catch (const cancelled&) {
      }
      throw test::failure(what);
    };
    const auto a = create_task(late("later"));
    const auto b = create_task(fail("first", 10ms));
    const auto how = co_await as_outcome(gather(a, b));
    CHECK(said(how.error()) == "first");
    CHECK(said(a.exception()) == "later");
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("R6: what other threads send runs on the loop's thread, in their order",
          "[api][order][R6]") {
  event_log log;
  loop l;
  const auto mine = std::this_thread::get_id();
  std::thread sender([&] {
    for (int i = 0; i < 3; ++i) {
      l.call_soon_threadsafe([&, i] {
        log.push_back(std::to_string(i) + (std::this_thread::get_id() == mine
                                               ? " on the loop's"
                                               : " elsewhere"));
        if (i == 2) l.stop();
      });
    }
  });
  l.run_forever();
  sender.join();
  CHECK(log == event_log{"0 on the loop's", "1 on the loop's", "2 on the loop's"});
}

TEST_CASE("R7: after a loop was destroyed nothing of it runs, and nothing is kept",
          "[api][order][R7]") {
  event_log log;
  const auto held = std::make_shared<int>(1);
  {
    virtual_loop l;
    l.call_soon([&log, held] { log.push_back("queued"); });
    l.call_later(0ms, [&log, held] { log.push_back("timer"); });
    promise<int> p(l);
    const auto f = p.get_future();
    f.add_done_callback([&log, held](const auto&) { log.push_back("done callback"); });
    p.set_value(1);
  }
  CHECK(log.empty());
  CHECK(held.use_count() == 1);
}

TEST_CASE("R7: after a stream was destroyed its time-out does nothing",
          "[api][order][R7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> never;
    const std::vector<future<int>> one{never.get_future()};
    {
      auto stream = as_completed(one, as_completed_options().timeout(1ms));
    }
    CHECK(loop::current().core().timers() == 0);
    co_await sleep(2ms);
  }());
}

TEST_CASE("R8: cancelled is no std::exception", "[api][order][R8]") {
  STATIC_REQUIRE_FALSE(std::is_base_of_v<std::exception, cancelled>);
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto t = create_task([](event_log& s) -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const std::exception&) {
        s.push_back("swallowed");
      }
    }(seen));
    co_await sleep(1ms);
    t.cancel();
    co_await as_outcome(t);
    CHECK(t.cancelled());
  }(log));
  CHECK(log.empty());
}

TEST_CASE("R9: virtual time passes exactly, and only when nothing else can happen",
          "[api][order][R9]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto sleeper = create_task(noted(seen, "a day", 24h));
    for (int i = 0; i < 1000; ++i) co_await sleep(0ms);
    CHECK(clock.elapsed_ms() == 0);
    co_await sleeper;
  }(log, l));
  CHECK(l.elapsed_ms() == 24LL * 3600 * 1000);
}

TEST_CASE(
    "R10: an error nobody looked at is reported once, with the task's name and creation",
    "[api][order][R10]") {
  test::report_log reports;
  virtual_loop l;
  reports.listen(l);
  const int line = __LINE__ + 2;
  l.run_until_complete([]() -> coro<> {
    static_cast<void>(create_task(fail("x", 1ms), task_options().name("forgotten")));
    co_await sleep(2ms);
  }());
  l.close();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "forgotten");
  CHECK(said(reports[0].exception) == "x");
  CHECK(static_cast<int>(reports[0].created_at.line()) == line);
  CHECK(std::string(reports[0].waiting_at.file_name()).find("children.hpp") !=
        std::string::npos);
}

TEST_CASE(
    "R10: a task that was pending when its loop was closed is reported with its await",
    "[api][order][R10]") {
  test::report_log reports;
  {
    virtual_loop l;
    reports.listen(l);
    static_cast<void>(l.create_task(test::give(1, 1h), task_options().name("pending")));
    l.turn();
  }
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "pending");
  CHECK(std::string(reports[0].waiting_at.file_name()).find("children.hpp") !=
        std::string::npos);
}

TEST_CASE("R10: an error that was looked at is not reported", "[api][order][R10]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = create_task(fail("a"));
    const auto b = create_task(fail("b"));
    const auto c = create_task(fail("c"));
    co_await sleep(1ms);
    static_cast<void>(a.exception());
    static_cast<void>(b.outcome());
    co_await as_outcome(c);
  }());
  l.close();
  CHECK(l.exceptions_reported() == 0);
}
