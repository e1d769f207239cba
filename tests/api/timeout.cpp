#include <sheaf/timeout.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::virtual_loop;

// TIMEOUT-18, TIMEOUT-19: a timeout exists only in its body, entered, inside a task; one that
// was not entered, or is entered twice, cannot be written.
static_assert(!std::is_default_constructible_v<timeout>, "[TIMEOUT-18] [TIMEOUT-19]");
static_assert(!std::is_constructible_v<timeout, std::chrono::seconds>, "[TIMEOUT-19]");
static_assert(!std::is_constructible_v<timeout, timeout::time_point>, "[TIMEOUT-19]");

namespace {

coro<> nap(timeout&) { co_await sleep(1h); }

unsigned requests() { return current_task().cancelling(); }

/// What a coro throws, in said()'s words; a timeout_error is "timed out".
coro<std::string> end_of(coro<> c) {
  try {
    co_await std::move(c);
  } catch (const timeout_error&) {
    co_return "timed out";
  } catch (...) {
    co_return test::said(std::current_exception());
  }
  co_return "ended";
}

}  // namespace

TEST_CASE(
    "timeout: at the deadline the body is cancelled, and timeout_error thrown "
    "[TIMEOUT-1]",
    "[api][timeout][TIMEOUT-1]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    event_log log;
    std::optional<timeout> kept;
    auto body = [&](timeout& t) -> coro<> {
      kept = t;
      CHECK_FALSE(t.expired());
      try {
        co_await sleep(1h);
      } catch (const cancelled& c) {
        log.push_back("cancelled");
        CHECK(c.why() == cancel_why::timeout);
        CHECK(t.expired());
        throw;
      }
    };
    try {
      co_await timeout::run(100ms, body);
      log.push_back("ended");
    } catch (const timeout_error& e) {
      log.push_back("timed out");
      CHECK(e.code() == std::errc::timed_out);
    }
    CHECK(log == event_log{"cancelled", "timed out"});
    CHECK(loop.elapsed_ms() == 100);
    CHECK(kept->expired());
  }(l));
  CHECK(l.core().timers() == 0);
}

TEST_CASE("timeout: a future that the body awaits is cancelled by it [TIMEOUT-1]",
          "[api][timeout][TIMEOUT-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const promise<> p;
    auto body = [&]() -> coro<> { co_await p.get_future(); };
    CHECK_THROWS_AS(co_await timeout::run(10ms, body), timeout_error);
    CHECK(p.get_future().cancelled());
  }());
}

TEST_CASE("timeout: at() takes a time of the loop; when() tells the deadline [TIMEOUT-2]",
          "[api][timeout][TIMEOUT-2]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    const auto deadline = loop.time() + 10ms;
    auto body = [&](timeout& t) -> coro<> {
      CHECK(t.when() == deadline);
      co_await sleep(1h);
    };
    CHECK_THROWS_AS(co_await timeout::at(deadline, body), timeout_error);
    CHECK(loop.time() == deadline);
    const auto began = loop.time();
    auto relative = [&](timeout& t) -> coro<> {
      CHECK(t.when() == began + 5ms);
      co_return;
    };
    co_await timeout::run(5ms, relative);
  }(l));
}

TEST_CASE(
    "timeout: a body that ends in time leaves no timer, and nothing comes later "
    "[TIMEOUT-3]",
    "[api][timeout][TIMEOUT-3]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    std::optional<timeout> kept;
    auto body = [&](timeout& t) -> coro<int> {
      kept = t;
      co_await sleep(1ms);
      co_return 7;
    };
    const auto got = co_await timeout::run(10ms, body);
    CHECK(got == 7);
    CHECK_FALSE(kept->expired());
    CHECK(loop.core().timers() == 0);
    co_await sleep(1s);
    CHECK(requests() == 0);
  }(l));
}

