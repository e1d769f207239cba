#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/seeds.hpp"

#include <sheaf/context_var.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/hedge.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/map.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::virtual_loop;

// current_deadline(): what a task may ask about the time limits that it is under.

namespace {

/// The time left to the current deadline, or -1.
long long left() {
  const auto d = current_deadline();
  if (!d) return -1;
  const auto ns = *d - loop::current().time();
  return std::chrono::duration_cast<std::chrono::milliseconds>(ns).count();
}

coro<long long> ask() { co_return left(); }
coro<long long> ask_after(std::chrono::milliseconds d) {
  co_await sleep(d);
  co_return left();
}

}  // namespace

TEST_CASE("deadline: there is none outside of a scope, a task, a loop",
          "[api][deadline]") {
  CHECK_FALSE(current_deadline());
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    CHECK_FALSE(current_deadline());
    bool asked = false;
    auto body = [&]() -> coro<> {
      loop::current().call_soon([&] { asked = !current_deadline(); });
      co_await sleep(1ms);
    };
    co_await timeout::run(1s, body);
    CHECK(asked);  // a callback is in no task
    CHECK_FALSE(current_deadline());
  }());
}

TEST_CASE("deadline: it is that of the scope, until that is left", "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto of_run = co_await timeout::run(100ms, ask);
    CHECK(of_run == 100);
    const auto of_at = co_await timeout::at(loop::current().time() + 7ms, ask);
    CHECK(of_at == 7);
    const auto of_wait_for = co_await wait_for(ask(), 50ms);
    CHECK(of_wait_for == 50);
    const auto of_none = co_await wait_for(ask(), std::nullopt);
    CHECK(of_none == -1);
    auto fails = []() -> coro<> {
      throw test::failure("x");
      co_return;
    };
    CHECK_THROWS_AS(co_await timeout::run(1s, fails), test::failure);
    CHECK(left() == -1);
  }());
}

TEST_CASE("deadline: of scopes inside each other it is the earliest", "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto tightened = []() -> coro<long long> {
      co_return co_await wait_for(ask(), 10ms);
    };
    const auto inner = co_await timeout::run(1s, tightened);
    CHECK(inner == 10);
    auto not_loosened = []() -> coro<long long> {
      co_return co_await wait_for(ask(), 1h);
    };
    const auto outer = co_await timeout::run(1s, not_loosened);
    CHECK(outer == 1000);
    auto none_inside = [&]() -> coro<long long> {
      co_return co_await timeout::run(std::nullopt, ask);
    };
    const auto through = co_await timeout::run(1s, none_inside);
    CHECK(through == 1000);
  }());
}

TEST_CASE("deadline: reschedule() moves what the body sees", "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = [](timeout& t) -> coro<> {
      CHECK(left() == 1000);
      t.reschedule(loop::current().time() + 30ms);
      CHECK(left() == 30);
      auto inside = [&]() -> coro<> {
        CHECK(left() == 20);
        t.reschedule(loop::current().time() + 10ms);
        CHECK(left() == 10);
        t.reschedule(std::nullopt);
        CHECK(left() == 20);
        co_return;
      };
      co_await timeout::run(20ms, inside);
      CHECK(left() == -1);
    };
    co_await timeout::run(1s, body);
  }());
}

TEST_CASE("deadline: children that map() and hedge() make later inherit that of the call",
          "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const std::vector<int> three(3);
    auto asked = [](int) -> coro<long long> {
      CHECK(left() >= 0);  // where it is called, and in what it makes
      return ask_after(10ms);
    };
    auto body = [&](timeout& t) -> coro<> {
      const auto late = co_await map(three, asked, limit(1));
      CHECK(late == std::vector<long long>{990, 980, 970});
      int calls = 0;
      const auto attempt = [&] { return ask_after(calls++ == 0 ? 1000ms : 10ms); };
      const auto second = co_await hedge(5ms, std::ref(attempt));
      CHECK(second.index == 1);
      CHECK(second.value == 955);
      auto in_map = [&](int) -> coro<long long> {
        const auto inner = co_await map(three, asked, limit(1));
        co_return inner.back();
      };
      const auto nested = co_await map(three, in_map, limit(1));
      CHECK(nested == std::vector<long long>{925, 895, 865});
      // It is a time, taken by the call: later changes of the scope do not move it.
      auto moved = map(three, asked, limit(1));
      t.reschedule(std::nullopt);
      const auto kept = co_await std::move(moved);
      CHECK(kept == std::vector<long long>{855, 845, 835});
    };
    co_await timeout::run(1s, body);
    auto none = [](int) -> coro<long long> { return ask_after(10ms); };
    const auto outside = co_await map(three, none, limit(1));
    CHECK(outside == std::vector<long long>{-1, -1, -1});
  }());
}

