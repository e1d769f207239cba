#include <sheaf/condition.hpp>

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
using test::thrown_by;
using test::virtual_loop;

namespace {

/// Waits once with the lock, and notes that it goes on, or how it was stopped.
coro<> wait_once(condition& c, event_log& log, std::string name) {
  const auto g = co_await c.scoped_lock();
  try {
    const bool notified = co_await c.wait();
    CHECK(notified);
  } catch (const cancelled& why) {
    CHECK(c.locked());
    log.push_back(name + " cancelled: " + why.reason());
    throw;
  }
  CHECK(c.locked());
  log.push_back(name);
}

coro<> notify(condition& c, std::size_t n) {
  const auto g = co_await c.scoped_lock();
  c.notify(n);
}

}  // namespace

TEST_CASE("condition: wait() needs the lock, gives it up and takes it again (COND-1)",
          "[api][condition][COND-1]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    const auto refused = co_await as_outcome(c.wait());
    CHECK(thrown_by([&] { refused.value(); }).find("acquire it first") !=
          std::string::npos);
    CHECK_THROWS_AS(refused.value(), invalid_state);
    const auto a = create_task(wait_once(c, seen, "a"));
    co_await batches(2);
    CHECK_FALSE(c.locked());
    CHECK_FALSE(a.done());
    co_await notify(c, 1);
    co_await a;
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a"});
}

TEST_CASE("condition: notify() and notify_all() need the lock (COND-1)",
          "[api][condition][COND-1]") {
  condition c;
  CHECK_THROWS_AS(c.notify(), invalid_state);
  CHECK_THROWS_AS(c.notify_all(), invalid_state);
  CHECK_THROWS_AS(c.release(), invalid_state);
}

TEST_CASE("condition: notify(n) wakes at most n, the oldest first (COND-2)",
          "[api][condition][COND-2]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    co_await notify(c, 9);  // nobody: it is not remembered
    std::vector<task<>> all;
    for (const char* name : {"a", "b", "c", "d", "e"})
      all.push_back(create_task(wait_once(c, seen, name)));
    co_await batches(3);
    CHECK(seen.empty());
    co_await notify(c, 1);
    co_await batches(5);
    CHECK(seen == event_log{"a"});
    co_await notify(c, 2);
    co_await batches(5);
    CHECK(seen == event_log{"a", "b", "c"});
    co_await notify(c, 100);
    co_await batches(5);
    CHECK(seen == event_log{"a", "b", "c", "d", "e"});
  };
  l.run_until_complete(body(log));
}

TEST_CASE("condition: one notified goes on only when the lock is free (COND-3)",
          "[api][condition][COND-3]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    std::vector<task<>> all;
    for (const char* name : {"a", "b", "c"})
      all.push_back(create_task(wait_once(c, seen, name)));
    co_await batches(2);
    co_await c.acquire();
    c.notify_all();
    co_await batches(5);
    CHECK(seen.empty());
    CHECK(c.locked());
    c.release();
    co_await batches(1);
    CHECK(seen == event_log{"a"});  // one after the other
    co_await batches(1);
    CHECK(seen == event_log{"a", "b"});
    co_await gather(all);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a", "b", "c"});
}

TEST_CASE("condition: a cancelled waiter has the lock when wait() throws (COND-4)",
          "[api][condition][COND-4]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    const auto a = create_task(wait_once(c, seen, "a"));
    co_await batches(2);
    a.cancel("enough");
    co_await as_outcome(a);
    CHECK(a.cancelled());
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a cancelled: enough"});
}

TEST_CASE("condition: cancelled while another holds the lock, it waits for it (COND-4)",
          "[api][condition][COND-4]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    const auto a = create_task(wait_once(c, seen, "a"));
    co_await batches(2);
    co_await c.acquire();
    a.cancel("enough");
    co_await sleep(3ms);
    CHECK(seen.empty());
    CHECK_FALSE(a.done());
    c.release();
    co_await as_outcome(a);
    CHECK(a.cancelled());
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a cancelled: enough"});
}

TEST_CASE("condition: a request does not stop the taking again of the lock (COND-5)",
          "[api][condition][COND-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    const auto a = create_task(wait_once(c, seen, "a"));
    co_await batches(2);
    co_await c.acquire();
    c.notify();
    co_await batches(2);
    a.cancel("first");
    co_await batches(3);
    CHECK_FALSE(a.done());
    a.cancel("second");
    co_await batches(3);
    CHECK_FALSE(a.done());
    c.release();
    co_await as_outcome(a);
    CHECK(a.cancelled());
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a cancelled: second"});
}

