#include <sheaf/event.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <memory>
#include <optional>

using namespace sheaf;
using namespace std::chrono_literals;
using test::batches;
using test::event_log;
using test::virtual_loop;

namespace {

coro<> wait_for_it(event& e, event_log& log, std::string name) {
  const bool set = co_await e.wait();
  CHECK(set);
  log.push_back(name);
}

}  // namespace

TEST_CASE("event: wait() of a set one is true at once, without a turn (EVENT-1)",
          "[api][event][EVENT-1]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    event e;
    CHECK_FALSE(e.is_set());
    e.set();
    CHECK(e.is_set());
    const auto before = loop::current().ticks();
    const bool set = co_await e.wait();
    CHECK(set);
    CHECK(loop::current().ticks() == before);
  };
  l.run_until_complete(body());
}

TEST_CASE("event: wait() of an unset one blocks until set() (EVENT-1)",
          "[api][event][EVENT-1]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    event e;
    const auto a = create_task(wait_for_it(e, seen, "a"));
    co_await sleep(5ms);
    CHECK(seen.empty());
    e.set();
    CHECK(seen.empty());
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a"});
  CHECK(l.elapsed_ms() == 5);
}

TEST_CASE("event: set() wakes all in their order, through the ready queue (EVENT-2)",
          "[api][event][EVENT-2]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    event e;
    const auto a = create_task(wait_for_it(e, seen, "a"));
    const auto b = create_task(wait_for_it(e, seen, "b"));
    const auto c = create_task(wait_for_it(e, seen, "c"));
    co_await batches(2);
    loop::current().call_soon([&] { seen.push_back("queued before"); });
    e.set();
    loop::current().call_soon([&] { seen.push_back("queued after"); });
    co_await batches(1);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"queued before", "a", "b", "c", "queued after"});
}

TEST_CASE("event: those who were woken stay woken when it is cleared (EVENT-3)",
          "[api][event][EVENT-3]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    event e;
    const auto a = create_task(wait_for_it(e, seen, "a"));
    const auto b = create_task(wait_for_it(e, seen, "b"));
    co_await batches(2);
    e.set();
    e.clear();
    CHECK_FALSE(e.is_set());
    co_await gather(a, b);
    const auto late = create_task(wait_for_it(e, seen, "late"));
    co_await batches(3);
    CHECK_FALSE(late.done());
    e.set();
    e.set();
    co_await late;
    e.clear();
    e.clear();
    CHECK_FALSE(e.is_set());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "b", "late"});
}

TEST_CASE("event: a cancelled waiter is removed (EVENT-4)", "[api][event][EVENT-4]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    event e;
    const auto a = create_task(wait_for_it(e, seen, "a"));
    const auto b = create_task(wait_for_it(e, seen, "b"));
    co_await batches(2);
    a.cancel();
    e.set();
    co_await as_outcome(a);
    co_await b;
    CHECK(a.cancelled());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b"});
}

TEST_CASE("event: a waiter cancelled after it was woken is cancelled (EVENT-4)",
          "[api][event][EVENT-4]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    event e;
    const auto a = create_task(wait_for_it(e, seen, "a"));
    co_await batches(2);
    e.set();
    a.cancel();
    co_await as_outcome(a);
    CHECK(a.cancelled());
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("event: who comes after set() passes before those who were woken (EVENT-5)",
          "[api][event][EVENT-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    event e;
    const auto a = create_task(wait_for_it(e, seen, "a"));
    co_await batches(2);
    e.set();
    co_await wait_for_it(e, seen, "late");
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"late", "a"});
}

TEST_CASE("event: a task that it wakes may destroy it", "[api][event]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    auto e = std::make_unique<event>();
    const auto destroy = [](std::unique_ptr<event>& mine, event_log& s) -> coro<> {
      co_await mine->wait();
      mine.reset();
      s.push_back("destroyed");
    };
    const auto a = create_task(destroy(e, seen));
    const auto b = create_task(wait_for_it(*e, seen, "b"));
    co_await batches(2);
    e->set();
    co_await gather(a, b);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"destroyed", "b"});
}

TEST_CASE("event: destroyed unset, those who wait are told", "[api][event]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    std::optional<event> e(std::in_place);
    const auto a = create_task(wait_for_it(*e, seen, "a"));
    co_await batches(2);
    e.reset();
    const auto how = co_await as_outcome(a);
    CHECK_THROWS_AS(how.value(), invalid_state);
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("event: a task of another loop may not wait for it", "[api][event]") {
  event_log log;
  event e;
  virtual_loop first, second;
  const auto a = first.create_task(wait_for_it(e, log, "a"));
  first.turn();
  CHECK_THROWS_AS(second.run_until_complete(wait_for_it(e, log, "b")), invalid_state);
  e.set();
  first.run_until_complete(a);
  CHECK(log == event_log{"a"});
}

TEST_CASE("event: all go on, in whatever order they run", "[api][event]") {
  test::for_seeds([]() -> coro<> {
    event e;
    event_log log;
    std::vector<task<>> all;
    for (int i = 0; i < 6; ++i) all.push_back(create_task(wait_for_it(e, log, "x")));
    co_await sleep(0ms);
    e.set();
    co_await gather(all);
    CHECK(log.size() == 6);
  });
}