TEST_CASE("timeout: without a deadline it never expires [TIMEOUT-4]",
          "[api][timeout][TIMEOUT-4]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = [](timeout& t) -> coro<int> {
      CHECK_FALSE(t.when());
      co_await sleep(10h);
      CHECK_FALSE(t.expired());
      co_return 1;
    };
    const auto first = co_await timeout::run(std::nullopt, body);
    CHECK(first == 1);
    const auto second = co_await timeout::at(std::nullopt, body);
    CHECK(second == 1);
    const std::optional<std::chrono::seconds> none;
    const auto third = co_await timeout::run(none, body);
    CHECK(third == 1);
  }());
}

TEST_CASE(
    "timeout: zero, less or the past expire at the first suspension, even sleep(0) "
    "[TIMEOUT-5]",
    "[api][timeout][TIMEOUT-5]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    event_log log;
    auto yields = [&]() -> coro<> {
      log.push_back("begins");
      co_await sleep(0s);
      log.push_back("goes on");
    };
    CHECK_THROWS_AS(co_await timeout::run(0s, yields), timeout_error);
    CHECK_THROWS_AS(co_await timeout::run(-1s, yields), timeout_error);
    CHECK_THROWS_AS(co_await timeout::at(loop.time(), yields), timeout_error);
    CHECK_THROWS_AS(co_await timeout::at(loop.time() - 1h, yields), timeout_error);
    auto sleeps = [&]() -> coro<> { co_await sleep(1h); };
    CHECK_THROWS_AS(co_await timeout::run(0s, sleeps), timeout_error);
    CHECK(log == event_log{"begins", "begins", "begins", "begins"});
    CHECK(loop.elapsed_ms() == 0);
  }(l));
}

TEST_CASE("timeout: a body that never suspends is not caught by zero [TIMEOUT-5]",
          "[api][timeout][TIMEOUT-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<int> { co_return 3; };
    const auto got = co_await timeout::run(0s, body);
    CHECK(got == 3);
    for (int i = 0; i < 3; ++i) co_await sleep(0s);  // what it had queued finds nothing
    CHECK(requests() == 0);
  }());
}

TEST_CASE("timeout: another exception passes, before and after the deadline [TIMEOUT-6]",
          "[api][timeout][TIMEOUT-6]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto fails = []() -> coro<> { throw test::failure("early"); };
    const auto first = co_await end_of(timeout::run(10ms, fails));
    CHECK(first == "early");
    auto turns = []() -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        throw test::failure("late");
      }
    };
    const auto second = co_await end_of(timeout::run(10ms, turns));
    CHECK(second == "late");
    CHECK(requests() == 0);
  }());
}

TEST_CASE(
    "timeout: a timeout_error of the body's own passes, and tells that it is "
    "[TIMEOUT-6]",
    "[api][timeout][TIMEOUT-6]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<timeout> kept;
    auto throws = [&](timeout& t) -> coro<> {
      kept = t;
      throw timeout_error("the body's");
      co_return;
    };
    try {
      co_await timeout::run(10ms, throws);
      FAIL("it ended");
    } catch (const timeout_error& e) {
      CHECK(e.scope() == 0);
      CHECK_FALSE(kept->expired());
    }
    auto expires = [&](timeout& t) -> coro<> {
      kept = t;
      co_await sleep(1h);
    };
    try {
      co_await timeout::run(10ms, expires);
      FAIL("it ended");
    } catch (const timeout_error& e) {
      CHECK(e.scope() == kept->id());
    }
  }());
}

TEST_CASE("timeout: a cancellation from elsewhere is not converted [TIMEOUT-7]",
          "[api][timeout][TIMEOUT-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<timeout> kept;
    auto body = [&](timeout& t) -> coro<> {
      kept = t;
      co_await sleep(1h);
    };
    auto t = create_task(timeout::run(10ms, body));
    co_await sleep(5ms);
    t.cancel("outside");
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());
    CHECK(end.cancellation().reason() == "outside");
    CHECK_FALSE(kept->expired());
    CHECK(t.cancelling() == 1);
  }());
}