TEST_CASE("condition: what is thrown is the error that came, with its reason (COND-6)",
          "[api][condition][COND-6]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    const auto waits = [](condition& on) -> coro<cancelled> {
      const auto g = co_await on.scoped_lock();
      try {
        co_await on.wait();
      } catch (const cancelled& why) {
        co_return why;
      }
      co_return cancelled();
    };
    // While it waits for the notification, and while it waits for the lock.
    for (const bool notified : {false, true}) {
      const auto a = create_task(waits(c));
      co_await batches(2);
      co_await c.acquire();
      if (notified) c.notify();
      co_await batches(2);
      a.cancel("the reason");
      co_await batches(2);
      c.release();
      const cancelled why = co_await a;
      CHECK(why.reason() == "the reason");
      CHECK(why.by() == current_task()->id());
      CHECK(why.at().line() != 0);
    }
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: cancelled waiters do not use up notifications (COND-7)",
          "[api][condition][COND-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    condition c;
    const auto a = create_task(wait_once(c, seen, "a"));
    const auto b = create_task(wait_once(c, seen, "b"));
    const auto d = create_task(wait_once(c, seen, "d"));
    co_await batches(2);
    co_await c.acquire();
    a.cancel();
    c.notify(1);  // before a has run
    c.release();
    co_await b;
    CHECK(a.cancelled());
    CHECK_FALSE(d.done());
    co_await notify(c, 1);
    co_await d;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a cancelled: ", "b", "d"});
}

TEST_CASE("condition: one notified and then cancelled passes it on (COND-8)",
          "[api][condition][COND-8]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    for (const int batches_later : {0, 1, 3}) {
      condition c;
      const auto a = create_task(wait_once(c, seen, "a"));
      const auto b = create_task(wait_once(c, seen, "b"));
      co_await batches(2);
      co_await c.acquire();
      c.notify(1);
      co_await batches(batches_later);  // woken, or waiting for the lock
      a.cancel("late");
      co_await batches(2);
      c.release();
      co_await b;
      CHECK(a.cancelled());
    }
  };
  l.run_until_complete(body(log));
  const event_log once{"a cancelled: late", "b"};
  event_log thrice;
  for (int i = 0; i < 3; ++i) thrice.insert(thrice.end(), once.begin(), once.end());
  CHECK(log == thrice);
}

TEST_CASE("condition: wait_for() asks first, and needs no lock if it is true (COND-9)",
          "[api][condition][COND-9]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    const auto seven = [] { return 7; };
    const int got = co_await c.wait_for(seven);
    CHECK(got == 7);
    const auto no = [] { return false; };
    const auto refused = co_await as_outcome(c.wait_for(no));
    CHECK_THROWS_AS(refused.value(), invalid_state);
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: wait_for() asks after each wake-up, with the lock (COND-9)",
          "[api][condition][COND-9]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    int value = 0, asked = 0;
    const auto reaches = [&](int limit) {
      ++asked;
      CHECK(c.locked());
      return value >= limit ? value : 0;
    };
    const auto waits = [](condition& on, auto& predicate) -> coro<int> {
      const auto g = co_await on.scoped_lock();
      co_return co_await on.wait_for(std::ref(predicate), 4);
    };
    const auto t = create_task(waits(c, reaches));
    co_await batches(2);
    for (value = 2; value <= 6; value += 2) {
      co_await notify(c, 1);
      co_await batches(3);
      if (t.done()) break;
    }
    const int got = co_await t;
    CHECK(got == 4);
    CHECK(asked == 3);
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: an error of the predicate comes out with the lock held (COND-9)",
          "[api][condition][COND-9]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    co_await c.acquire();
    const auto fails = []() -> bool { throw test::failure("asked"); };
    const auto how = co_await as_outcome(c.wait_for(fails));
    CHECK(thrown_by([&] { how.value(); }) == "asked");
    CHECK(c.locked());
    c.release();
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: with a given lock both show the same (COND-10)",
          "[api][condition][COND-10]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    condition c(m), other(m);
    co_await m.acquire();
    CHECK(c.locked());
    CHECK(other.locked());
    c.release();
    CHECK_FALSE(m.locked());
    co_await c.acquire();
    CHECK(m.locked());
    m.release();
    const auto a = create_task(wait_once(c, seen, "a"));
    const auto b = create_task(wait_once(other, seen, "b"));
    co_await batches(2);
    co_await notify(other, 5);
    co_await b;
    CHECK_FALSE(a.done());
    co_await notify(c, 5);
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b", "a"});
}

TEST_CASE("condition: the guard holds its lock for a scope (COND-11)",
          "[api][condition][COND-11]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    {
      const auto g = co_await c.scoped_lock();
      CHECK(c.locked());
    }
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: stopped by a time limit, the lock is held around wait() (COND-12)",
          "[api][condition][COND-12]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    // As a timeout does: a request after a while, taken back by who made it.
    const auto limited = [](condition& on) -> coro<> {
      const auto g = co_await on.scoped_lock();
      auto self = current_task();
      const auto alarm = loop::current().call_later(1ms, [self] { self.cancel(); });
      try {
        co_await on.wait();
      } catch (const cancelled&) {
        CHECK(on.locked());
        self.uncancel();
      }
      CHECK(on.locked());
    };
    co_await create_task(limited(c));
    CHECK_FALSE(c.locked());
  };
  l.run_until_complete(body());
  CHECK(l.elapsed_ms() == 1);
}

