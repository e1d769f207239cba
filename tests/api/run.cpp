#include <sheaf/run.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <atomic>
#include <thread>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::thrown_by;

namespace {

run_options virtual_run() { return run_options().virtual_time(); }

/// Options of a run whose loop reports into `reports`.
run_options reporting_to(test::report_log& reports) {
  return run_options().loop_factory([&reports] {
    auto l = std::make_unique<loop>(loop_options().virtual_time());
    reports.listen(*l);
    return l;
  });
}

template <class A>
concept runnable = requires(A&& a) { run(std::forward<A>(a)); };

}  // namespace

TEST_CASE("run: gives the value of the coroutine [RUN-1]", "[api][run][RUN-1]") {
  CHECK(run(give(7)) == 7);
}

TEST_CASE("run: gives a value that can only be moved [RUN-1]", "[api][run][RUN-1]") {
  const auto make = []() -> coro<std::unique_ptr<int>> {
    co_return std::make_unique<int>(7);
  };
  CHECK(*run(make()) == 7);
}

TEST_CASE("run: throws what the coroutine threw [RUN-1]", "[api][run][RUN-1]") {
  CHECK(thrown_by([] { run(fail("x")); }) == "x");
}

TEST_CASE("run: its loop is the current one in it, and none after it [RUN-1]",
          "[api][run][RUN-1]") {
  CHECK_FALSE(loop::has_current());
  run([]() -> coro<> {
    CHECK(loop::has_current());
    CHECK(loop::current().is_running());
    co_return;
  }());
  CHECK_FALSE(loop::has_current());
}

TEST_CASE("run: closes its loop, whether it ends well or not [RUN-1]",
          "[api][run][RUN-1]") {
  const auto closed = [](const future<int>& f) {
    return thrown_by([&] { f.add_done_callback([](const auto&) {}); });
  };
  future<int> kept;
  run([](future<int>& f) -> coro<> {
    f = promise<int>().get_future();
    co_return;
  }(kept));
  CHECK(closed(kept) == "add_done_callback: the loop is closed");
  kept = {};
  thrown_by([&] {
    run([](future<int>& f) -> coro<> {
      f = promise<int>().get_future();
      throw test::failure("x");
      co_return;
    }(kept));
  });
  CHECK(closed(kept) == "add_done_callback: the loop is closed");
}

TEST_CASE("run: takes a coroutine and nothing else [RUN-2]", "[api][run][RUN-2]") {
  STATIC_REQUIRE(runnable<coro<int>>);
  STATIC_REQUIRE(runnable<coro<>>);
  STATIC_REQUIRE_FALSE(runnable<coro<int>&>);
  STATIC_REQUIRE_FALSE(runnable<task<int>>);
  STATIC_REQUIRE_FALSE(runnable<future<int>>);
  STATIC_REQUIRE_FALSE(runnable<int>);
}

TEST_CASE("run: inside a running loop is an error, and the loop goes on [RUN-3]",
          "[api][run][RUN-3]") {
  run([]() -> coro<> {
    CHECK(thrown_by([] { run(give(1)); }) ==
          "run: a loop is running on this thread already; co_await instead");
    co_await sleep(0ms);
    CHECK(loop::current().is_running());
  }());
}

TEST_CASE("run: at the end what is pending is cancelled together and awaited [RUN-4]",
          "[api][run][RUN-4]") {
  event_log log;
  run(
      [](event_log& seen) -> coro<> {
        create_task(noted(seen, "a", 1h)).set_name("a");
        create_task(test::reluctant(seen, "b", 1h, 5ms)).set_name("b");
        create_task(noted(seen, "c", 1h)).set_name("c");
        co_await sleep(1ms);
        seen.push_back("main ends");
      }(log),
      virtual_run());
  CHECK(log == event_log{"a begins", "c begins", "main ends", "a is cancelled",
                         "c is cancelled", "b has cleaned up"});
}

TEST_CASE("run: what is pending is cancelled if main fails, too [RUN-4]",
          "[api][run][RUN-4]") {
  event_log log;
  const auto main = [](event_log& seen) -> coro<> {
    static_cast<void>(create_task(noted(seen, "a", 1h)));
    co_await sleep(1ms);
    throw test::failure("x");
  };
  CHECK(thrown_by([&] { run(main(log), virtual_run()); }) == "x");
  CHECK(log == event_log{"a begins", "a is cancelled"});
}

TEST_CASE("run: a task that main made last begins, and gets to its first await [RUN-4]",
          "[api][run][RUN-4]") {
  event_log log;
  run(
      [](event_log& seen) -> coro<> {
        static_cast<void>(create_task(noted(seen, "a", 1ms)));
        co_return;
      }(log),
      virtual_run());
  CHECK(log == event_log{"a begins", "a is cancelled"});
}

TEST_CASE(
    "run: a task that cleanup starts is cancelled and reported, not waited for [RUN-4]",
    "[api][run][RUN-4]") {
  test::report_log reports;
  event_log log;
  const auto cleaner = [](event_log& seen) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      static_cast<void>(create_task(noted(seen, "late", 2ms)));
      throw;
    }
  };
  const auto main = [](coro<> c) -> coro<> {
    static_cast<void>(create_task(std::move(c)));
    co_await sleep(1ms);
  };
  run(main(cleaner(log)), reporting_to(reports));
  CHECK(log == event_log{"late begins", "late is cancelled"});
  CHECK(reports.size() == 1);
}

