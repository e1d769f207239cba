#include <sheaf/to_thread.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/gate.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>

#include <atomic>
#include <memory>
#include <thread>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::gate;
using test::said;

namespace {

int twice(int v) { return 2 * v; }

struct account {
  int balance = 5;
  int add(int v) { return balance += v; }
};

}  // namespace

TEST_CASE(
    "to_thread: runs on another thread, who awaits goes on on the loop's [THREAD-2]",
    "[api][to_thread][THREAD-2]") {
  run([]() -> coro<> {
    const auto here = std::this_thread::get_id();
    const auto there = co_await to_thread([] { return std::this_thread::get_id(); });
    CHECK(there != here);
    CHECK(std::this_thread::get_id() == here);
  }());
}

TEST_CASE("to_thread: what the function throws comes out of the await [THREAD-2]",
          "[api][to_thread][THREAD-2]") {
  run([]() -> coro<> {
    const auto call = to_thread([]() -> int { throw test::failure("x"); });
    const auto how = co_await as_outcome(call);
    CHECK(said(how.error()) == "x");
    const auto nothing = to_thread([] { throw 42; });
    const auto other = co_await as_outcome(nothing);
    CHECK_THROWS_AS(other.value(), int);
  }());
}

TEST_CASE("to_thread: takes any callable with any arguments [THREAD-3]",
          "[api][to_thread][THREAD-3]") {
  run([]() -> coro<> {
    const int plain = co_await to_thread(twice, 21);
    CHECK(plain == 42);
    account a;
    const int member = co_await to_thread(&account::add, &a, 2);
    CHECK(member == 7);
    const int by_reference =
        co_await to_thread([](account& x) { return x.balance; }, std::ref(a));
    CHECK(by_reference == 7);
    auto owned = std::make_unique<int>(3);
    const auto back = co_await to_thread(
        [](std::unique_ptr<int> p) {
          ++*p;
          return p;
        },
        std::move(owned));
    CHECK(*back == 4);
    co_await to_thread([] {});
  }());
}

TEST_CASE("to_thread: the function runs exactly once [THREAD-3]",
          "[api][to_thread][THREAD-3]") {
  std::atomic<int> calls = 0;
  run([](std::atomic<int>& n) -> coro<> {
    co_await to_thread([&n] { ++n; });
    co_await sleep(0ms);
  }(calls));
  CHECK(calls == 1);
}

TEST_CASE(
    "to_thread: a call is under way from to_thread() on, before it is awaited [THREAD-3]",
    "[api][to_thread][THREAD-3]") {
  std::atomic<bool> begun = false;
  run([](std::atomic<bool>& flag) -> coro<> {
    const auto call = to_thread([&flag] { flag = true; });
    while (!flag) std::this_thread::yield();
    co_await call;
  }(begun));
  CHECK(begun);
}

TEST_CASE("to_thread: many run at once [THREAD-3]", "[api][to_thread][THREAD-3]") {
  std::atomic<int> arrived = 0;
  run([](std::atomic<int>& n) -> coro<> {
    const auto meet = [&n] {
      ++n;
      while (n < 3)
        std::this_thread::yield();  // for ever, if one had to wait for another
    };
    co_await gather(to_thread(meet), to_thread(meet), to_thread(meet));
  }(arrived));
  CHECK(arrived == 3);
}

TEST_CASE("to_thread: calls begin in the order they were made", "[api][to_thread]") {
  event_log log;
  run([](event_log& seen) -> coro<> {
    loop::current().tasks().set_threads(1);
    std::vector<future<>> calls;
    for (int i = 0; i < 5; ++i) {
      calls.push_back(to_thread([&seen, i] { seen.push_back(std::to_string(i)); }));
    }
    co_await gather(calls);
  }(log));
  CHECK(log == event_log{"0", "1", "2", "3", "4"});
}

TEST_CASE("to_thread: more calls than threads all end", "[api][to_thread]") {
  const auto sum = run([]() -> coro<int> {
    loop::current().tasks().set_threads(2);
    std::vector<future<int>> calls;
    for (int i = 0; i < 200; ++i) calls.push_back(to_thread(twice, i));
    int total = 0;
    for (const int v : co_await gather(calls)) total += v;
    co_return total;
  }());
  CHECK(sum == 199 * 200);
}

