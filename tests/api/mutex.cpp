#include <sheaf/mutex.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <optional>

using namespace sheaf;
using namespace std::chrono_literals;
using test::batches;
using test::event_log;
using test::thrown_by;
using test::virtual_loop;

namespace {

/// Takes the lock, notes that, and keeps it for `d`.
coro<> hold(mutex& m, event_log& log, std::string name,
            std::chrono::milliseconds d = 0ms) {
  co_await m.acquire();
  log.push_back(name);
  if (d.count() != 0) co_await sleep(d);
  m.release();
}

/// The same, and does not release.
coro<> take(mutex& m, event_log& log, std::string name) {
  co_await m.acquire();
  log.push_back(name);
}

}  // namespace

TEST_CASE("mutex: a free one is taken without a turn of the loop (LOCK-1)",
          "[api][mutex][LOCK-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    mutex m;
    CHECK_FALSE(m.locked());
    const auto before = loop::current().ticks();
    co_await m.acquire();
    CHECK(loop::current().ticks() == before);
    CHECK(m.locked());
    m.release();
    CHECK_FALSE(m.locked());
  }());
}

TEST_CASE("mutex: one made before the loop runs is taken without a turn, too (LOCK-1)",
          "[api][mutex][LOCK-1]") {
  mutex m;
  virtual_loop l;
  const auto body = [](mutex& lock) -> coro<> {
    const auto before = loop::current().ticks();
    for (int i = 0; i < 3; ++i) {
      co_await lock.acquire();
      lock.release();
    }
    CHECK(loop::current().ticks() == before);
  };
  l.run_until_complete(body(m));
}

TEST_CASE("mutex: waiters get it in the order in which they came, one a release (LOCK-2)",
          "[api][mutex][LOCK-2]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(take(m, seen, "a"));
    const auto b = create_task(take(m, seen, "b"));
    const auto c = create_task(take(m, seen, "c"));
    co_await batches(3);
    CHECK(seen.empty());
    for (const auto* each : {"a", "b", "c"}) {
      m.release();
      co_await batches(3);
      CHECK(seen.back() == each);
      CHECK(m.locked());
    }
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "b", "c"});
}

TEST_CASE("mutex: a waiter goes on one batch after the release (LOCK-2)",
          "[api][mutex][LOCK-2]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(hold(m, seen, "a"));
    co_await batches(2);
    loop::current().call_soon([&] { seen.push_back("queued before"); });
    m.release();
    loop::current().call_soon([&] { seen.push_back("queued after"); });
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"queued before", "a", "queued after"});
}

TEST_CASE(
    "mutex: between release and hand-over it is free, but a newcomer waits (LOCK-3)",
    "[api][mutex][LOCK-3]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(hold(m, seen, "a", 1ms));
    co_await batches(2);
    m.release();
    CHECK_FALSE(m.locked());
    co_await m.acquire();  // behind a, which has not run
    seen.push_back("newcomer");
    m.release();
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "newcomer"});
}

TEST_CASE("mutex: releasing a free one is an error (LOCK-4)", "[api][mutex][LOCK-4]") {
  mutex m;
  CHECK_THROWS_AS(m.release(), invalid_state);
  CHECK(thrown_by([&] { m.release(); }).find("acquire it first") != std::string::npos);
  CHECK_FALSE(m.locked());
}

TEST_CASE("mutex: any task may release it (LOCK-4)", "[api][mutex][LOCK-4]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto free = [](mutex& lock) -> coro<> {
      lock.release();
      co_return;
    };
    co_await create_task(free(m));
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("mutex: a cancelled waiter leaves the line, and nothing else changes (LOCK-5)",
          "[api][mutex][LOCK-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(hold(m, seen, "a"));
    const auto b = create_task(hold(m, seen, "b"));
    co_await batches(2);
    a.cancel("enough");
    CHECK(m.locked());
    const auto how = co_await as_outcome(a);
    CHECK(how.is_cancelled());
    CHECK(m.locked());
    m.release();
    co_await b;
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b"});
}

TEST_CASE("mutex: one woken and cancelled before it runs passes it on (LOCK-6)",
          "[api][mutex][LOCK-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(hold(m, seen, "a"));
    const auto b = create_task(take(m, seen, "b"));
    const auto c = create_task(take(m, seen, "c"));
    co_await batches(2);
    m.release();
    a.cancel();  // woken, and has not run
    co_await batches(3);
    CHECK(a.cancelled());
    CHECK(b.done());
    CHECK_FALSE(c.done());  // exactly one
    CHECK(m.locked());
    m.release();
    co_await c;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b", "c"});
}

TEST_CASE("mutex: the last waiter woken and cancelled leaves it free (LOCK-6)",
          "[api][mutex][LOCK-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(hold(m, seen, "a"));
    co_await batches(2);
    m.release();
    a.cancel();
    co_await as_outcome(a);
    CHECK_FALSE(m.locked());
    const auto before = loop::current().ticks();
    co_await m.acquire();
    CHECK(loop::current().ticks() == before);
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("mutex: two woken and cancelled in a row, and one is not lost (LOCK-6)",
          "[api][mutex][LOCK-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    co_await m.acquire();
    const auto a = create_task(hold(m, seen, "a"));
    const auto b = create_task(hold(m, seen, "b"));
    const auto c = create_task(hold(m, seen, "c"));
    co_await batches(2);
    b.cancel();
    m.release();
    a.cancel();
    co_await c;
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"c"});
}

