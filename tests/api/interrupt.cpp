#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/children.hpp"
#include "support/disposition.hpp"
#include "support/event_log.hpp"

#include <sheaf/context_var.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <unistd.h>

#include <csignal>
#include <thread>
#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::disposition;
using test::event_log;
using test::noted;
using test::thrown_by;

namespace {

run_options virtual_run() { return run_options().virtual_time(); }

/// What `f()` ends with: its value, "interrupt", or what it throws in said()'s words.
template <class F>
std::string end_of(F f) {
  try {
    return std::to_string(f());
  } catch (const keyboard_interrupt&) {
    return "interrupt";
  } catch (...) {
    return test::said(std::current_exception());
  }
}

coro<int> raises(event_log& log, int times = 1) {
  for (int i = 0; i < times; ++i) ::raise(SIGINT);
  log.push_back("raised");
  try {
    co_await sleep(1h);
  } catch (const cancelled& c) {
    log.push_back("cleans up: " + c.reason());
    throw;
  }
  co_return 1;
}

coro<int> survives() {
  ::raise(SIGINT);
  try {
    co_await sleep(1h);
  } catch (const cancelled&) {
  }
  co_await sleep(1ms);
  co_return 7;
}

}  // namespace

TEST_CASE(
    "interrupt: the first SIGINT cancels main, which may clean up; run throws the "
    "interrupt [RUN-12]",
    "[api][interrupt][RUN-12]") {
  const disposition usual(SIGINT, SIG_DFL);
  event_log log;
  CHECK(end_of([&] { return run(raises(log), virtual_run()); }) == "interrupt");
  CHECK(log == event_log{"raised", "cleans up: SIGINT"});
}

TEST_CASE("interrupt: a loop that sleeps in its poll is woken [RUN-12]",
          "[api][interrupt][RUN-12]") {
  const disposition usual(SIGINT, SIG_DFL);
  const auto sends = []() -> coro<int> {
    const pthread_t self = ::pthread_self();
    const auto sent = to_thread([self] { ::pthread_kill(self, SIGINT); });
    co_await sleep(1h);  // of real time
    co_return 1;
  };
  CHECK(end_of([&] { return run(sends()); }) == "interrupt");
}

TEST_CASE(
    "interrupt: what main awaits ends with it, and what is left after it [RUN-12] "
    "[RUN-4]",
    "[api][interrupt][RUN-12][RUN-4]") {
  const disposition usual(SIGINT, SIG_DFL);
  event_log log;
  const auto main = [](event_log& seen) -> coro<int> {
    const auto aside = create_task(noted(seen, "aside", 1h));
    const auto inner = create_task(noted(seen, "inner", 1h));
    co_await sleep(1ms);
    ::raise(SIGINT);
    co_return co_await inner;
  };
  CHECK(end_of([&] { return run(main(log), virtual_run()); }) == "interrupt");
  CHECK(log == event_log{"aside begins", "inner begins", "inner is cancelled",
                         "aside is cancelled"});
}

TEST_CASE(
    "interrupt: the interrupt is no std::exception, as asyncio's is no Exception "
    "[RUN-12]",
    "[api][interrupt][RUN-12]") {
  STATIC_REQUIRE_FALSE(std::is_base_of_v<std::exception, keyboard_interrupt>);
}

TEST_CASE("interrupt: a main that goes on gives its value [RUN-13]",
          "[api][interrupt][RUN-13]") {
  const disposition usual(SIGINT, SIG_DFL);
  CHECK(end_of([] { return run(survives(), virtual_run()); }) == "7");
}

TEST_CASE(
    "interrupt: a main that was cancelled for another reason as well throws that "
    "[RUN-13]",
    "[api][interrupt][RUN-13]") {
  const disposition usual(SIGINT, SIG_DFL);
  const auto main = []() -> coro<int> {
    current_task().cancel("also this");
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      ::raise(SIGINT);
    }
    co_await sleep(1h);  // the second request ends it
    co_return 1;
  };
  CHECK(end_of([&] { return run(main(), virtual_run()); }) == "cancelled: SIGINT");
}

TEST_CASE("interrupt: a main that fails in its cleanup throws its error [RUN-13]",
          "[api][interrupt][RUN-13]") {
  const disposition usual(SIGINT, SIG_DFL);
  const auto main = []() -> coro<int> {
    ::raise(SIGINT);
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      throw test::failure("in cleanup");
    }
    co_return 1;
  };
  CHECK(end_of([&] { return run(main(), virtual_run()); }) == "in cleanup");
}

