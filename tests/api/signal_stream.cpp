#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/disposition.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/run.hpp>
#include <sheaf/runtime/signal.hpp>
#include <sheaf/signal_stream.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <pthread.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::disposition;

namespace {

/// Until the loop has looked at what was raised.
coro<> seen() { co_await sleep(1ms); }

coro<> take(signal_stream& from, std::vector<int>& into) {
  for (;;) {
    const int n = co_await from.next();
    into.push_back(n);
  }
}

}  // namespace

TEST_CASE("signal_stream: gives the signals in their order [SIGNAL-1]",
          "[api][signal_stream][SIGNAL-1]") {
  run([]() -> coro<> {
    signal_stream s({SIGUSR1, SIGUSR2});
    ::raise(SIGUSR2);
    ::raise(SIGUSR1);
    const int first = co_await s.next();
    const int second = co_await s.next();
    CHECK(first == SIGUSR2);
    CHECK(second == SIGUSR1);
  }());
}

TEST_CASE("signal_stream: wakes a loop that sleeps in its poll [SIGNAL-1]",
          "[api][signal_stream][SIGNAL-1]") {
  run([]() -> coro<> {
    signal_stream s(SIGUSR1);
    const pthread_t self = ::pthread_self();
    const auto sent = to_thread([self] { ::pthread_kill(self, SIGUSR1); });
    const int got = co_await s.next();
    CHECK(got == SIGUSR1);
  }());
}

TEST_CASE("signal_stream: one that comes again before it was taken counts once",
          "[api][signal_stream]") {
  run([]() -> coro<> {
    signal_stream s({SIGUSR1, SIGUSR2});
    for (const int n : {SIGUSR1, SIGUSR1, SIGUSR2, SIGUSR1}) {
      ::raise(n);
      co_await seen();
    }
    std::vector<int> got;
    const auto taker = create_task(take(s, got));
    co_await seen();
    CHECK(got == std::vector<int>{SIGUSR1, SIGUSR2});
    ::raise(SIGUSR1);
    co_await seen();
    CHECK(got == std::vector<int>{SIGUSR1, SIGUSR2, SIGUSR1});
    taker.cancel();
    co_await as_outcome(taker);
  }());
}

TEST_CASE("signal_stream: all streams and handlers of a signal get it [SIGNAL-3]",
          "[api][signal_stream][SIGNAL-3]") {
  run([]() -> coro<> {
    int called = 0;
    loop::current().add_signal_handler(SIGUSR1, [&called] { ++called; });
    signal_stream a({SIGUSR1});
    signal_stream b({SIGUSR1});
    ::raise(SIGUSR1);
    const int one = co_await a.next();
    const int other = co_await b.next();
    CHECK(one == SIGUSR1);
    CHECK(other == SIGUSR1);
    co_await seen();
    CHECK(called == 1);
  }());
}

TEST_CASE("signal_stream: of several that wait, the first one gets it",
          "[api][signal_stream]") {
  run([]() -> coro<> {
    signal_stream s({SIGUSR1});
    const auto a = create_task(s.next());
    const auto b = create_task(s.next());
    co_await sleep(0ms);
    ::raise(SIGUSR1);
    co_await seen();
    CHECK(a.done());
    CHECK_FALSE(b.done());
    ::raise(SIGUSR1);
    co_await b;
    CHECK(co_await a == SIGUSR1);
  }());
}

TEST_CASE("signal_stream: who asks again stands behind those who wait",
          "[api][signal_stream]") {
  run([]() -> coro<> {
    signal_stream s({SIGUSR1});
    std::string who;
    const auto takes = [](signal_stream& from, std::string& log, char name) -> coro<> {
      for (;;) {
        co_await from.next();
        log += name;
      }
    };
    const auto a = create_task(takes(s, who, 'a'));
    const auto b = create_task(takes(s, who, 'b'));
    co_await sleep(0ms);
    for (std::size_t n = 1; n <= 4; ++n) {
      ::raise(SIGUSR1);
      while (who.size() < n) co_await sleep(0ms);
    }
    CHECK(who == "abab");
    a.cancel();
    b.cancel();
    static_cast<void>(co_await as_outcome(a));
    static_cast<void>(co_await as_outcome(b));
  }());
}

TEST_CASE("signal_stream: destroyed by the one who got the signal, the next is told",
          "[api][signal_stream]") {
  run([]() -> coro<> {
    auto s = std::make_unique<signal_stream>(std::initializer_list<int>{SIGUSR1});
    const auto takes = [](std::unique_ptr<signal_stream>& from) -> coro<> {
      co_await from->next();
      from.reset();
    };
    const auto first = create_task(takes(s));
    const auto second = create_task(s->next());
    co_await sleep(0ms);
    ::raise(SIGUSR1);
    co_await first;
    const auto end = co_await as_outcome(second);
    REQUIRE_FALSE(end.has_value());
    CHECK_THROWS_AS(second.result(), invalid_state);
  }());
}

TEST_CASE(
    "signal_stream: a wait that is cancelled before the signal comes leaves it there",
    "[api][signal_stream]") {
  run([]() -> coro<> {
    signal_stream s({SIGUSR1});
    const auto waiting = create_task(s.next());
    co_await sleep(0ms);
    waiting.cancel("enough");
    ::raise(SIGUSR1);
    const auto end = co_await as_outcome(waiting);
    CHECK(end.is_cancelled());
    const int got = co_await s.next();
    CHECK(got == SIGUSR1);
  }());
}

