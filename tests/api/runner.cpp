#include <sheaf/run.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

#include <sheaf/context_var.hpp>
#include <sheaf/sleep.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::noted;
using test::thrown_by;

namespace {

run_options virtual_run() { return run_options().virtual_time(); }

template <class A>
concept runnable = requires(runner& r, A&& a) { r.run(std::forward<A>(a)); };

coro<> rest(std::chrono::milliseconds d) { co_await sleep(d); }

}  // namespace

TEST_CASE("runner: gives values, throws errors, and can be used again [RUN-1]",
          "[api][runner][RUN-1]") {
  runner r(virtual_run());
  CHECK(r.run(give(1)) == 1);
  CHECK(thrown_by([&] { r.run(test::fail("x")); }) == "x");
  CHECK(r.run(give(2, 5ms)) == 2);
}

TEST_CASE("runner: run takes a coroutine and nothing else [RUN-2]",
          "[api][runner][RUN-2]") {
  STATIC_REQUIRE(runnable<coro<int>>);
  STATIC_REQUIRE_FALSE(runnable<future<int>>);
  STATIC_REQUIRE_FALSE(runnable<task<int>>);
}

TEST_CASE("runner: run inside a running loop is an error [RUN-3]",
          "[api][runner][RUN-3]") {
  runner r(virtual_run());
  r.run([](runner& same) -> coro<> {
    CHECK_THROWS_AS(same.run(give(1)), invalid_state);
    runner another;
    CHECK_THROWS_AS(another.run(give(1)), invalid_state);
    co_return;
  }(r));
  CHECK(r.run(give(2)) == 2);
}

TEST_CASE("runner: its loop is made when it is first needed [RUN-8]",
          "[api][runner][RUN-8]") {
  int made = 0;
  runner r(run_options().loop_factory([&made] {
    ++made;
    return std::make_unique<loop>();
  }));
  CHECK(made == 0);
  r.run(give(1));
  r.run(give(2));
  static_cast<void>(r.get_loop());
  CHECK(made == 1);
}

TEST_CASE("runner: all runs are on one loop, which get_loop gives [RUN-8]",
          "[api][runner][RUN-8]") {
  const auto mine = []() -> coro<loop*> { co_return &loop::current(); };
  runner r(virtual_run());
  loop* const first = r.run(mine());
  loop* const second = r.run(mine());
  CHECK(first == second);
  CHECK(&r.get_loop() == first);
  CHECK_FALSE(r.get_loop().is_closed());
}

TEST_CASE("runner: tasks left by one run go on in the next [RUN-8]",
          "[api][runner][RUN-8]") {
  event_log log;
  runner r(virtual_run());
  r.run([](event_log& seen) -> coro<> {
    static_cast<void>(create_task(noted(seen, "a", 10ms)));
    co_await sleep(1ms);
  }(log));
  log.push_back("between the runs");
  r.run(rest(20ms));
  CHECK(log == event_log{"a begins", "between the runs", "a ends"});
}

TEST_CASE("runner: close ends what is left, and the loop [RUN-9]",
          "[api][runner][RUN-9]") {
  event_log log;
  runner r(virtual_run());
  future<int> kept;
  r.run([](event_log& seen, future<int>& f) -> coro<> {
    f = create_task(noted(seen, "a", 1h));
    co_await sleep(1ms);
  }(log, kept));
  r.close();
  CHECK(log == event_log{"a begins", "a is cancelled"});
  CHECK(kept.cancelled());
  CHECK_THROWS_AS(kept.add_done_callback([](const auto&) {}), invalid_state);
}

TEST_CASE("runner: its destructor closes [RUN-9]", "[api][runner][RUN-9]") {
  event_log log;
  {
    runner r(virtual_run());
    r.run([](event_log& seen) -> coro<> {
      static_cast<void>(create_task(noted(seen, "a", 1h)));
      co_await sleep(1ms);
    }(log));
  }
  CHECK(log == event_log{"a begins", "a is cancelled"});
}

TEST_CASE("runner: close is idempotent, and needs no run before [RUN-9]",
          "[api][runner][RUN-9]") {
  int made = 0;
  runner r(run_options().loop_factory([&made] {
    ++made;
    return std::make_unique<loop>();
  }));
  r.close();
  r.close();
  CHECK(made == 0);
}

TEST_CASE("runner: after close, run and get_loop are errors [RUN-9]",
          "[api][runner][RUN-9]") {
  runner r(virtual_run());
  r.run(give(1));
  r.close();
  CHECK(thrown_by([&] { r.run(give(2)); }) == "run: the runner is closed");
  CHECK(thrown_by([&] { r.get_loop(); }) == "get_loop: the runner is closed");
}

namespace {

context_var<int> level{1};

coro<int> raise_level(int by) {
  level.set(level.get() + by);
  co_return level.get();
}

coro<int> level_now() { co_return level.get(); }

}  // namespace

TEST_CASE("runner: all its runs share one context [RUN-10]", "[api][runner][RUN-10]") {
  runner r(virtual_run());
  CHECK(r.run(level_now()) == 1);
  CHECK(r.run(raise_level(4)) == 5);
  CHECK(r.run(level_now()) == 5);
}

TEST_CASE("runner: what a run changes in its context no other runner sees [RUN-10]",
          "[api][runner][RUN-10]") {
  runner one(virtual_run());
  CHECK(one.run(raise_level(4)) == 5);
  runner other(virtual_run());
  CHECK(other.run(level_now()) == 1);
}

TEST_CASE("runner: a cancelled main makes run throw that, and it can run again [RUN-11]",
          "[api][runner][RUN-11]") {
  const auto main = []() -> coro<> {
    current_task().cancel("enough");
    co_await sleep(1ms);
  };
  runner r(virtual_run());
  CHECK(thrown_by([&] { r.run(main()); }) == "cancelled: enough");
  CHECK(r.run(give(1)) == 1);
}

TEST_CASE("runner: an error in the shutdown is reported, not thrown [RUN-5]",
          "[api][runner][RUN-5]") {
  test::report_log reports;
  runner r(run_options().loop_factory([&reports] {
    auto l = std::make_unique<loop>(loop_options().virtual_time());
    reports.listen(*l);
    return l;
  }));
  r.run([]() -> coro<> {
    static_cast<void>(create_task([]() -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      throw test::failure("broke in cleanup");
    }()));
    co_await sleep(1ms);
  }());
  CHECK_NOTHROW(r.close());
  CHECK(reports.size() == 1);
}