TEST_CASE(
    "timeout: a cancellation that the body throws by itself in time passes "
    "[TIMEOUT-7]",
    "[api][timeout][TIMEOUT-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<> {
      throw cancelled("mine");
      co_return;
    };
    const auto got = co_await end_of(timeout::run(10ms, body));
    CHECK(got == "cancelled: mine");
  }());
}

TEST_CASE(
    "timeout: converting takes back its own request, and the task goes on "
    "[TIMEOUT-8]",
    "[api][timeout][TIMEOUT-8]") {
  virtual_loop l;
  auto t = l.create_task([]() -> coro<> {
    const auto got = co_await end_of(timeout::run(10ms, nap));
    CHECK(got == "timed out");
    CHECK(requests() == 0);
    co_await sleep(1s);
  }());
  l.run_until_complete(t);
  CHECK_FALSE(t.cancelled());
  CHECK(t.cancelling() == 0);
}

TEST_CASE("timeout: with another request pending the cancellation passes on [TIMEOUT-9]",
          "[api][timeout][TIMEOUT-9]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto asked_after = [](timeout& t) -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        CHECK(t.expired());
        current_task().cancel("as well");
        throw;
      }
    };
    auto t = create_task(timeout::run(10ms, asked_after));
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());
    CHECK(t.cancelling() == 1);  // its own was taken back
  }());
}

TEST_CASE("timeout: asked by both in one batch, the cancellation passes on [TIMEOUT-9]",
          "[api][timeout][TIMEOUT-9]") {
  const auto scenario = []() -> coro<> {
    auto t = create_task(timeout::run(10ms, nap));
    loop::current().call_later(10ms, [t] { t.cancel("as well"); });
    const auto end = co_await as_outcome(t);
    CHECK(end.is_cancelled());
  };
  test::for_seeds(scenario);
}

TEST_CASE("timeout: a request swallowed before it began does not count [TIMEOUT-10]",
          "[api][timeout][TIMEOUT-10]") {
  virtual_loop l;
  auto t = l.create_task([]() -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
    }
    CHECK(requests() == 1);
    const auto got = co_await end_of(timeout::run(10ms, nap));
    CHECK(got == "timed out");
    CHECK(requests() == 1);
  }());
  l.turn();
  t.cancel();
  l.run_until_complete(t);
  CHECK_FALSE(t.cancelled());
}

TEST_CASE(
    "timeout: of two with one deadline the inner passes on, the outer converts "
    "[TIMEOUT-11]",
    "[api][timeout][TIMEOUT-11]") {
  const auto scenario = []() -> coro<> {
    event_log log;
    std::optional<timeout> first, second;
    const auto deadline = loop::current().time() + 10ms;
    auto inner = [&](timeout& t) -> coro<> {
      second = t;
      co_await sleep(1h);
    };
    auto outer = [&](timeout& t) -> coro<> {
      first = t;
      try {
        co_await timeout::at(deadline, inner);
      } catch (const cancelled&) {
        log.push_back("inner cancelled");
        throw;
      } catch (const timeout_error&) {
        log.push_back("inner timed out");
        throw;
      }
    };
    log.push_back(co_await end_of(timeout::at(deadline, outer)));
    CHECK(log == event_log{"inner cancelled", "timed out"});
    CHECK((first->expired() && second->expired()));
    CHECK(requests() == 0);
  };
  test::for_seeds(scenario);
}

TEST_CASE(
    "timeout: the loop busy past both deadlines, the outer one converts "
    "[TIMEOUT-12]",
    "[api][timeout][TIMEOUT-12]") {
  loop l(loop_options().manual_time());
  event_log log;
  auto inner = [&]() -> coro<> { co_await sleep(1h); };
  auto outer = [&]() -> coro<> {
    try {
      co_await timeout::run(20ms, inner);
    } catch (const cancelled&) {
      log.push_back("inner cancelled");
      throw;
    } catch (const timeout_error&) {
      log.push_back("inner timed out");
      throw;
    }
  };
  auto t = l.create_task(end_of(timeout::run(10ms, outer)));
  l.turn();
  l.advance(50ms);
  l.run_until_complete(t);
  CHECK(log == event_log{"inner cancelled"});
  CHECK(t.result() == "timed out");
}