TEST_CASE("run: an error in the shutdown is reported, the outcome stays [RUN-5]",
          "[api][run][RUN-5]") {
  test::report_log reports;
  const auto breaks = []() -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
    }
    throw test::failure("broke in cleanup");
  };
  const auto main = [](coro<> c) -> coro<int> {
    create_task(std::move(c)).set_name("breaks");
    co_await sleep(1ms);
    co_return 7;
  };
  CHECK(run(main(breaks()), reporting_to(reports)) == 7);
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "breaks");
  CHECK(test::said(reports[0].exception) == "broke in cleanup");
}

TEST_CASE(
    "run: a system_exit in the shutdown is thrown when the other tasks have ended "
    "[RUN-5]",
    "[api][run][RUN-5]") {
  for (const bool main_exits : {false, true}) {
    test::report_log reports;
    event_log log;
    const auto exits = []() -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        throw system_exit(6);
      }
    };
    const auto main = [&]() -> coro<> {
      const auto one = create_task(exits());
      const auto other = create_task(test::reluctant(log, "other", 1h, 5ms));
      co_await sleep(0ms);
      if (main_exits) throw system_exit(5);
    };
    int code = 0;
    try {
      run(main(), reporting_to(reports));
    } catch (const system_exit& e) {
      code = e.code();
    }
    CHECK(code == (main_exits ? 5 : 6));
    CHECK(log == event_log{"other has cleaned up"});
    CHECK(reports.size() == 0);
  }
}

TEST_CASE("run: a task that ends cancelled in the shutdown is not reported [RUN-5]",
          "[api][run][RUN-5]") {
  test::report_log reports;
  run(
      []() -> coro<> {
        static_cast<void>(create_task(give(1, 1h)));
        co_await sleep(1ms);
      }(),
      reporting_to(reports));
  CHECK(reports.messages().empty());
}

TEST_CASE("run: waits for the threads of to_thread [RUN-6]", "[api][run][RUN-6]") {
  std::atomic<bool> may_end = false;
  std::atomic<bool> ended = false;
  run([](std::atomic<bool>& go, std::atomic<bool>& done) -> coro<> {
    std::atomic<bool> begun = false;
    const auto job = to_thread([&go, &done, &begun] {
      begun = true;
      while (!go) std::this_thread::yield();
      done = true;
    });
    while (!begun) std::this_thread::yield();
    job.cancel();
    loop::current().call_soon([&go] { go = true; });
    co_await sleep(0ms);
  }(may_end, ended));
  CHECK(ended);
}

TEST_CASE("run: tasks are ended before the threads are waited for [RUN-6]",
          "[api][run][RUN-6]") {
  std::atomic<bool> may_end = false;
  const auto cleaner = [](std::atomic<bool>& go) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      go = true;  // without it the job below would never end
      throw;
    }
  };
  run([](coro<> c, std::atomic<bool>& go) -> coro<> {
    static_cast<void>(create_task(std::move(c)));
    co_await sleep(1ms);
    const auto job = to_thread([&go] {
      while (!go) std::this_thread::yield();
    });
  }(cleaner(may_end), may_end));
  CHECK(may_end);
}

TEST_CASE("run: a loop factory makes its loop [RUN-7]", "[api][run][RUN-7]") {
  loop* made = nullptr;
  const auto options = run_options().loop_factory([&made] {
    auto l = std::make_unique<loop>(loop_options().manual_time());
    made = l.get();
    return l;
  });
  const auto main = []() -> coro<loop*> { co_return &loop::current(); };
  loop* const used = run(main(), options);
  CHECK(used == made);
}

TEST_CASE("run: a loop factory that gives none is an error [RUN-7]",
          "[api][run][RUN-7]") {
  const auto none = run_options().loop_factory([] { return std::unique_ptr<loop>(); });
  CHECK(thrown_by([&] { run(give(1), none); }) == "run: the loop factory gave no loop");
}

TEST_CASE("run: virtual_time makes an hour pass by itself", "[api][run]") {
  const auto main = []() -> coro<std::chrono::nanoseconds> {
    const auto began = loop::current().time();
    co_await sleep(1h);
    co_return loop::current().time() - began;
  };
  CHECK(run(main(), virtual_run()) == 1h);
}

TEST_CASE("run: a main that ends cancelled makes it throw that [RUN-11]",
          "[api][run][RUN-11]") {
  const auto main = []() -> coro<int> {
    current_task().cancel("enough");
    co_await sleep(1ms);
    co_return 1;
  };
  CHECK(thrown_by([&] { run(main(), virtual_run()); }) == "cancelled: enough");
}

TEST_CASE("run: a main that throws cancelled itself makes it throw that [RUN-11]",
          "[api][run][RUN-11]") {
  const auto main = []() -> coro<> {
    throw cancelled("by choice");
    co_return;
  };
  CHECK(thrown_by([&] { run(main(), virtual_run()); }) == "cancelled: by choice");
}

TEST_CASE("run: a task that throws keyboard_interrupt while run() is ending",
          "[api][run]") {
  const auto child = []() -> coro<> {
    bool asked = false;
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      asked = true;
    }
    if (asked) throw keyboard_interrupt();
  };
  const auto leaves = [&]() -> coro<> {
    static_cast<void>(create_task(child()));
    static_cast<void>(create_task(child()));
    co_await sleep(1ms);
  };
  CHECK_THROWS_AS(run(leaves(), run_options().virtual_time()), keyboard_interrupt);
}
