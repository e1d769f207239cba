#include <sheaf/scoped_task.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut.hpp"
#include "support/event_log.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::noted;
using test::virtual_loop;

static_assert(!std::is_copy_constructible_v<scoped_task<int>>);
static_assert(std::is_nothrow_move_constructible_v<scoped_task<int>>);

TEST_CASE("scoped_task: leaving its scope cancels the task, with a reason",
          "[api][scoped_task]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    event_log log;
    task<int> seen;
    {
      const scoped_task beat(create_task(noted(log, "beat", 1h)));
      seen = beat.get();
      co_await sleep(1ms);
    }
    CHECK_FALSE(seen.done());  // asked, not waited for
    CHECK(seen.cancelling() == 1);
    co_await sleep(0ms);
    CHECK(seen.cancelled());
    CHECK(test::thrown_by([&] { seen.result(); }) ==
          "cancelled: its scoped_task has ended");
    CHECK(log == event_log{"beat begins", "beat is cancelled"});
  }());
}

TEST_CASE("scoped_task: of a task that is done it does nothing", "[api][scoped_task]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    task<int> seen;
    {
      scoped_task t(give(3));
      seen = t.get();
      CHECK(co_await t == 3);
    }
    CHECK(seen.result() == 3);
    CHECK(seen.cancelling() == 0);
  }());
}

TEST_CASE("scoped_task: awaited as an rvalue it hands the value over",
          "[api][scoped_task]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = []() -> coro<std::unique_ptr<int>> {
      co_return std::make_unique<int>(4);
    };
    scoped_task t(make());
    const std::unique_ptr<int> got = co_await std::move(t);
    CHECK(*got == 4);
  }());
}

TEST_CASE("scoped_task: release lets the task go on", "[api][scoped_task]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    task<int> free;
    {
      scoped_task t(give(5, 1ms));
      free = t.release();
    }
    CHECK(co_await free == 5);
  }());
}

TEST_CASE(
    "scoped_task: moved, the duty goes along; assigned to, the old one is cancelled",
    "[api][scoped_task]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    scoped_task a(give(1, 5ms));
    const task<int> first = a.get();
    scoped_task b(std::move(a));
    CHECK(first.cancelling() == 0);
    scoped_task c(give(2, 5ms));
    const task<int> second = c.get();
    b = std::move(c);
    CHECK(first.cancelling() == 1);
    CHECK(second.cancelling() == 0);
    CHECK(co_await b == 2);
  }());
}

TEST_CASE("scoped_task: may be cut off at any batch", "[api][scoped_task][cut]") {
  using test::cut::witness;
  const auto child = [](test::cut::lives& all) -> coro<> {
    const witness w(all);
    co_await sleep(5ms);
  };
  test::cut::everywhere([child](test::cut::lives& l) -> coro<> {
    const witness w(l);
    const scoped_task t(child(l));
    co_await sleep(0ms);
    const scoped_task u(child(l));
    co_await sleep(2ms);
    co_await t;
  });
}

TEST_CASE("scoped_task: says that its scope was left, which nobody takes back",
          "[api][scoped_task]") {
  test::virtual_loop l;
  cancel_why why{};
  const auto child = [](cancel_why& into) -> coro<> {
    try {
      co_await sleep(std::chrono::hours(1));
    } catch (const cancelled& c) {
      into = c.why();
      throw;
    }
  };
  const auto scope = [&]() -> coro<> {
    const scoped_task<void> mine(create_task(child(why)));
    co_await sleep(std::chrono::milliseconds(1));
  };
  l.run_until_complete(scope());
  l.run_forever();
  CHECK(why == cancel_why::left);
}