TEST_CASE(
    "timeout: the inner one's may be handled, the outer fires at its own time "
    "[TIMEOUT-12]",
    "[api][timeout][TIMEOUT-12]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    event_log log;
    auto outer = [&]() -> coro<> {
      log.push_back(co_await end_of(timeout::run(10ms, nap)));
      CHECK(loop.elapsed_ms() == 10);
      CHECK(requests() == 0);
      co_await sleep(1h);
    };
    log.push_back(co_await end_of(timeout::run(20ms, outer)));
    CHECK(log == event_log{"timed out", "timed out"});
    CHECK(loop.elapsed_ms() == 20);
  }(l));
}

TEST_CASE("timeout: one in the clean-up of an expired one works [TIMEOUT-13]",
          "[api][timeout][TIMEOUT-13]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    event_log log;
    auto body = [&]() -> coro<> {
      std::exception_ptr error;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        error = std::current_exception();
      }
      log.push_back(co_await end_of(timeout::run(10ms, nap)));
      std::rethrow_exception(error);
    };
    log.push_back(co_await end_of(timeout::run(10ms, body)));
    CHECK(log == event_log{"timed out", "timed out"});
    CHECK(loop.elapsed_ms() == 20);
    CHECK(requests() == 0);
  }(l));
}

TEST_CASE(
    "timeout: a body that swallows the cancellation gives its value, expired "
    "[TIMEOUT-14]",
    "[api][timeout][TIMEOUT-14]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<timeout> kept;
    auto body = [&](timeout& t) -> coro<int> {
      kept = t;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      co_await sleep(1h);  // it is told once, and may wait as long as it likes
      co_return 4;
    };
    const auto got = co_await timeout::run(10ms, body);
    CHECK(got == 4);
    CHECK(kept->expired());
    CHECK(requests() == 0);
  }());
}

TEST_CASE("timeout: the error has the cancellation as its cause [TIMEOUT-15]",
          "[api][timeout][TIMEOUT-15]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    unsigned line = 0;
    try {
      line = std::source_location::current().line() + 1;
      co_await timeout::run(10ms, nap);
    } catch (const timeout_error& e) {
      CHECK(e.cause().why() == cancel_why::timeout);
      CHECK(e.cause().by() == current_task().id());
      CHECK(e.cause().at().line() == line);
      const std::string place = "timeout.cpp:" + std::to_string(line);
      CHECK(std::string(e.what()).find(place) != std::string::npos);
    }
    CHECK(timeout_error("of a program").cause().describe().empty());
  }());
}

// asyncio inserts a TimeoutError into the `__context__` chain; C++ exceptions have none.
TEST_CASE(
    "timeout: an exception in place of the cancellation is thrown as it is "
    "[TIMEOUT-16]",
    "[api][timeout][TIMEOUT-16]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<timeout> kept;
    auto body = [&](timeout& t) -> coro<> {
      kept = t;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        throw test::failure("instead");
      }
    };
    try {
      co_await timeout::run(10ms, body);
      FAIL("it ended");
    } catch (const test::failure& e) {
      CHECK(std::string(e.what()) == "instead");
    }
    CHECK(kept->expired());  // which tells that the time was up
  }());
}

