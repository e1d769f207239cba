#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/sleep.hpp>

#include <memory>
#include <string>

// Who waits for an item or for room, and what becomes of it when it is cancelled.

using namespace sheaf;
using namespace std::chrono_literals;
using test::batches;
using test::counted;
using test::event_log;
using test::virtual_loop;

namespace {

coro<> get_one(queue<int>& q, event_log& log, std::string name) {
  const int got = co_await q.get();
  log.push_back(name + " got " + std::to_string(got));
}

coro<> put_one(queue<int>& q, event_log& log, int item) {
  co_await q.put(item);
  log.push_back("put " + std::to_string(item));
}

}  // namespace

TEST_CASE("queue: each put wakes the one who has waited longest (QUEUE-6)",
          "[api][queue_waiters][QUEUE-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto a = create_task(get_one(q, seen, "a"));
    const auto b = create_task(get_one(q, seen, "b"));
    const auto c = create_task(get_one(q, seen, "c"));
    co_await batches(2);
    loop::current().call_soon([&] { seen.push_back("queued before"); });
    q.put_nowait(1);
    q.put_nowait(2);
    loop::current().call_soon([&] { seen.push_back("queued after"); });
    CHECK(q.qsize() == 2);  // it takes its item when it runs
    co_await batches(1);
    CHECK(seen == event_log{"queued before", "a got 1", "b got 2", "queued after"});
    CHECK_FALSE(c.done());
    q.put_nowait(3);
    co_await c;
  };
  l.run_until_complete(body(log));
}

TEST_CASE("queue: each get wakes the putter who has waited longest (QUEUE-6)",
          "[api][queue_waiters][QUEUE-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(2);
    q.put_nowait(1);
    q.put_nowait(2);
    const auto a = create_task(put_one(q, seen, 3));
    const auto b = create_task(put_one(q, seen, 4));
    co_await batches(2);
    CHECK(q.get_nowait() == 1);
    co_await batches(1);
    CHECK(seen == event_log{"put 3"});
    CHECK(q.full());
    std::string order;
    for (int i = 0; i < 3; ++i) order += std::to_string(co_await q.get()) + " ";
    CHECK(order == "2 3 4 ");
    co_await gather(a, b);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"put 3", "put 4"});
}

TEST_CASE("queue: the woken getter takes what is first when it runs (QUEUE-6)",
          "[api][queue_waiters][QUEUE-6]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto a = create_task(get_one(q, seen, "a"));
    co_await batches(2);
    q.put_nowait(1);
    q.put_nowait(2);
    CHECK(q.get_nowait() == 1);
    co_await a;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a got 2"});
}

TEST_CASE("queue: a getter woken in vain waits again, at the end of the line (QUEUE-7)",
          "[api][queue_waiters][QUEUE-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto a = create_task(get_one(q, seen, "a"));
    const auto b = create_task(get_one(q, seen, "b"));
    co_await batches(2);
    q.put_nowait(1);
    CHECK(q.get_nowait() == 1);  // faster than a, who is woken
    co_await batches(3);
    CHECK(seen.empty());
    CHECK(a.describe().find("waiting for queue.get at ") != std::string::npos);
    q.put_nowait(2);
    q.put_nowait(3);
    co_await gather(a, b);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b got 2", "a got 3"});
}

TEST_CASE("queue: a putter woken in vain waits again, at the end of the line (QUEUE-7)",
          "[api][queue_waiters][QUEUE-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(1);
    q.put_nowait(0);
    const auto a = create_task(put_one(q, seen, 1));
    const auto b = create_task(put_one(q, seen, 2));
    co_await batches(2);
    CHECK(q.get_nowait() == 0);
    q.put_nowait(9);  // faster than a
    co_await batches(3);
    CHECK(seen.empty());
    for (const int item : {9, 2, 1}) {
      CHECK(q.get_nowait() == item);
      co_await batches(2);
    }
    co_await gather(a, b);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"put 2", "put 1"});
}