TEST_CASE("interrupt: a second SIGINT leaves run at once; the rest is shut down [RUN-14]",
          "[api][interrupt][RUN-14]") {
  const disposition usual(SIGINT, SIG_DFL);
  event_log log;
  const auto main = [](event_log& seen) -> coro<int> {
    ::raise(SIGINT);
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      seen.push_back("first");
    }
    ::raise(SIGINT);
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      seen.push_back(c.reason());
      throw;
    }
    co_return 1;
  };
  CHECK(end_of([&] { return run(main(log), virtual_run()); }) == "interrupt");
  CHECK(log == event_log{"first", "run() is ending"});
}

TEST_CASE("interrupt: two SIGINTs at once leave run, which then cancels main [RUN-14]",
          "[api][interrupt][RUN-14]") {
  const disposition usual(SIGINT, SIG_DFL);
  event_log log;
  CHECK(end_of([&] { return run(raises(log, 2), virtual_run()); }) == "interrupt");
  REQUIRE(log.size() == 2);
  CHECK(log[0] == "raised");
}

TEST_CASE("interrupt: what was installed before is restored [RUN-14]",
          "[api][interrupt][RUN-14]") {
  const disposition usual(SIGINT, SIG_DFL);
  const auto during = []() -> coro<bool> {
    co_return disposition::of(SIGINT) != SIG_DFL;
  };
  CHECK(run(during()));
  CHECK(disposition::of(SIGINT) == SIG_DFL);
  event_log log;
  CHECK(end_of([&] { return run(raises(log), virtual_run()); }) == "interrupt");
  CHECK(disposition::of(SIGINT) == SIG_DFL);
}

TEST_CASE(
    "interrupt: a handler of the program's own, or ignoring it, is left alone "
    "[RUN-14]",
    "[api][interrupt][RUN-14]") {
  const auto during = []() -> coro<bool> {
    const auto before = disposition::of(SIGINT);
    co_await sleep(0ms);
    co_return disposition::of(SIGINT) == before;
  };
  void (*const own)(int) = [](int) {};
  for (const auto handler : {own, SIG_IGN}) {
    const disposition before(SIGINT, handler);
    CHECK(run(during()));
    CHECK(disposition::of(SIGINT) == handler);
  }
}

TEST_CASE(
    "interrupt: nothing is installed on another thread, or where it is not wanted "
    "[RUN-14]",
    "[api][interrupt][RUN-14]") {
  const disposition usual(SIGINT, SIG_DFL);
  const auto during = []() -> coro<bool> {
    co_return disposition::of(SIGINT) == SIG_DFL;
  };
  CHECK(run(during(), run_options().handle_sigint(false)));
  bool elsewhere = false;
  std::thread([&] { elsewhere = run(during()); }).join();
  CHECK(elsewhere);
}

TEST_CASE("interrupt: a SIGINT handler of the loop goes before [RUN-14] [SIGNAL-3]",
          "[api][interrupt][RUN-14][SIGNAL-3]") {
  const disposition usual(SIGINT, SIG_DFL);
  const auto main = []() -> coro<int> {
    int called = 0;
    loop::current().add_signal_handler(SIGINT, [&called] { ++called; });
    for (int i = 0; i < 2; ++i) {
      ::raise(SIGINT);
      co_await sleep(1ms);
    }
    co_return called;
  };
  CHECK(end_of([&] { return run(main(), virtual_run()); }) == "2");
}

TEST_CASE("interrupt: a runner can run again after it [RUN-12] [RUN-14]",
          "[api][interrupt][RUN-12][RUN-14]") {
  const disposition usual(SIGINT, SIG_DFL);
  event_log log;
  runner r(virtual_run());
  CHECK(end_of([&] { return r.run(raises(log)); }) == "interrupt");
  CHECK(end_of([&] { return r.run(raises(log, 2)); }) == "interrupt");
  CHECK(end_of([&] { return r.run(test::give(7, 1ms)); }) == "7");
  CHECK(disposition::of(SIGINT) == SIG_DFL);
}