TEST_CASE("timeout: reschedule() moves the deadline, later, earlier, away [TIMEOUT-17]",
          "[api][timeout][TIMEOUT-17]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    const auto began = loop.time();
    auto later = [&](timeout& t) -> coro<> {
      t.reschedule(began + 30ms);
      CHECK(t.when() == began + 30ms);
      co_await sleep(1h);
    };
    const auto first = co_await end_of(timeout::run(10ms, later));
    CHECK(first == "timed out");
    CHECK(loop.elapsed_ms() == 30);
    auto earlier = [&](timeout& t) -> coro<> {
      t.reschedule(began + 40ms);
      co_await sleep(1h);
    };
    const auto second = co_await end_of(timeout::run(1h, earlier));
    CHECK(second == "timed out");
    CHECK(loop.elapsed_ms() == 40);
    auto never = [&](timeout& t) -> coro<> {
      t.reschedule(std::nullopt);
      CHECK_FALSE(t.when());
      co_await sleep(1h);
    };
    const auto third = co_await end_of(timeout::run(10ms, never));
    CHECK(third == "ended");
    auto past = [&](timeout& t) -> coro<> {
      t.reschedule(loop.time() - 1ms);
      co_await sleep(0s);
    };
    const auto fourth = co_await end_of(timeout::run(1h, past));
    CHECK(fourth == "timed out");
    auto given_one = [&](timeout& t) -> coro<> {
      t.reschedule(loop.time() + 10ms);
      co_await sleep(1h);
    };
    const auto fifth = co_await end_of(timeout::run(std::nullopt, given_one));
    CHECK(fifth == "timed out");
  }(l));
  CHECK(l.core().timers() == 0);
}

TEST_CASE(
    "timeout: reschedule() by another task in the batch of the deadline holds "
    "[TIMEOUT-17]",
    "[api][timeout][TIMEOUT-17]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    std::optional<timeout> kept;
    // Due at the same time and armed before, so that the scope is in the ready queue.
    auto handle = loop.call_later(10ms, [&] { kept->reschedule(loop.time() + 10ms); });
    auto body = [&](timeout& t) -> coro<> {
      kept = t;
      co_await sleep(1h);
    };
    const auto got = co_await end_of(timeout::run(10ms, body));
    CHECK(got == "timed out");
    CHECK(loop.elapsed_ms() == 20);
  }(l));
}

TEST_CASE(
    "timeout: reschedule() of one that expires or has ended is an error "
    "[TIMEOUT-18]",
    "[api][timeout][TIMEOUT-18]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<timeout> kept;
    const auto refusal = [&] {
      return test::thrown_by([&] { kept->reschedule(std::nullopt); });
    };
    auto body = [&](timeout& t) -> coro<> {
      kept = t;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        CHECK_THROWS_AS(t.reschedule(std::nullopt), invalid_state);
        CHECK(refusal().find("is expiring") != std::string::npos);
        throw;
      }
    };
    const auto got = co_await end_of(timeout::run(10ms, body));
    CHECK(got == "timed out");
    CHECK(refusal().find("is expired") != std::string::npos);
    auto ends = [&](timeout& t) -> coro<> {
      kept = t;
      co_return;
    };
    co_await timeout::run(10ms, ends);
    CHECK(refusal().find("is finished") != std::string::npos);
  }());
}

TEST_CASE("timeout: what run() gives is awaited once [TIMEOUT-19]",
          "[api][timeout][TIMEOUT-19]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<int> { co_return 1; };
    auto call = timeout::run(10ms, body);
    const auto got = co_await std::move(call);
    CHECK(got == 1);
    CHECK_THROWS_AS(co_await std::move(call), invalid_state);
  }());
}

// ---- what the table of behaviours does not say ---------------------------------------------

namespace {

coro<std::string> join_words(timeout& t, std::string a, const std::string& b,
                             int& calls) {
  ++calls;
  CHECK(t.when().has_value());
  co_await sleep(1ms);
  co_return a + b;
}

coro<int> plus(int a, int b) { co_return a + b; }

coro<int> pointed(timeout&, std::unique_ptr<int> value) {
  co_await sleep(1ms);
  co_return *value;
}

}  // namespace

TEST_CASE("timeout: arguments follow the function, with the scope in front or without",
          "[api][timeout]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    int calls = 0;
    const std::string world = "world";
    const auto first =
        co_await timeout::run(1s, join_words, "hello ", world, std::ref(calls));
    CHECK(first == "hello world");
    CHECK(calls == 1);
    const auto second = co_await timeout::run(1s, plus, 1, 2);
    CHECK(second == 3);
    const auto third = co_await timeout::run(1s, pointed, std::make_unique<int>(2));
    CHECK(third == 2);
  }());
}