TEST_CASE("condition: destroyed unnotified, those who wait are told",
          "[api][condition]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    mutex m;
    std::optional<condition> c(m);
    const auto a = create_task(wait_once(*c, seen, "a"));
    co_await batches(2);
    co_await m.acquire();
    c.reset();
    co_await batches(3);
    CHECK_FALSE(a.done());  // it takes the lock first, as ever
    m.release();
    const auto how = co_await as_outcome(a);
    CHECK_THROWS_AS(how.value(), invalid_state);
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("condition: once notified, a waiter needs the mutex alone",
          "[api][condition]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m;
    auto c = std::make_unique<condition>(m);
    const auto waits = [](mutex& lock, condition& on) -> coro<> {
      const auto g = co_await lock.scoped_lock();
      co_await on.wait();
    };
    const auto a = create_task(waits(m, *c));
    const auto d = create_task(waits(m, *c));
    const auto b = create_task(waits(m, *c));
    co_await batches(2);
    co_await m.acquire();
    c->notify(2);
    co_await batches(2);  // a and d wait for the lock
    c->notify(1);         // b has not run
    c.reset();
    co_await batches(1);
    d.cancel();  // it has nobody to pass its notification on to
    m.release();
    co_await a;
    co_await b;
    co_await as_outcome(d);
    CHECK(d.cancelled());
    CHECK_FALSE(m.locked());
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: one that owns its mutex may die with those who wait",
          "[api][condition]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    auto c = std::make_unique<condition>();
    const auto waits = [](condition& on) -> coro<> {
      co_await on.acquire();
      co_await on.wait();
    };
    const auto a = create_task(waits(*c));
    co_await batches(2);
    c.reset();
    const auto how = co_await as_outcome(a);
    CHECK_THROWS_AS(how.value(), invalid_state);
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: the place that a dump names is the caller's", "[api][condition]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    condition c;
    const auto waits = [](condition& on) -> coro<> {
      const auto g = co_await on.scoped_lock();
      const auto no = [] { return false; };
      co_await on.wait_for(no);
    };
    const auto a = create_task(waits(c));
    const auto b = create_task([](condition& on) -> coro<> {
      const auto g = co_await on.scoped_lock();
      co_await on.wait();
    }(c));
    co_await batches(3);
    for (const auto& t : {a, b}) {
      CHECK(t.describe().find("waiting for condition at ") != std::string::npos);
      CHECK(t.describe().find("tests/api/condition.cpp:") != std::string::npos);
    }
    co_await c.acquire();
    c.notify_all();
    co_await batches(2);
    CHECK(a.describe().find("waiting for mutex held by task") != std::string::npos);
    CHECK(a.describe().find("sheaf/condition") == std::string::npos);
    c.release();
    a.cancel();
    co_await as_outcome(a);
    co_await b;
  };
  l.run_until_complete(body());
}

TEST_CASE("condition: no notification is lost, in whatever order tasks run",
          "[api][condition]") {
  test::for_seeds([]() -> coro<> {
    condition c;
    int tokens = 0, taken = 0;
    const auto consume = [](condition& on, int& left, int& count) -> coro<> {
      const auto g = co_await on.scoped_lock();
      const auto any = [&left] { return left > 0; };
      co_await on.wait_for(any);
      --left;
      ++count;
    };
    std::vector<task<>> all;
    for (int i = 0; i < 6; ++i) all.push_back(create_task(consume(c, tokens, taken)));
    for (int i = 0; i < 6; ++i) {
      co_await sleep(0ms);
      if (i % 2 == 0) all[static_cast<std::size_t>(i)].cancel();
      const auto g = co_await c.scoped_lock();
      ++tokens;
      c.notify();
    }
    for (auto& t : all) co_await as_outcome(t);
    CHECK(tokens + taken == 6);
    CHECK(taken >= 3);
    CHECK_FALSE(c.locked());
  });
}

TEST_CASE(
    "condition: with a mutex of its own it may die after a notification: the waiter "
    "hears of it",
    "[api][condition]") {
  for (const bool cancels : {false, true}) {
    INFO((cancels ? "cancelled" : "notified"));
    virtual_loop l;
    auto c = std::make_unique<condition>();
    const auto waits = [](condition& on) -> coro<> {
      co_await on.acquire();
      co_await on.wait();
    };
    const auto t = l.create_task(waits(*c));
    const auto ends = [](std::unique_ptr<condition>& it, task<> who,
                         bool cancel) -> coro<> {
      co_await it->acquire();
      if (cancel) {
        who.cancel("asked");
      } else {
        it->notify_all();
      }
      it->release();
      it.reset();
    };
    l.run_until_complete(ends(c, t, cancels));
    const auto said_by = test::thrown_by([&] { l.run_until_complete(t); });
    CAPTURE(said_by);
    CHECK((said_by.find(cancels ? "asked" : "destroyed") != std::string::npos));
  }
}