TEST_CASE("queue: one woken in vain may be cancelled like any that waits (QUEUE-7)",
          "[api][queue_waiters][QUEUE-7]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto a = create_task(get_one(q, seen, "a"));
    co_await batches(2);
    q.put_nowait(1);
    CHECK(q.get_nowait() == 1);
    a.cancel();  // woken, in vain as it will turn out
    co_await as_outcome(a);
    CHECK(a.cancelled());
    const auto b = create_task(get_one(q, seen, "b"));
    co_await batches(2);
    q.put_nowait(2);
    CHECK(q.get_nowait() == 2);
    co_await batches(2);
    b.cancel();  // it waits again
    co_await as_outcome(b);
    CHECK(b.cancelled());
    q.put_nowait(3);
    CHECK(q.get_nowait() == 3);
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("queue: a cancelled getter leaves, no item is lost to it (QUEUE-8)",
          "[api][queue_waiters][QUEUE-8]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto a = create_task(get_one(q, seen, "a"));
    const auto b = create_task(get_one(q, seen, "b"));
    co_await batches(2);
    a.cancel();
    q.put_nowait(1);  // before a has run
    co_await b;
    CHECK(a.cancelled());
    for (int i = 0; i < 1000; ++i) {
      const auto t = create_task(get_one(q, seen, "t"));
      co_await batches(1);
      t.cancel();
      co_await as_outcome(t);
    }
    q.put_nowait(2);
    CHECK(q.get_nowait() == 2);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b got 1"});
}

TEST_CASE("queue: a cancelled putter leaves, and its item is not put (QUEUE-9)",
          "[api][queue_waiters][QUEUE-9]") {
  counted::reset();
  virtual_loop l;
  const auto body = []() -> coro<> {
    queue<counted> q(1);
    q.put_nowait(1);
    const auto puts = [](queue<counted>& to, int v) -> coro<> {
      co_await to.put(counted(v));
    };
    const auto a = create_task(puts(q, 2));
    const auto b = create_task(puts(q, 3));
    co_await batches(2);
    a.cancel();
    CHECK(q.get_nowait().value == 1);
    co_await b;
    CHECK(a.cancelled());
    CHECK(counted::alive == 1);
    CHECK(q.get_nowait().value == 3);
    CHECK(q.empty());
    CHECK(counted::alive == 0);
  };
  l.run_until_complete(body());
}

TEST_CASE("queue: a getter woken and cancelled leaves its item to the next (QUEUE-10)",
          "[api][queue_waiters][QUEUE-10]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto a = create_task(get_one(q, seen, "a"));
    const auto b = create_task(get_one(q, seen, "b"));
    co_await batches(2);
    q.put_nowait(1);
    a.cancel();
    co_await b;
    CHECK(a.cancelled());
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"b got 1"});
}

TEST_CASE("queue: many getters woken and cancelled, and the last one gets it (QUEUE-10)",
          "[api][queue_waiters][QUEUE-10]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    std::vector<task<>> all;
    for (int i = 0; i < 20; ++i)
      all.push_back(create_task(get_one(q, seen, std::to_string(i))));
    co_await batches(2);
    q.put_nowait(1);
    q.put_nowait(2);
    for (std::size_t i = 0; i < 18; ++i) all[i].cancel();
    for (auto& t : all) co_await as_outcome(t);
    q.put_nowait(3);
    CHECK(q.get_nowait() == 3);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"18 got 1", "19 got 2"});
}

TEST_CASE("queue: a putter woken and cancelled leaves its room to the next (QUEUE-11)",
          "[api][queue_waiters][QUEUE-11]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(1);
    q.put_nowait(0);
    const auto a = create_task(put_one(q, seen, 1));
    const auto b = create_task(put_one(q, seen, 2));
    co_await batches(2);
    CHECK(q.get_nowait() == 0);
    a.cancel();
    co_await b;
    const auto how = co_await as_outcome(a);
    CHECK(how.is_cancelled());
    CHECK(q.get_nowait() == 2);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"put 2"});
}