TEST_CASE("mutex: a guard releases at every end of its scope (LOCK-7)",
          "[api][mutex][LOCK-7]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m;
    {
      const auto g = co_await m.scoped_lock();
      CHECK(m.locked());
    }
    CHECK_FALSE(m.locked());
    const auto failing = [](mutex& lock) -> coro<> {
      const auto g = co_await lock.scoped_lock();
      throw test::failure("inside");
    };
    const auto failed = co_await as_outcome(failing(m));
    CHECK_FALSE(failed.has_value());
    CHECK_FALSE(m.locked());
    const auto sleeping = [](mutex& lock) -> coro<> {
      const auto g = co_await lock.scoped_lock();
      co_await sleep(1h);
    };
    const auto t = create_task(sleeping(m));
    co_await batches(2);
    CHECK(m.locked());
    t.cancel();
    co_await as_outcome(t);
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("mutex: a guard waits for its turn as acquire() does (LOCK-7)",
          "[api][mutex][LOCK-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    const auto use = [](mutex& lock, event_log& s, const char* name) -> coro<> {
      const auto g = co_await lock.scoped_lock();
      s.push_back(name);
      co_await sleep(1ms);
    };
    co_await gather(use(m, seen, "a"), use(m, seen, "b"), use(m, seen, "c"));
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "b", "c"});
  CHECK(l.elapsed_ms() == 3);
}

TEST_CASE("mutex: a guard is moved, and may release early", "[api][mutex]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m, other;
    auto g = co_await m.scoped_lock();
    auto h = std::move(g);
    CHECK(m.locked());
    h.release();
    CHECK_FALSE(m.locked());
    h.release();
    co_await m.acquire();
    h.release();  // it has let go for good
    CHECK(m.locked());
    g = co_await other.scoped_lock();
    g = mutex::guard(m);
    CHECK_FALSE(other.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("mutex: using one of another loop is an error (LOCK-8)",
          "[api][mutex][LOCK-8]") {
  event_log log;
  mutex m;
  virtual_loop first;
  const auto held = first.create_task(hold(m, log, "held", 1h));
  const auto waiting = first.create_task(hold(m, log, "waiting"));
  while (log.empty()) first.turn();
  virtual_loop second;
  CHECK_THROWS_AS(second.run_until_complete(hold(m, log, "foreign")), invalid_state);
  CHECK(thrown_by([&] {
          second.run_until_complete(hold(m, log, "foreign"));
        }).find("another") != std::string::npos);
  CHECK(m.locked());
  first.run_until_complete(waiting);
  CHECK(log == event_log{"held", "waiting"});
}

TEST_CASE("mutex: a free one of another loop that runs is refused as well (LOCK-8)",
          "[api][mutex][LOCK-8]") {
  event_log log;
  mutex m;
  virtual_loop first, second;
  first.run_until_complete(hold(m, log, "first"));
  CHECK_THROWS_AS(second.run_until_complete(hold(m, log, "second")), invalid_state);
}

TEST_CASE("mutex: when its loop is closed another may have it", "[api][mutex]") {
  event_log log;
  mutex m;
  for (const char* name : {"first", "second"}) {
    virtual_loop l;
    l.run_until_complete(hold(m, log, name));
  }
  CHECK(log == event_log{"first", "second"});
}

TEST_CASE("mutex: destroyed while tasks wait, each of them is told", "[api][mutex]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    std::optional<mutex> m(std::in_place);
    co_await m->acquire();
    const auto a = create_task(hold(*m, seen, "a"));
    const auto b = create_task(hold(*m, seen, "b"));
    co_await batches(2);
    m->release();  // a is woken, and has not run
    m.reset();
    const auto first = co_await as_outcome(a);
    const auto second = co_await as_outcome(b);
    CHECK(thrown_by([&] { first.value(); }).find("destroyed") != std::string::npos);
    CHECK_THROWS_AS(second.value(), invalid_state);
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("mutex: a cancelled waiter may outlive it", "[api][mutex]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    std::optional<mutex> m(std::in_place);
    co_await m->acquire();
    const auto a = create_task(hold(*m, seen, "a"));
    const auto b = create_task(hold(*m, seen, "b"));
    co_await batches(2);
    a.cancel();
    m->release();
    b.cancel();
    m.reset();
    co_await as_outcome(a);
    co_await as_outcome(b);
    CHECK(a.cancelled());
    CHECK(b.cancelled());
  };
  l.run_until_complete(body(log));
}

TEST_CASE("mutex: one task at a time, in whatever order they run", "[api][mutex]") {
  test::for_seeds([]() -> coro<> {
    mutex m;
    int inside = 0;
    const auto enter = [](mutex& lock, int& in) -> coro<> {
      struct count {
        int& n;
        ~count() { --n; }
      };
      const auto g = co_await lock.scoped_lock();
      const count here{in};
      CHECK(++in == 1);
      co_await sleep(0ms);
    };
    std::vector<task<>> all;
    for (int i = 0; i < 8; ++i) all.push_back(create_task(enter(m, inside)));
    for (std::size_t i = 0; i < all.size(); i += 3) {
      co_await sleep(0ms);
      all[i].cancel();
    }
    for (auto& t : all) co_await as_outcome(t);
    CHECK(inside == 0);
    CHECK_FALSE(m.locked());
  });
}