TEST_CASE(
    "interrupt: one that a task or a callback throws leaves run at once, and is not "
    "reported [LOOP-20]",
    "[api][interrupt][LOOP-20]") {
  test::virtual_loop l;
  const auto throws = []() -> coro<int> {
    co_await sleep(1ms);
    throw keyboard_interrupt();
  };
  CHECK(end_of([&] { return l.run_until_complete(throws()); }) == "interrupt");
  l.call_soon([] { throw keyboard_interrupt(); });
  CHECK(end_of([&] { return l.run_until_complete(test::give(1, 1ms)); }) == "interrupt");
  CHECK(l.run_until_complete(test::give(7)) == 7);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "run: what is left is ended before an error comes out that nobody catches "
    "[RUN-4]",
    "[api][interrupt][RUN-4]") {
  constexpr int cleaned_up = 42;
  const auto end = test::end_of_child([] {
    static bool clean = false;
    std::set_terminate([] { ::_exit(clean ? cleaned_up : 1); });
    const auto cleans = []() -> coro<> {
      struct local {
        ~local() { clean = true; }
      };
      const local kept;
      co_await sleep(1h);
    };
    const auto main = [](coro<> c) -> coro<> {
      static_cast<void>(create_task(std::move(c)));
      co_await sleep(1ms);
      throw test::failure("x");
    };
    [&]() noexcept { run(main(cleans()), virtual_run()); }();
  });
  CHECK(end.code == cleaned_up);
}

// ---- SIGPIPE ---------------------------------------------------------------------------

TEST_CASE(
    "run: ignores SIGPIPE until its loop is closed, if the program left the default",
    "[api][interrupt]") {
  const disposition usual(SIGPIPE, SIG_DFL);
  const auto ignored = []() -> coro<bool> {
    co_return disposition::of(SIGPIPE) == SIG_IGN;
  };
  CHECK(run(ignored()));
  CHECK(disposition::of(SIGPIPE) == SIG_DFL);
  {
    runner r;
    CHECK(r.run(ignored()));
    CHECK(disposition::of(SIGPIPE) == SIG_IGN);
    r.close();
    CHECK(disposition::of(SIGPIPE) == SIG_DFL);
  }
  CHECK_THROWS_AS(run(test::fail("x")), test::failure);
  CHECK(disposition::of(SIGPIPE) == SIG_DFL);
}

TEST_CASE("run: leaves SIGPIPE alone if the program has set it, and a loop always does",
          "[api][interrupt]") {
  const auto now = []() -> coro<bool> { co_return disposition::of(SIGPIPE) == SIG_IGN; };
  {
    const disposition own(SIGPIPE, [](int) {});
    CHECK_FALSE(run(now()));
  }
  const disposition usual(SIGPIPE, SIG_DFL);
  loop l;
  CHECK_FALSE(l.run_until_complete(now()));
}

// ---- signal handlers of the loop ----------------------------------------------------------

namespace {

template <class F>
concept signal_handler = requires(loop& l, F f) { l.add_signal_handler(SIGUSR1, f); };
template <class F>
concept reader = requires(loop& l, F f) { l.add_reader(0, f); };
template <class F>
concept writer = requires(loop& l, F f) { l.add_writer(0, f); };

context_var<int> level{1};

}  // namespace

TEST_CASE(
    "loop: a coroutine is no signal handler, reader or writer; the compiler says so "
    "[SIGNAL-5] [DEBUG-3]",
    "[api][interrupt][SIGNAL-5][DEBUG-3]") {
  STATIC_REQUIRE(signal_handler<void (*)()>);
  STATIC_REQUIRE(reader<void (*)()>);
  STATIC_REQUIRE(writer<void (*)()>);
  STATIC_REQUIRE_FALSE(signal_handler<coro<> (*)()>);
  STATIC_REQUIRE_FALSE(reader<coro<> (*)()>);
  STATIC_REQUIRE_FALSE(writer<coro<> (*)()>);
}

TEST_CASE("loop: a signal handler runs in the context where it was added [SIGNAL-1]",
          "[api][interrupt][SIGNAL-1]") {
  const auto main = []() -> coro<int> {
    int seen = 0;
    level.set(5);
    loop::current().add_signal_handler(SIGUSR1, [&seen] { seen = level.get(); });
    level.set(6);
    ::raise(SIGUSR1);
    co_await sleep(1ms);
    co_return seen;
  };
  CHECK(run(main(), virtual_run()) == 5);
}
