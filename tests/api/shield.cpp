#include <sheaf/shield.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/wait.hpp>

#include <stdexcept>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::virtual_loop;

namespace {

coro<int> slow(int value, event_log& log) {
  try {
    co_await sleep(5ms);
  } catch (const cancelled&) {
    log.push_back("inner cancelled");
    throw;
  }
  log.push_back("inner done");
  co_return value;
}

coro<int> slow_failure() {
  co_await sleep(5ms);
  throw std::runtime_error("inner");
}

coro<int> awaits(future<int> f) { co_return co_await f; }

}  // namespace

TEST_CASE("shield: takes the inner's value or exception [SHIELD-1]", "[SHIELD-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    event_log log;
    CHECK(co_await shield(slow(7, log)) == 7);
    auto inner = create_task(slow_failure());
    auto outer = shield(inner);
    co_await sleep(10ms);
    CHECK(outer.exception() == inner.exception());
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("shield: an inner that is cancelled cancels it [SHIELD-2]", "[SHIELD-2]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto outer = shield(p.get_future());
    p.get_future().cancel("why");
    CHECK_FALSE(outer.done());
    co_await sleep(0ms);
    CHECK(outer.cancelled());
  }());
}

TEST_CASE("shield: cancelled, it leaves the inner alone and wakes at once [SHIELD-3]",
          "[SHIELD-3]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto inner = create_task(slow(1, seen));
    auto outer = create_task(awaits(shield(inner)));
    co_await sleep(1ms);
    outer.cancel();
    co_await sleep(0ms);
    CHECK(outer.cancelled());
    CHECK_FALSE(inner.done());
    CHECK(co_await inner == 1);
  }(log));
  CHECK(log == event_log{"inner done"});
}

TEST_CASE("shield: a finished inner is given back itself [SHIELD-4]", "[SHIELD-4]") {
  virtual_loop l;
  promise<int> p(l);
  p.set_value(3);
  const auto inner = p.get_future();
  CHECK(shield(inner) == inner);
}

TEST_CASE("shield: a coroutine is a task at once, and needs a loop [SHIELD-5]",
          "[SHIELD-5]") {
  event_log log;
  CHECK_THROWS_AS(shield(slow(1, log)), invalid_state);
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto outer = shield(slow(1, seen));
    CHECK(all_tasks().size() == 2);
    co_await outer;
  }(log));
}

TEST_CASE("shield: follows the inner one batch later [SHIELD-6]", "[SHIELD-6]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto outer = shield(p.get_future());
    p.set_value(1);
    CHECK_FALSE(outer.done());
    co_await sleep(0ms);
    CHECK(outer.result() == 1);
  }());
}

TEST_CASE("shield: a cancelled one takes its registration back [SHIELD-7]",
          "[SHIELD-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto inner = p.get_future();
    for (int i = 0; i < 1000; ++i) shield(inner).cancel();
    CHECK_FALSE(inner.state().watched());
    CHECK(inner.state().references() == 2);  // this handle and the promise
    co_return;
  }());
}

TEST_CASE("shield: after a cancel an inner error is reported once [SHIELD-8]",
          "[SHIELD-8]") {
  virtual_loop l;
  l.set_exception_handler([](const exception_context&) {});
  l.run_until_complete([]() -> coro<> {
    auto inner = create_task(slow_failure());
    auto first = shield(inner);
    auto second = shield(inner);
    first.cancel();
    second.cancel();
    co_await sleep(10ms);
  }());
  CHECK(l.exceptions_reported() == 1);
}

TEST_CASE("shield: after a cancel an inner value is dropped silently [SHIELD-8]",
          "[api][shield][SHIELD-8]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto outer = shield(slow(1, seen));
    co_await sleep(1ms);
    outer.cancel();
    co_await sleep(10ms);
    CHECK(outer.cancelled());
  }(log));
  CHECK(log == event_log{"inner done"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("shield: cancelled between the inner's end and its own, it stays cancelled",
          "[api][shield]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto outer = shield(p.get_future());
    p.set_value(1);
    CHECK(outer.cancel());
    co_await sleep(0ms);
    CHECK(outer.cancelled());
  }());
}

TEST_CASE("gather of shields: cancelling it cancels the shields alone [GATHER-18]",
          "[GATHER-18]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto a = create_task(slow(1, seen));
    auto b = create_task(slow(2, seen));
    auto sa = shield(a);
    auto sb = shield(b);
    auto both = gather(sa, sb);
    co_await sleep(1ms);
    CHECK(both.cancel());
    co_await sleep(1ms);
    CHECK(sa.cancelled());
    CHECK(sb.cancelled());
    CHECK_FALSE(a.done());
    CHECK(co_await a + co_await b == 3);
    both.cancel();
  }(log));
  CHECK(log == event_log{"inner done", "inner done"});
}

TEST_CASE("shielded gather: goes on when the shield is cancelled [GATHER-19]",
          "[GATHER-19]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto both = gather(slow(1, seen), slow(2, seen));
    auto outer = shield(both);
    co_await sleep(1ms);
    outer.cancel();
    const auto [a, b] = co_await both;
    CHECK(a + b == 3);
  }(log));
  CHECK(log == event_log{"inner done", "inner done"});
}

TEST_CASE(
    "shield: what it protects ends by itself, in whatever order tasks run [SHIELD-3]",
    "[api][shield][SHIELD-3]") {
  test::for_seeds([]() -> coro<> {
    const auto hold = [](future<int> what) -> coro<int> {
      co_return co_await shield(what);
    };
    std::vector<task<int>> inner;
    std::vector<task<int>> outer;
    for (int i = 0; i < 6; ++i) {
      inner.push_back(create_task(test::give(i, std::chrono::milliseconds(i % 3))));
      outer.push_back(create_task(hold(inner.back())));
    }
    co_await sleep(1ms);
    std::vector<bool> asked;
    for (const auto& each : outer) asked.push_back(each.cancel());
    static_cast<void>(co_await wait(outer));
    static_cast<void>(co_await wait(inner));
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(inner[i].result() == static_cast<int>(i));
      CHECK(outer[i].cancelled() == asked[i]);
    }
    CHECK(asked[2]);  // its inner took longer
  });
}
