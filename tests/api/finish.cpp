#include <sheaf/exception_group.hpp>
#include <sheaf/finish.hpp>
#include <sheaf/task_group.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::noted;
using test::virtual_loop;

// finish(): a clean-up that is not cancelled. as_outcome(uncancel, ...): going on after all.

namespace {

/// Works, and cleans up whatever happens.
coro<> work(event_log& log) {
  std::exception_ptr error;
  try {
    co_await sleep(1h);
  } catch (const cancelled& c) {
    log.push_back("cancelled " + c.reason());
    error = std::current_exception();
  }
  co_await finish(noted(log, "clean-up", 5ms));
  if (error) std::rethrow_exception(error);
}

}  // namespace

TEST_CASE("finish: gives the value or throws the error", "[api][finish]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const int got = co_await finish(test::give(3, 1ms));
    CHECK(got == 3);
    CHECK_THROWS_AS(co_await finish(test::fail("no", 1ms)), test::failure);
    auto made = []() -> coro<std::unique_ptr<int>> {
      co_return std::make_unique<int>(4);
    };
    const auto pointed = co_await finish(made());
    CHECK(*pointed == 4);
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("finish: a request that comes meanwhile is thrown when it has ended",
          "[api][finish]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen, virtual_loop& loop) -> coro<> {
    auto t = create_task(work(seen));
    co_await sleep(1ms);
    t.cancel("one");
    co_await sleep(1ms);
    CHECK(t.cancel("two"));
    CHECK(t.cancel("three"));
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());
    CHECK(end.cancellation().reason() == "three");  // it was not delivered before
    CHECK(loop.elapsed_ms() == 6);
    CHECK(t.cancelling() == 3);
  }(log, l));
  CHECK(log == event_log{"cancelled one", "clean-up begins", "clean-up ends"});
}

TEST_CASE("finish: a request that is taken back meanwhile is not thrown [CANCEL-17]",
          "[api][finish][CANCEL-17]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    event_log log;
    auto body = [&]() -> coro<int> {
      co_return co_await finish(noted(log, "it", 5ms, 8));
    };
    auto t = create_task(body());
    co_await sleep(1ms);
    t.cancel();
    t.uncancel();
    const int got = co_await t;
    CHECK(got == 8);
  }());
}

TEST_CASE("finish: a time limit around it waits for it, one inside bounds it",
          "[api][finish]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    event_log log;
    auto around = [&]() -> coro<> { co_await finish(noted(log, "it", 50ms)); };
    CHECK_THROWS_AS(co_await timeout::run(10ms, around), timeout_error);
    CHECK(loop.elapsed_ms() == 50);
    CHECK(current_task().cancelling() == 0);
    CHECK_THROWS_AS(co_await finish(wait_for(noted(log, "that", 1h), 10ms)),
                    timeout_error);
    CHECK(loop.elapsed_ms() == 60);
    CHECK(log == event_log{"it begins", "it ends", "that begins", "that is cancelled"});
  }(l));
}

TEST_CASE("finish: an error that a request passes over is reported", "[api][finish]") {
  test::report_log reports;
  virtual_loop l;
  reports.listen(l);
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<> { co_await finish(test::fail("lost?", 5ms)); };
    auto t = create_task(body());
    co_await sleep(1ms);
    t.cancel();
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());
  }());
  REQUIRE(reports.size() == 1);
  CHECK(describe(reports[0].exception) == "test::failure: lost?");
}

TEST_CASE("finish: run() on its way out waits for it", "[api][finish]") {
  event_log log;
  run(
      [](event_log& seen) -> coro<> {
        static_cast<void>(create_task(work(seen)));
        co_await sleep(1ms);
      }(log),
      run_options().virtual_time());
  CHECK(log ==
        event_log{"cancelled run() is ending", "clean-up begins", "clean-up ends"});
  log.clear();
  run(
      [](event_log& seen) -> coro<> {
        auto t = create_task(work(seen));
        co_await sleep(1ms);
        t.cancel("early");
        co_await sleep(1ms);  // it is in its clean-up
      }(log),
      run_options().virtual_time());
  CHECK(log == event_log{"cancelled early", "clean-up begins", "clean-up ends"});
}

TEST_CASE("finish: what is there already may be awaited with it, and cancelled by name",
          "[api][finish]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto body = [&]() -> coro<> { co_await finish(noted(seen, "it", 5ms)); };
    auto t = create_task(body());
    co_await sleep(1ms);
    for (const auto& each : all_tasks()) {
      if (each.id() != current_task().id() && each.id() != t.id()) each.cancel();
    }
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());  // what it awaited was cancelled
    CHECK(t.cancelling() == 0);
  }(log));
  CHECK(log == event_log{"it begins", "it is cancelled"});
}

TEST_CASE("finish: a gather of two is cancelled when both have finished",
          "[api][finish]") {
  const auto scenario = []() -> coro<> {
    event_log log;
    auto both = gather(finish(noted(log, "a", 5ms)), finish(noted(log, "b", 9ms)));
    co_await sleep(1ms);
    CHECK(both.cancel("stop"));
    CHECK_THROWS_AS(co_await both, cancelled);
    CHECK(log.size() == 4);
    CHECK(log.back() == "b ends");
  };
  test::for_seeds(scenario);
}

// ---- as_outcome(uncancel, ...) -------------------------------------------------------------

namespace {

coro<> skip_when_asked(event_log& log, int songs) {
  for (int i = 0; i < songs; ++i) {
    const auto end = co_await as_outcome(uncancel, noted(log, "song", 10ms));
    if (end.is_cancelled()) log.push_back("skipped: " + end.cancellation().reason());
    CHECK(current_task().cancelling() == 0);
  }
}

}  // namespace

