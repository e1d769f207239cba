#include <sheaf/semaphore.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <optional>
#include <stdexcept>

using namespace sheaf;
using namespace std::chrono_literals;
using test::batches;
using test::event_log;
using test::thrown_by;
using test::virtual_loop;

namespace {

coro<> take(semaphore& s, event_log& log, std::string name) {
  co_await s.acquire();
  log.push_back(name);
}

/// How many permits can be taken without waiting.
coro<int> free_permits(semaphore& s) {
  int n = 0;
  while (!s.locked()) {
    co_await s.acquire();
    ++n;
  }
  for (int i = 0; i < n; ++i) s.release();
  co_return n;
}

}  // namespace

TEST_CASE("semaphore: a number below 0 is an argument error, 0 is locked (SEM-1)",
          "[api][semaphore][SEM-1]") {
  CHECK_THROWS_AS(semaphore(-1), std::invalid_argument);
  CHECK_THROWS_AS(bounded_semaphore(-1), std::invalid_argument);
  CHECK(semaphore(0).locked());
  CHECK(bounded_semaphore(0).locked());
  CHECK_FALSE(semaphore().locked());
}

TEST_CASE("semaphore: a free permit is taken without a turn of the loop (SEM-2)",
          "[api][semaphore][SEM-2]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    semaphore s(2);
    const auto before = loop::current().ticks();
    co_await s.acquire();
    CHECK_FALSE(s.locked());
    co_await s.acquire();
    CHECK(loop::current().ticks() == before);
    CHECK(s.locked());
    s.release();
    CHECK_FALSE(s.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("semaphore: without a free one it waits (SEM-2)", "[api][semaphore][SEM-2]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    const auto a = create_task(take(s, seen, "a"));
    co_await sleep(3ms);
    CHECK(seen.empty());
    s.release();
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a"});
}

TEST_CASE("semaphore: permits go to waiters in their order (SEM-3)",
          "[api][semaphore][SEM-3]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(1);
    const auto use = [](semaphore& of, event_log& log_, std::string name) -> coro<> {
      for (const char* round : {"1", "2"}) {
        const auto g = co_await of.scoped_lock();
        log_.push_back(name + round);
        co_await sleep(1ms);
      }
    };
    co_await gather(use(s, seen, "a"), use(s, seen, "b"), use(s, seen, "c"));
  };
  l.run_until_complete(body(log));
  // Who releases and acquires again stands behind those who wait.
  CHECK(log == event_log{"a1", "b1", "c1", "a2", "b2", "c2"});
}

TEST_CASE(
    "semaphore: release() gives the permit at once, a newcomer cannot have it (SEM-4)",
    "[api][semaphore][SEM-4]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    const auto a = create_task(take(s, seen, "a"));
    co_await batches(2);
    s.release();
    CHECK(s.locked());  // though a has not run
    const auto late = create_task(take(s, seen, "late"));
    co_await batches(3);
    CHECK(a.done());
    CHECK_FALSE(late.done());
    s.release();
    co_await late;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "late"});
}

TEST_CASE("semaphore: several releases in a batch wake as many, in order (SEM-5)",
          "[api][semaphore][SEM-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    std::vector<task<>> all;
    for (const char* name : {"a", "b", "c", "d"})
      all.push_back(create_task(take(s, seen, name)));
    co_await batches(2);
    s.release();
    s.release();
    s.release();
    co_await batches(1);
    CHECK(seen == event_log{"a", "b", "c"});
    co_await batches(2);
    CHECK_FALSE(all[3].done());
    s.release();
    co_await all[3];
  };
  l.run_until_complete(body(log));
}

TEST_CASE("semaphore: one that finds more permits free wakes the next ones (SEM-5)",
          "[api][semaphore][SEM-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    const auto a = create_task(take(s, seen, "a"));
    co_await batches(2);
    s.release();
    s.release();  // one more than waiters: it stays free
    const auto b = create_task(take(s, seen, "b"));
    CHECK(s.locked());  // for who comes now stands behind a
    co_await batches(3);
    CHECK(b.done());
    CHECK(s.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "b"});
}

TEST_CASE("semaphore: those who came behind a woken one go on when it has run (SEM-5)",
          "[api][semaphore][SEM-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    const auto a = create_task(take(s, seen, "a"));
    co_await batches(2);
    const auto b = create_task(take(s, seen, "b"), task_options().eager_start());
    s.release();
    s.release();
    s.release();
    const auto c = create_task(take(s, seen, "c"), task_options().eager_start());
    CHECK_FALSE(c.done());
    co_await batches(3);
    CHECK(c.done());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "b", "c"});
}