TEST_CASE(
    "signal_stream: a wait that is cancelled when it was woken gives the signal back",
    "[api][signal_stream]") {
  run([]() -> coro<> {
    signal_stream s({SIGUSR1});
    std::optional<task<int>> waiting;
    // Called in the poll that wakes the task, which has not run then.
    runtime::signal cancels(loop::current(), [&](int) { waiting->cancel("late"); });
    cancels.start(SIGUSR1);
    waiting.emplace(create_task(s.next()));
    co_await sleep(0ms);
    ::raise(SIGUSR1);
    const auto end = co_await as_outcome(*waiting);
    CHECK(end.is_cancelled());
    const int got = co_await s.next();
    CHECK(got == SIGUSR1);
  }());
}

TEST_CASE("signal_stream: destroyed while a task waits, that gets invalid_state",
          "[api][signal_stream]") {
  run([]() -> coro<> {
    auto s = std::make_unique<signal_stream>(std::initializer_list<int>{SIGUSR1});
    const auto waiting = create_task(s->next());
    co_await sleep(0ms);
    s.reset();
    const auto end = co_await as_outcome(waiting);
    REQUIRE_FALSE(end.has_value());
    CHECK_THROWS_AS(waiting.result(), invalid_state);
  }());
}

TEST_CASE(
    "signal_stream: restores the default, and takes what no loop lives for [SIGNAL-4]",
    "[api][signal_stream][SIGNAL-4]") {
  std::optional<signal_stream> kept;
  run([](std::optional<signal_stream>& s) -> coro<> {
    {
      const signal_stream inner({SIGUSR2});
      CHECK(disposition::of(SIGUSR2) != SIG_DFL);
    }
    CHECK(disposition::of(SIGUSR2) == SIG_DFL);
    s.emplace(std::initializer_list<int>{SIGUSR1, SIGINT});
    co_return;
  }(kept));
  CHECK(disposition::of(SIGUSR1) == SIG_DFL);  // the end of the loop
}

TEST_CASE(
    "signal_stream: what is no signal is an argument error, what cannot be caught the "
    "system's [SIGNAL-5]",
    "[api][signal_stream][SIGNAL-5]") {
  run([]() -> coro<> {
    CHECK_THROWS_AS(signal_stream({}), std::invalid_argument);
    CHECK_THROWS_AS(signal_stream({SIGUSR1, 0}), std::invalid_argument);
    CHECK_THROWS_AS(signal_stream({-1}), std::invalid_argument);
    CHECK_THROWS_AS(signal_stream({100'000}), std::invalid_argument);
    CHECK_THROWS_AS(signal_stream({SIGUSR1, SIGKILL}), uv_error);
    CHECK(disposition::of(SIGUSR1) == SIG_DFL);
    co_return;
  }());
  CHECK_THROWS_AS(signal_stream({SIGUSR1}), invalid_state);
}

TEST_CASE("signal_stream: while one takes SIGINT, it does not interrupt run [RUN-14]",
          "[api][signal_stream][RUN-14]") {
  const disposition usual(SIGINT, SIG_DFL);
  bool went_on = false;
  const auto main = [](bool& taken) -> coro<> {
    {
      signal_stream s({SIGINT, SIGTERM});
      ::raise(SIGINT);
      const int got = co_await s.next();
      taken = got == SIGINT;
    }
    ::raise(SIGINT);
    co_await sleep(1h);
  };
  CHECK_THROWS_AS(run(main(went_on)), keyboard_interrupt);
  CHECK(went_on);
}

TEST_CASE("signal_stream: does not hold back a virtual clock", "[api][signal_stream]") {
  run(
      []() -> coro<> {
        signal_stream s({SIGUSR1});
        const auto waiting = create_task(s.next());
        co_await sleep(1h);
        CHECK_FALSE(waiting.done());
        waiting.cancel();
        co_await as_outcome(waiting);
      }(),
      run_options().virtual_time());
}

TEST_CASE("signal_stream: cut off anywhere, it leaves nothing behind",
          "[api][signal_stream]") {
  const auto scenario = []() -> coro<> {
    signal_stream s({SIGUSR1, SIGUSR2});
    const auto aside = create_task(s.next());
    ::raise(SIGUSR1);
    co_await aside;
    ::raise(SIGUSR2);
    co_await s.next();
    ::raise(SIGUSR1);
    co_await s.next();
  };
  for (int turns = 0; turns < 12; ++turns) {
    for (const bool cancels : {false, true}) {
      INFO((cancels ? "cancelled" : "destroyed") << " after " << turns << " turns");
      {
        loop l;
        l.set_exception_handler([](const exception_context&) {});
        l.set_budget({1, std::chrono::nanoseconds(0)});
        const auto t = l.create_task(scenario());
        for (int n = 0; n < turns; ++n) l.turn();
        if (cancels && !t.done()) {
          t.cancel("cut");
          const auto end = [](task<> what) -> coro<> { co_await as_outcome(what); };
          l.run_until_complete(end(t));
          CHECK(t.cancelled());
        }
      }
      CHECK(disposition::of(SIGUSR1) == SIG_DFL);
      CHECK(disposition::of(SIGUSR2) == SIG_DFL);
    }
  }
}