TEST_CASE("uncancel: a request is swallowed and taken back in one", "[api][finish]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto t = create_task(skip_when_asked(seen, 2));
    co_await sleep(1ms);
    t.cancel("next");
    t.cancel("again");
    const auto end = co_await as_outcome(t);
    CHECK(end.has_value());
    CHECK(t.cancelling() == 0);
  }(log));
  CHECK(log == event_log{"song begins", "song is cancelled", "skipped: next",
                         "song begins", "song ends"});
}

TEST_CASE("uncancel: values, errors and tasks come as from as_outcome", "[api][finish]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto value = co_await as_outcome(uncancel, test::give(1, 1ms));
    CHECK(value.value() == 1);
    const auto error = co_await as_outcome(uncancel, test::fail("no"));
    CHECK_FALSE(error.has_value());
    auto t = create_task(test::give(2, 1ms));
    const auto of_task = co_await as_outcome(uncancel, t);
    CHECK(of_task.value() == 2);
    const auto done = co_await as_outcome(uncancel, std::move(t));
    CHECK(done.value() == 2);
  }());
}

TEST_CASE("uncancel: what was cancelled by itself takes nothing back", "[api][finish]") {
  virtual_loop l;
  auto t = l.create_task([]() -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {  // swallowed, and not taken back
    }
    promise<int> p;
    p.get_future().cancel("by itself");
    const auto end = co_await as_outcome(uncancel, p.get_future());
    CHECK(end.is_cancelled());
    auto throws = []() -> coro<> {
      throw cancelled("mine");
      co_return;
    };
    const auto thrown = co_await as_outcome(uncancel, throws());
    CHECK(thrown.is_cancelled());
    CHECK(current_task().cancelling() == 1);
  }());
  l.turn();
  t.cancel();
  l.run_until_complete(t);
}

TEST_CASE(
    "uncancel: the request of a scope around it is passed on, alone and with another",
    "[api][finish]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto swallows = []() -> coro<> {
      const auto end = co_await as_outcome(uncancel, test::give(1, 1h));
      FAIL("it was swallowed");
    };
    CHECK_THROWS_AS(co_await timeout::run(10ms, swallows), timeout_error);
    CHECK(current_task().cancelling() == 0);
    auto both = [&](timeout& t) -> coro<> {
      const auto id = current_task();
      auto ask = loop::current().call_later(10ms, [id] { id.cancel("skip"); });
      t.reschedule(loop::current().time() + 10ms);
      co_await swallows();
    };
    auto t = create_task(timeout::run(1h, both));
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());
    CHECK(t.cancelling() == 1);
    auto failed = gather(swallows(), test::fail("sibling", 1ms));
    CHECK_THROWS_AS(co_await failed, test::failure);
  }());
}

TEST_CASE("uncancel: the end of the program is not swallowed", "[api][finish]") {
  event_log log;
  run(
      [](event_log& seen) -> coro<> {
        static_cast<void>(create_task(skip_when_asked(seen, 5)));
        co_await sleep(1ms);
      }(log),
      run_options().virtual_time());
  CHECK(log == event_log{"song begins", "song is cancelled"});
}

TEST_CASE("uncancel: a scope that has expired and was swallowed before does not count",
          "[api][finish]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<int> {
      co_await test::stubborn(1, 1h);  // swallows the scope's
      auto me = current_task();
      auto ask = loop::current().call_later(1ms, [me] { me.cancel("skip"); });
      const auto end = co_await as_outcome(uncancel, test::give(1, 1h));
      CHECK(end.is_cancelled());
      CHECK(me.cancelling() == 1);
      co_return 5;
    };
    const int got = co_await timeout::run(10ms, body);
    CHECK(got == 5);
    CHECK(current_task().cancelling() == 0);
  }());
}

namespace {

coro<> sleep_an_hour() { co_await sleep(1h); }

}  // namespace

// Two requests come before it runs: the user's, which it may take back, and the library's.
TEST_CASE("as_outcome(uncancel): does not take back that a sibling failed",
          "[api][as_outcome]") {
  virtual_loop l;
  bool went_on = false;
  const auto skips = [](bool& on) -> coro<> {
    const auto how = co_await as_outcome(uncancel, sleep_an_hour());
    static_cast<void>(how);
    co_await sleep(300ms);
    on = true;
  };
  const auto asks = [](any_task t) -> coro<> {
    co_await sleep(0s);
    co_await sleep(0s);
    t.cancel("skip");
  };
  const auto fails = []() -> coro<> {
    co_await sleep(0s);
    throw test::failure("b failed");
  };
  const auto body = [&](task_group& g) -> coro<> {
    auto t = g.create_task(skips(went_on));
    g.create_task(asks(t));
    g.create_task(fails());
    co_return;
  };
  CHECK_THROWS_AS(l.run_until_complete(task_group::run(body)), exception_group);
  CHECK_FALSE(went_on);
}

TEST_CASE("as_outcome(uncancel): does not take back that run() is ending",
          "[api][as_outcome]") {
  const auto skips = []() -> coro<> {
    for (;;) {
      const auto how = co_await as_outcome(uncancel, sleep_an_hour());
      static_cast<void>(how);
    }
  };
  const auto asks = [](any_task t) -> coro<> {
    t.cancel("skip");
    co_return;
  };
  const auto ends = [&]() -> coro<> {
    const auto t = create_task(skips());
    co_await sleep(1ms);
    static_cast<void>(create_task(asks(t)));
    co_await sleep(0s);
  };
  run(ends(), run_options().virtual_time());  // returns
}