TEST_CASE("timeout: the body's captures live until it has ended", "[api][timeout]") {
  test::counted::reset();
  virtual_loop l;
  const auto later = [] {
    auto body = [c = test::counted(5)]() -> coro<int> {
      co_await sleep(1ms);
      co_return c.value;
    };
    return timeout::run(1s, std::move(body));
  };
  l.run_until_complete([](auto make) -> coro<> {
    auto call = make();
    const auto first = co_await std::move(call);
    CHECK(first == 5);
    auto t = create_task(make());
    const auto second = co_await t;
    CHECK(second == 5);
  }(later));
  CHECK(test::counted::alive == 0);
  CHECK(test::counted::copies == 0);
}

TEST_CASE("timeout: leaves when the body has ended, and not before", "[api][timeout]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](virtual_loop& loop, event_log& seen) -> coro<> {
    auto body = [&]() -> coro<> { co_await test::reluctant(seen, "body", 1h, 30ms); };
    seen.push_back(co_await end_of(timeout::run(10ms, body)));
    CHECK(loop.elapsed_ms() == 40);
  }(l, log));
  CHECK(log == event_log{"body has cleaned up", "timed out"});
}

TEST_CASE("timeout: runs the body inside the task, with its context", "[api][timeout]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const context_var<int> v;
    const auto id = current_task().id();
    auto body = [&]() -> coro<> {
      CHECK(current_task().id() == id);
      v.set(2);
      co_return;
    };
    co_await timeout::run(1s, body);
    CHECK(v.get() == 2);
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("timeout: children of a gather in it end before it does", "[api][timeout]") {
  const auto scenario = []() -> coro<> {
    event_log log;
    auto body = [&]() -> coro<> {
      co_await gather(test::reluctant(log, "a", 1h, 5ms),
                      test::reluctant(log, "b", 1h, 9ms));
    };
    const auto got = co_await end_of(timeout::run(10ms, body));
    CHECK(got == "timed out");
    CHECK(log == event_log{"a has cleaned up", "b has cleaned up"});
    CHECK(all_tasks().size() == 1);
  };
  test::for_seeds(scenario);
}

TEST_CASE("timeout: a body that throws before its coroutine begins leaves the scope",
          "[api][timeout]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    auto body = [](timeout&) -> coro<> { throw test::failure("no coroutine"); };
    auto plain = [&body](timeout& t) {
      throw test::failure("at once");
      return body(t);
    };
    const auto got = co_await end_of(timeout::run(10ms, plain));
    CHECK(got == "at once");
    CHECK(loop.core().timers() == 0);
    CHECK_FALSE(current_deadline());
  }(l));
}

TEST_CASE("timeout: one ends in the batch in which its deadline passes, in any order",
          "[api][timeout]") {
  const auto scenario = []() -> coro<> {
    for (int i = 0; i < 20; ++i) {
      auto body = []() -> coro<int> {
        co_await sleep(10ms);
        co_return 1;
      };
      const auto end = co_await as_outcome(coro<int>(timeout::run(10ms, body)));
      if (!end.has_value()) CHECK_THROWS_AS(end.value(), timeout_error);
      CHECK(requests() == 0);
      co_await sleep(0s);
      co_await sleep(0s);
    }
  };
  test::for_seeds(scenario);
}

TEST_CASE("timeout: 100,000 at once expire, each by itself", "[api][timeout]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    constexpr std::size_t n = 100'000;
    std::vector<coro<std::string>> all;
    for (std::size_t i = 0; i < n; ++i) {
      all.push_back(end_of(timeout::run(std::chrono::microseconds(i), nap)));
    }
    const auto ends = co_await gather(std::move(all));
    CHECK(std::count(ends.begin(), ends.end(), "timed out") == n);
  }());
  CHECK(l.core().timers() == 0);
}