TEST_CASE("deadline: tasks inherit it when they are made", "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::optional<task<long long>> later;
    auto body = [&](timeout& t) -> coro<> {
      later = create_task(ask_after(200ms));
      const auto [a, b] = co_await gather(ask(), ask_after(10ms));
      CHECK(a == 1000);
      CHECK(b == 990);
      auto eager = create_task(ask(), task_options().eager_start());
      CHECK(eager.result() == 990);
      auto grandchild = create_task(
          []() -> coro<long long> { co_return co_await create_task(ask()); }());
      const auto inherited_twice = co_await grandchild;
      CHECK(inherited_twice == 990);
      // What it inherited is a time: it stays when the scope moves.
      auto old = create_task(ask_after(10ms));
      t.reschedule(loop::current().time() + 1h);
      const auto kept = co_await old;
      CHECK(kept == 980);
    };
    co_await timeout::run(1s, body);
    const auto outlived = co_await *later;  // it has left the scope, and is not cancelled
    CHECK(outlived == 800);
    const auto none = co_await create_task(ask());
    CHECK(none == -1);
  }());
}

TEST_CASE("deadline: a scope in a task only tightens what it inherited",
          "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<> {
      auto child = []() -> coro<> {
        const auto wider = co_await wait_for(ask(), 1h);
        CHECK(wider == 1000);
        const auto tighter = co_await wait_for(ask(), 1ms);
        CHECK(tighter == 1);
        CHECK(left() == 1000);
      };
      co_await create_task(child());
    };
    co_await timeout::run(1s, body);
  }());
}

TEST_CASE("deadline: one that was inherited cancels nothing", "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    std::optional<task<int>> child;
    auto body = [&]() -> coro<> {
      child = create_task(test::give(1, 1h));
      co_return;
    };
    co_await timeout::run(10ms, body);
    const int got = co_await *child;
    CHECK(got == 1);
    CHECK(loop.elapsed_ms() == 3600'000);
  }(l));
}

TEST_CASE("deadline: the farthest there is is told and inherited; none is none",
          "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto child = []() -> coro<bool> { co_return current_deadline().has_value(); };
    auto body = [&]() -> coro<bool> {
      const bool here = current_deadline().has_value();
      const bool there = co_await create_task(child());
      co_return here&& there;
    };
    const bool both = co_await timeout::run(std::chrono::hours::max(), body);
    CHECK(both);
    const bool neither = co_await timeout::run(std::nullopt, body);
    CHECK_FALSE(neither);
  }());
}

TEST_CASE("deadline: costs a task one word, and no context", "[api][deadline]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto body = []() -> coro<> {
      CHECK_FALSE(loop::current().tasks().context());
      co_return;
    };
    co_await timeout::run(1s, body);
  }());
}

TEST_CASE("deadline: each of many tasks sees its own, in any order", "[api][deadline]") {
  const auto scenario = []() -> coro<> {
    auto one = [](int i) -> coro<bool> {
      auto body = [](int ms) -> coro<bool> {
        const auto here = left();
        const auto child = co_await create_task(ask());
        co_await sleep(1ms);
        const auto after = left();
        co_return here == ms&& child == ms&& after == ms - 1;
      };
      co_return co_await timeout::run(std::chrono::milliseconds(i), body, i);
    };
    std::vector<coro<bool>> all;
    for (int i = 10; i < 40; ++i) all.push_back(one(i));
    const auto right = co_await gather(std::move(all));
    CHECK(std::count(right.begin(), right.end(), true) == 30);
  };
  test::for_seeds(scenario);
}