TEST_CASE("queue: destroyed while tasks wait, each of them is told",
          "[api][queue_waiters]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    auto q = std::make_unique<queue<int>>(1);
    const auto woken = create_task(get_one(*q, seen, "woken"));
    const auto waits = create_task(get_one(*q, seen, "waits"));
    co_await batches(2);
    const auto joins =
        create_task([](queue<int>& of) -> coro<> { co_await of.join(); }(*q),
                    task_options().eager_start());
    q->put_nowait(1);
    const auto puts = create_task(put_one(*q, seen, 2), task_options().eager_start());
    const auto late =
        create_task([](queue<int>& of) -> coro<> { co_await of.join(); }(*q),
                    task_options().eager_start());
    q.reset();
    for (const auto& t : {woken, waits, puts, late}) {
      const auto how = co_await as_outcome(t);
      CHECK_THROWS_AS(how.value(), invalid_state);
    }
    CHECK(joins.done());
  };
  l.run_until_complete(body(log));
  CHECK(log.empty());
}

TEST_CASE("queue: the one who gets the last item may destroy it",
          "[api][queue_waiters]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    auto q = std::make_unique<queue<int>>(0);
    const auto takes = [](std::unique_ptr<queue<int>>& from) -> coro<int> {
      const int got = co_await from->get();
      from.reset();
      co_return got;
    };
    const auto t = create_task(takes(q));
    co_await batches(2);
    co_await q->put(5);
    const int got = co_await t;
    CHECK(got == 5);
  };
  l.run_until_complete(body());
}

TEST_CASE("queue: one of another loop is refused", "[api][queue_waiters]") {
  event_log log;
  queue<int> q(0);
  virtual_loop first, second;
  const auto a = first.create_task(get_one(q, log, "a"));
  first.turn();
  CHECK_THROWS_AS(second.run_until_complete(get_one(q, log, "b")), invalid_state);
  q.put_nowait(1);
  first.run_until_complete(a);
  CHECK_THROWS_AS(second.run_until_complete(put_one(q, log, 2)), invalid_state);
  CHECK(q.empty());
}

TEST_CASE("queue: each item is got once, in whatever order tasks run",
          "[api][queue_waiters]") {
  test::for_seeds([]() -> coro<> {
    queue<int> q(2);
    std::vector<int> got;
    const auto work = [](queue<int>& from, std::vector<int>& to) -> coro<> {
      for (;;) {
        to.push_back(co_await from.get());
        from.task_done();
      }
    };
    const auto produce = [](queue<int>& to, int first) -> coro<> {
      for (int i = first; i < first + 5; ++i) co_await to.put(i);
    };
    std::vector<task<>> workers;
    for (int i = 0; i < 4; ++i) workers.push_back(create_task(work(q, got)));
    auto a = create_task(produce(q, 0)), b = create_task(produce(q, 5));
    co_await sleep(0ms);
    workers[0].cancel();
    co_await sleep(0ms);
    workers[1].cancel();
    co_await gather(a, b);
    co_await q.join();
    std::sort(got.begin(), got.end());
    CHECK(got == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    q.shutdown();
    for (auto& w : workers) co_await as_outcome(w);
  });
}

TEMPLATE_TEST_CASE(
    "queues: a shutdown lets all go, and loses nothing that it does not drop",
    "[api][queue_waiters]", queue<int>, priority_queue<int>, lifo_queue<int>) {
  for (const bool immediate : {false, true}) {
    test::for_seeds([=]() -> coro<> {
      TestType q(2);
      int put = 0;
      int got = 0;
      const auto produce = [](TestType& to, int& n) -> coro<> {
        for (;;) {
          co_await to.put(1);
          ++n;
          co_await sleep(0ms);
        }
      };
      const auto consume = [](TestType& from, int& n) -> coro<> {
        for (;;) {
          co_await from.get();
          ++n;
          from.task_done();
        }
      };
      std::vector<task<>> all;
      for (int i = 0; i < 3; ++i) all.push_back(create_task(produce(q, put)));
      for (int i = 0; i < 2; ++i) all.push_back(create_task(consume(q, got)));
      for (int i = 0; i < 4; ++i) co_await sleep(0ms);
      const auto before = static_cast<int>(q.qsize());
      all[3].cancel();
      q.shutdown(immediate);
      int shut = 0;
      for (auto& each : all) {
        const auto how = co_await as_outcome(each);
        shut += !how.has_value() && !how.is_cancelled();
      }
      CHECK(shut >= 4);
      CHECK(q.empty());
      CHECK(got + (immediate ? before : 0) == put);
      co_await q.join();
    });
  }
}
