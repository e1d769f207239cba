#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using test::counted;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

sheaf::coro<> wait_for_it(sheaf::future<int> f, event_log& log) {
  try {
    log.push_back(std::to_string(co_await f));
  } catch (const sheaf::broken_promise&) {
    log.push_back("broken");
  }
}

struct throws_when_made {
  explicit throws_when_made(bool now) {
    if (now) throw std::runtime_error("not made");
  }
};

}  // namespace

static_assert(std::is_nothrow_move_constructible_v<sheaf::promise<int>>);
static_assert(std::is_nothrow_move_assignable_v<sheaf::promise<int>>);
static_assert(!std::is_copy_assignable_v<sheaf::promise<int>>);

TEST_CASE("promise: dropped unset, it breaks its future", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::future<int> f;
  {
    const sheaf::promise<int> p(l);
    f = p.get_future();
  }
  CHECK(f.done());
  CHECK_FALSE(f.cancelled());
  CHECK_THROWS_AS(f.result(), sheaf::broken_promise);
}

TEST_CASE("promise: dropped unset, it wakes who waits", "[api][promise]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto p = std::make_unique<sheaf::promise<int>>(l);
  auto t = l.create_task(wait_for_it(p->get_future(), log));
  l.call_soon([&p] { p.reset(); });
  l.run_until_complete(t);
  CHECK(log == event_log{"broken"});
}

TEST_CASE("promise: dropped unset, it calls the callbacks of a future nobody holds",
          "[api][promise]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  {
    const sheaf::promise<int> p(l);
    p.get_future().add_done_callback([&log](const sheaf::future<int>& f) {
      CHECK_THROWS_AS(f.result(), sheaf::broken_promise);
      log.push_back("called");
    });
  }
  l.run_forever();
  CHECK(log == event_log{"called"});
}

TEST_CASE("promise: a broken one is not reported", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  {
    sheaf::future<int> f;
    {
      const sheaf::promise<int> p(l);
      f = p.get_future();
    }
  }
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("promise: dropped after it was kept, it changes nothing", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::future<int> f;
  {
    sheaf::promise<int> p(l);
    f = p.get_future();
    p.set_value(3);
  }
  CHECK(f.result() == 3);
}

TEST_CASE("promise: moved, it still keeps its future", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto f = p.get_future();
  sheaf::promise<int> q = std::move(p);
  CHECK_FALSE(f.done());
  q.set_value(1);
  CHECK(f.result() == 1);
}

TEST_CASE("promise: one moved from says so", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::promise<int> q = std::move(p);
  CHECK_THROWS_AS(p.set_value(1), sheaf::invalid_state);  // NOLINT: that is the question
  CHECK_THROWS_AS(p.try_set_value(1), sheaf::invalid_state);
  CHECK_THROWS_AS(p.get_future(), sheaf::invalid_state);
  CHECK_THROWS_AS(p.done(), sheaf::invalid_state);
}

TEST_CASE("promise: assigned over, it breaks what it had", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  sheaf::promise<int> q(l);
  const auto of_p = p.get_future();
  const auto of_q = q.get_future();
  p = std::move(q);
  CHECK_THROWS_AS(of_p.result(), sheaf::broken_promise);
  CHECK_FALSE(of_q.done());
  p.set_value(2);
  CHECK(of_q.result() == 2);
}

TEST_CASE("promise: moved to itself, it stays", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto f = p.get_future();
  auto& same = p;
  p = std::move(same);
  CHECK_FALSE(f.done());
  p.set_value(1);
  CHECK(f.result() == 1);
}

TEST_CASE("promise: a null exception is refused", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  CHECK_THROWS_AS(p.set_exception(nullptr), sheaf::invalid_state);
  CHECK_THROWS_AS(p.try_set_exception(nullptr), sheaf::invalid_state);
  CHECK_FALSE(p.done());
}

TEST_CASE("promise: a value that throws when it is made leaves it pending",
          "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<throws_when_made> p(l);
  CHECK_THROWS_AS(p.set_value(true), std::runtime_error);
  CHECK_FALSE(p.done());
  p.set_value(false);
  CHECK(p.done());
}

TEST_CASE("promise: a value is made in place, and neither copied nor moved",
          "[api][promise]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<counted> p(l);
    CHECK(counted::alive == 0);  // not before it is set
    p.set_value(7);
    CHECK(p.get_future().result().value == 7);
  }
  CHECK(counted::copies == 0);
  CHECK(counted::moves == 0);
  CHECK(counted::alive == 0);
}

TEST_CASE("promise: a value given as an rvalue is moved once", "[api][promise]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  sheaf::promise<counted> p(l);
  p.set_value(counted(7));
  CHECK(counted::copies == 0);
  CHECK(counted::moves == 1);
}

TEST_CASE("promise: a value lives while a future holds it, not longer",
          "[api][promise]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  sheaf::future<counted> f;
  {
    sheaf::promise<counted> p(l);
    f = p.get_future();
    p.set_value(7);
  }
  CHECK(counted::alive == 1);
  f = {};
  CHECK(counted::alive == 0);
}

TEST_CASE("promise: done() tells of a cancellation by who waits", "[api][promise]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  CHECK_FALSE(p.done());
  p.get_future().cancel();
  CHECK(p.done());
}

TEST_CASE("promise: one of a type over-aligned gives an aligned value",
          "[api][promise]") {
  struct alignas(64) wide {
    char bytes[64] = {};
  };
  sheaf::loop l(virtual_clock());
  sheaf::promise<wide> p(l);
  p.set_value(wide());
  CHECK(reinterpret_cast<std::uintptr_t>(&p.get_future().result()) % alignof(wide) == 0);
}