TEST_CASE("semaphore: cancelled waiters are skipped (SEM-6)", "[api][semaphore][SEM-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    const auto a = create_task(take(s, seen, "a"));
    const auto b = create_task(take(s, seen, "b"));
    const auto c = create_task(take(s, seen, "c"));
    co_await batches(2);
    a.cancel();
    s.release();  // before a has run
    co_await batches(2);
    CHECK(b.done());
    s.release();
    co_await c;
    CHECK(a.cancelled());
    CHECK(s.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b", "c"});
}

TEST_CASE("semaphore: one cancelled with its permit gives it to the next (SEM-7)",
          "[api][semaphore][SEM-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(0);
    const auto a = create_task(take(s, seen, "a"));
    const auto b = create_task(take(s, seen, "b"));
    co_await batches(2);
    s.release();
    a.cancel();
    co_await b;
    CHECK(a.cancelled());
    CHECK(s.locked());
    const int none = co_await free_permits(s);
    CHECK(none == 0);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b"});
}

TEST_CASE("semaphore: with nobody behind, a permit given in vain is free again (SEM-7)",
          "[api][semaphore][SEM-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    semaphore s(1);
    co_await s.acquire();
    const auto a = create_task(take(s, seen, "a"));
    co_await batches(2);
    s.release();
    a.cancel();
    co_await as_outcome(a);
    const int n = co_await free_permits(s);
    CHECK(n == 1);
  };
  l.run_until_complete(body(log));
}

TEST_CASE("semaphore: the bounded one refuses a release too many (SEM-8)",
          "[api][semaphore][SEM-8]") {
  semaphore s(1);
  s.release();
  CHECK_FALSE(s.locked());
  bounded_semaphore b(1);
  CHECK_THROWS_AS(b.release(), invalid_state);
  virtual_loop l;
  const auto body = [](bounded_semaphore& of) -> coro<> {
    co_await of.acquire();
    of.release();
    CHECK_THROWS_AS(of.release(), invalid_state);
    CHECK_FALSE(of.locked());
    const int n = co_await free_permits(of);
    CHECK(n == 1);
  };
  l.run_until_complete(body(b));
}

TEST_CASE("semaphore: a guard gives its permit back at every end of its scope (SEM-9)",
          "[api][semaphore][SEM-9]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    bounded_semaphore s(1);
    {
      const auto g = co_await s.scoped_lock();
      CHECK(s.locked());
    }
    CHECK_FALSE(s.locked());
    const auto failing = [](semaphore& of) -> coro<> {
      const auto g = co_await of.scoped_lock();
      throw test::failure("inside");
    };
    co_await as_outcome(failing(s));
    CHECK_FALSE(s.locked());
    const auto sleeping = [](semaphore& of) -> coro<> {
      const auto g = co_await of.scoped_lock();
      co_await sleep(1h);
    };
    const auto t = create_task(sleeping(s));
    co_await batches(2);
    t.cancel();
    co_await as_outcome(t);
    CHECK_FALSE(s.locked());
    auto g = co_await s.scoped_lock();
    s.release();
    g.release();  // somebody else gave it back: not once more
    const int n = co_await free_permits(s);
    CHECK(n == 1);
  };
  l.run_until_complete(body());
}

TEST_CASE("semaphore: destroyed while tasks wait, each of them is told",
          "[api][semaphore]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    std::optional<semaphore> s(std::in_place, 0);
    const auto a = create_task(take(*s, seen, "a"));
    const auto b = create_task(take(*s, seen, "b"));
    co_await batches(2);
    s->release();
    s.reset();
    const auto first = co_await as_outcome(a);
    const auto second = co_await as_outcome(b);
    CHECK_THROWS_AS(first.value(), invalid_state);
    CHECK_THROWS_AS(second.value(), invalid_state);
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("semaphore: one of another loop is refused", "[api][semaphore]") {
  event_log log;
  semaphore s(1);
  virtual_loop first, second;
  first.run_until_complete(take(s, log, "a"));
  s.release();
  CHECK_THROWS_AS(second.run_until_complete(take(s, log, "b")), invalid_state);
}

TEST_CASE("semaphore: no permit is lost, in whatever order tasks run",
          "[api][semaphore]") {
  test::for_seeds([]() -> coro<> {
    semaphore s(2);
    int inside = 0;
    const auto use = [](semaphore& of, int& in) -> coro<> {
      struct count {
        int& n;
        ~count() { --n; }
      };
      const auto g = co_await of.scoped_lock();
      const count here{in};
      CHECK(++in <= 2);
      co_await sleep(0ms);
    };
    std::vector<task<>> all;
    for (int i = 0; i < 9; ++i) all.push_back(create_task(use(s, inside)));
    for (std::size_t i = 0; i < all.size(); i += 2) {
      co_await sleep(0ms);
      all[i].cancel();
    }
    for (auto& t : all) co_await as_outcome(t);
    CHECK(inside == 0);
    const int n = co_await free_permits(s);
    CHECK(n == 2);
  });
}