TEST_CASE("to_thread: arguments and callable are destroyed on the thread",
          "[api][to_thread]") {
  struct tells_where {
    std::atomic<std::thread::id>* destroyed_on;
    tells_where(std::atomic<std::thread::id>& d) : destroyed_on(&d) {}
    tells_where(tells_where&& o) noexcept
        : destroyed_on(std::exchange(o.destroyed_on, nullptr)) {}
    ~tells_where() {
      if (destroyed_on) *destroyed_on = std::this_thread::get_id();
    }
  };
  std::atomic<std::thread::id> argument{}, callable{};
  run([](auto& a, auto& c) -> coro<> {
    tells_where held(c);
    auto call = [held = std::move(held)](const tells_where&) {
      return std::this_thread::get_id();
    };
    const auto there = co_await to_thread(std::move(call), tells_where(a));
    CHECK(a.load() == there);
    CHECK(c.load() == there);
  }(argument, callable));
}

TEST_CASE("to_thread: the result is moved, not copied", "[api][to_thread]") {
  test::counted::reset();
  run([]() -> coro<> {
    const auto got = co_await to_thread([] { return test::counted(7); });
    CHECK(got.value == 7);
  }());
  CHECK(test::counted::copies == 0);
  CHECK(test::counted::alive == 0);
}

TEST_CASE(
    "to_thread: cancelled before it began, the future is, and the call is not made "
    "[THREAD-4]",
    "[api][to_thread][THREAD-4]") {
  gate closed;
  std::atomic<bool> called = false;
  run([](gate& g, std::atomic<bool>& flag) -> coro<> {
    loop::current().tasks().set_threads(1);
    const auto first = to_thread([&g] { g.pass(); });
    const auto second = to_thread([&flag] { flag = true; });
    CHECK(second.cancel("too late"));
    CHECK(second.cancelled());
    g.open();
    co_await first;
    co_await to_thread([] {});
  }(closed, called));
  CHECK_FALSE(called);
}

TEST_CASE(
    "to_thread: cancelled while it runs, the call goes on and its result is dropped "
    "[THREAD-5]",
    "[api][to_thread][THREAD-5]") {
  gate closed;
  std::atomic<int> ended = 0;
  test::counted::reset();
  run([](gate& g, std::atomic<int>& n) -> coro<> {
    std::atomic<bool> begun = false;
    const auto call = to_thread([&] {
      begun = true;
      g.pass();
      ++n;
      return test::counted(1);
    });
    while (!begun) std::this_thread::yield();
    CHECK(call.cancel("enough"));
    const auto how = co_await as_outcome(call);
    CHECK(said(how.error()) == "cancelled: enough");
    CHECK(n == 0);
    g.open();
    while (n == 0) co_await sleep(0ms);
  }(closed, ended));
  CHECK(ended == 1);
  CHECK(test::counted::alive == 0);
}

TEST_CASE("to_thread: cancelling who awaits it does not wait for the call [THREAD-5]",
          "[api][to_thread][THREAD-5]") {
  gate closed;
  run([](gate& g) -> coro<> {
    const auto waiter = create_task(
        [](gate& inner) -> coro<> { co_await to_thread([&inner] { inner.pass(); }); }(g));
    co_await sleep(0ms);
    waiter.cancel();
    co_await as_outcome(waiter);
    CHECK(waiter.cancelled());
    g.open();
  }(closed));
}

TEST_CASE(
    "to_thread: a loop that is destroyed waits for the call, whose value is kept "
    "[THREAD-5]",
    "[api][to_thread][THREAD-5]") {
  std::atomic<bool> ended = false;
  test::counted::reset();
  {
    future<test::counted> kept;
    {
      loop l;
      l.call_soon([&] {
        kept = to_thread([&ended] {
          std::this_thread::yield();
          ended = true;
          return test::counted(1);
        });
      });
      l.turn();
    }
    CHECK(ended);
    CHECK(kept.result().value == 1);
  }
  CHECK(test::counted::alive == 0);
}

TEST_CASE("to_thread: an error after the future was dropped goes unreported",
          "[api][to_thread]") {
  loop l;
  l.run_until_complete([]() -> coro<> {
    const auto call = to_thread([] { throw test::failure("x"); });
    call.cancel();
    co_await to_thread([] {});
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("to_thread: virtual time stands still while a call is under way",
          "[api][to_thread]") {
  gate closed;
  event_log log;
  run(
      [](gate& g, event_log& seen) -> coro<> {
        const auto timer = create_task(test::noted(seen, "timer", 1ms));
        const auto call = to_thread([&g] { g.pass(); });
        for (int i = 0; i < 10; ++i) co_await sleep(0ms);
        g.open();
        co_await call;
        seen.push_back("call ends");
        co_await timer;
      }(closed, log),
      run_options().virtual_time());
  CHECK(log == event_log{"timer begins", "call ends", "timer ends"});
}

TEST_CASE("to_thread: where no loop runs it is an error", "[api][to_thread]") {
  CHECK_THROWS_AS(to_thread(twice, 1), invalid_state);
}
