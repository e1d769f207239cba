#include <sheaf/queue.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <memory>
#include <string>
#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::counted;
using test::event_log;
using test::thrown_by;
using test::virtual_loop;

namespace {

using ints = std::vector<int>;
using test::batches;

// By reference: g++ 12 does not compile a braced list inside co_await.
template <class Queue>
coro<ints> in_and_out(Queue& q, const ints& items) {
  for (const int i : items) co_await q.put(i);
  ints got;
  while (!q.empty()) got.push_back(co_await q.get());
  co_return got;
}

coro<> get_one(queue<int>& q, event_log& log, std::string name) {
  try {
    const int got = co_await q.get();
    log.push_back(name + " got " + std::to_string(got));
  } catch (const queue_shut_down&) {
    log.push_back(name + " shut down");
  }
}

coro<> put_one(queue<int>& q, event_log& log, int item) {
  try {
    co_await q.put(item);
    log.push_back("put " + std::to_string(item));
  } catch (const queue_shut_down&) {
    log.push_back("not put " + std::to_string(item));
  }
}

coro<> wait_joined(queue<int>& q, event_log& log) {
  co_await q.join();
  log.push_back("joined");
}

struct job {
  int number;
  std::string text;
};

/// More urgent first.
struct more_urgent {
  bool operator()(const job& a, const job& b) const { return a.number > b.number; }
};

}  // namespace

TEST_CASE("queue: first in, first out (QUEUE-1)", "[api][queue][QUEUE-1]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    const ints some{1, 3, 2};
    queue<int> q(0);
    const auto got = co_await in_and_out(q, some);
    CHECK(got == ints{1, 3, 2});
    ints many(1000);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int>(i);
    const auto all = co_await in_and_out(q, many);
    CHECK(all == many);
  };
  l.run_until_complete(body());
}

TEST_CASE("queue: the priority variant gives the smallest first (QUEUE-1)",
          "[api][queue][QUEUE-1]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    const ints some{5, 1, 4, 1, 3}, others{1, 11, 30, 8};
    priority_queue<int> q(0);
    const auto got = co_await in_and_out(q, some);
    CHECK(got == ints{1, 1, 3, 4, 5});
    priority_queue<int, std::greater<int>> down(0);
    const auto largest_first = co_await in_and_out(down, some);
    CHECK(largest_first == ints{5, 4, 3, 1, 1});
    priority_queue<job, more_urgent> jobs(0);
    co_await jobs.put(1, "a");
    co_await jobs.put(7, "b");
    const job first = co_await jobs.get();
    CHECK(first.text == "b");
    int middle = 10;
    const auto nearer = [middle](int a, int b) {
      return std::abs(a - middle) < std::abs(b - middle);
    };
    priority_queue<int, decltype(nearer)> around(0, nearer);
    const auto by_distance = co_await in_and_out(around, others);
    CHECK(by_distance == ints{11, 8, 1, 30});
    around.shutdown(true);
  };
  l.run_until_complete(body());
}

TEST_CASE("queue: the lifo variant gives the newest first (QUEUE-1)",
          "[api][queue][QUEUE-1]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    const ints some{1, 3, 2};
    lifo_queue<int> q(0);
    const auto got = co_await in_and_out(q, some);
    CHECK(got == ints{2, 3, 1});
  };
  l.run_until_complete(body());
}

TEST_CASE("queue: maxsize 0 or less is without bound (QUEUE-2)",
          "[api][queue][QUEUE-2]") {
  for (const int size : {0, -1}) {
    queue<int> q(size);
    CHECK(q.maxsize() == 0);
    for (int i = 0; i < 100; ++i) q.put_nowait(i);
    CHECK_FALSE(q.full());
    CHECK(q.qsize() == 100);
  }
}

TEST_CASE("queue: with a bound it is full at that many (QUEUE-2)",
          "[api][queue][QUEUE-2]") {
  queue<int> q(std::size_t{2});
  CHECK(q.maxsize() == 2);
  CHECK(q.empty());
  CHECK(q.qsize() == 0);
  q.put_nowait(1);
  CHECK_FALSE(q.empty());
  CHECK_FALSE(q.full());
  q.put_nowait(2);
  CHECK(q.full());
  CHECK(q.qsize() == 2);
  CHECK(q.get_nowait() == 1);
  CHECK_FALSE(q.full());
}

TEST_CASE(
    "queue: get_nowait() of an empty one throws, as put_nowait() of a full (QUEUE-3)",
    "[api][queue][QUEUE-3]") {
  queue<int> q(1);
  CHECK_THROWS_AS(q.get_nowait(), queue_empty);
  q.put_nowait(1);
  CHECK_THROWS_AS(q.put_nowait(2), queue_full);
  CHECK(q.get_nowait() == 1);
  CHECK_THROWS_AS(q.get_nowait(), queue_empty);
  CHECK(thrown_by([&] { static_cast<void>(q.get_nowait()); }) == "the queue is empty");
}

TEST_CASE("queue: get() of an item that is there takes no turn of the loop (QUEUE-4)",
          "[api][queue][QUEUE-4]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    q.put_nowait(7);
    const auto before = loop::current().ticks();
    co_await get_one(q, seen, "a");
    CHECK(loop::current().ticks() == before);
    const auto b = create_task(get_one(q, seen, "b"));
    co_await sleep(5ms);
    CHECK_FALSE(b.done());
    co_await q.put(8);
    co_await b;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a got 7", "b got 8"});
}

TEST_CASE("queue: put() with room takes no turn, without it blocks (QUEUE-5)",
          "[api][queue][QUEUE-5]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(1);
    const auto before = loop::current().ticks();
    co_await q.put(1);
    CHECK(loop::current().ticks() == before);
    const auto a = create_task(put_one(q, seen, 2));
    co_await sleep(5ms);
    CHECK_FALSE(a.done());
    CHECK(q.qsize() == 1);
    CHECK(q.get_nowait() == 1);
    CHECK(q.empty());  // the putter has not run
    co_await a;
    CHECK(q.get_nowait() == 2);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"put 2"});
}

TEST_CASE("queue: join() returns when every item is done (QUEUE-12)",
          "[api][queue][QUEUE-12]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    const auto before = loop::current().ticks();
    co_await q.join();
    CHECK(loop::current().ticks() == before);
    q.put_nowait(1);
    q.put_nowait(2);
    const auto a = create_task(wait_joined(q, seen));
    const auto b = create_task(wait_joined(q, seen));
    co_await sleep(1ms);
    static_cast<void>(q.get_nowait());
    static_cast<void>(q.get_nowait());
    co_await sleep(1ms);
    CHECK(seen.empty());  // got is not done
    q.task_done();
    co_await sleep(1ms);
    CHECK(seen.empty());
    q.task_done();
    q.put_nowait(3);  // too late for those who were woken
    co_await gather(a, b);
    const auto c = create_task(wait_joined(q, seen));
    co_await batches(3);
    CHECK_FALSE(c.done());
    q.task_done();
    co_await c;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"joined", "joined", "joined"});
}

TEST_CASE("queue: task_done() more often than puts is an error (QUEUE-13)",
          "[api][queue][QUEUE-13]") {
  queue<int> q(0);
  CHECK_THROWS_AS(q.task_done(), invalid_state);
  q.put_nowait(1);
  q.task_done();
  CHECK_THROWS_AS(q.task_done(), invalid_state);
}

TEST_CASE("queue: maxsize is a whole number, and has to be said (QUEUE-14)",
          "[api][queue][QUEUE-14]") {
  static_assert(!std::is_constructible_v<queue<int>, double>,
                "QUEUE-14: a fractional maxsize does not compile");
  static_assert(!std::is_default_constructible_v<queue<int>>);
  static_assert(!std::is_convertible_v<int, queue<int>>);
  static_assert(!std::is_copy_constructible_v<queue<int>>);
  SUCCEED();
}

TEST_CASE("queue: shut down it takes nothing, and gives what is left (QUEUE-15)",
          "[api][queue][QUEUE-15]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    q.put_nowait(1);
    q.put_nowait(2);
    q.shutdown();
    q.shutdown();
    CHECK_THROWS_AS(q.put_nowait(3), queue_shut_down);
    co_await put_one(q, seen, 3);
    CHECK(q.qsize() == 2);
    co_await get_one(q, seen, "a");
    CHECK(q.get_nowait() == 2);
    CHECK_THROWS_AS(q.get_nowait(), queue_shut_down);
    co_await get_one(q, seen, "a");
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"not put 3", "a got 1", "a shut down"});
}

TEST_CASE("queue: shutdown() releases those who wait, with its error (QUEUE-16)",
          "[api][queue][QUEUE-16]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> empty(0), full(1);
    full.put_nowait(1);
    const auto a = create_task(get_one(empty, seen, "a"));
    const auto b = create_task(get_one(empty, seen, "b"));
    const auto p = create_task(put_one(full, seen, 2));
    const auto r = create_task(put_one(full, seen, 3));
    co_await batches(2);
    empty.shutdown();
    full.shutdown();
    co_await gather(a, b, p, r);
    CHECK(full.get_nowait() == 1);
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a shut down", "b shut down", "not put 2", "not put 3"});
}

TEST_CASE("queue: shut down, join() waits for what was put all the same (QUEUE-17)",
          "[api][queue][QUEUE-17]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    q.put_nowait(1);
    const auto j = create_task(wait_joined(q, seen));
    q.shutdown();
    co_await batches(3);
    CHECK_FALSE(j.done());
    static_cast<void>(q.get_nowait());
    q.task_done();
    co_await j;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"joined"});
}

TEST_CASE("queue: shut down at once, what is left counts as done (QUEUE-18)",
          "[api][queue][QUEUE-18]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen) -> coro<> {
    queue<int> q(0);
    for (int i = 0; i < 3; ++i) q.put_nowait(i);
    const auto j = create_task(wait_joined(q, seen));
    co_await batches(2);
    q.shutdown(true);
    CHECK(q.empty());
    CHECK_THROWS_AS(q.get_nowait(), queue_shut_down);
    co_await get_one(q, seen, "a");
    co_await j;
    CHECK_THROWS_AS(q.task_done(), invalid_state);

    queue<int> busy(0);
    busy.put_nowait(1);
    busy.put_nowait(2);
    static_cast<void>(busy.get_nowait());  // in work
    const auto k = create_task(wait_joined(busy, seen));
    co_await batches(2);
    busy.shutdown(true);
    co_await batches(3);
    CHECK_FALSE(k.done());
    busy.task_done();
    co_await k;
  };
  l.run_until_complete(body(log));
  CHECK(log == event_log{"a shut down", "joined", "joined"});
}

TEST_CASE("queue: shut down at once, items die after it has let everybody know",
          "[api][queue]") {
  struct nosy {
    explicit nosy(std::shared_ptr<std::vector<std::size_t>> to, queue<nosy>& of)
        : sizes(std::move(to)), from(&of) {}
    nosy(nosy&&) = default;
    nosy& operator=(nosy&&) = default;
    ~nosy() {
      if (sizes) sizes->push_back(from->qsize());
    }
    std::shared_ptr<std::vector<std::size_t>> sizes;
    queue<nosy>* from;
  };
  const auto sizes = std::make_shared<std::vector<std::size_t>>();
  queue<nosy> q(0);
  q.put_nowait(sizes, q);
  q.put_nowait(sizes, q);
  q.shutdown(true);
  CHECK(*sizes == std::vector<std::size_t>{0, 0});
}

TEST_CASE("queue: items are moved, not copied", "[api][queue]") {
  counted::reset();
  {
    virtual_loop l;
    const auto body = []() -> coro<> {
      queue<counted> q(0);
      for (int i = 0; i < 20; ++i) co_await q.put(counted(i));
      for (int i = 0; i < 20; ++i) {
        const counted c = co_await q.get();
        CHECK(c.value == i);
      }
      queue<std::unique_ptr<int>> owners(1);
      co_await owners.put(std::make_unique<int>(5));
      const auto five = co_await owners.get();
      CHECK(*five == 5);
      for (int i = 0; i < 5; ++i) q.put_nowait(i);
    };
    l.run_until_complete(body());
  }
  CHECK(counted::copies == 0);
  CHECK(counted::alive == 0);
}

TEST_CASE("queue: an lvalue is copied, once", "[api][queue]") {
  counted::reset();
  queue<counted> q(0);
  const counted mine(3);
  counted changing(4);
  q.put_nowait(mine);
  q.put_nowait(changing);
  CHECK(counted::copies == 2);
  CHECK(mine.value == 3);
  CHECK(changing.value == 4);
}

TEST_CASE("queue: put(args...) makes the item in place", "[api][queue]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    queue<job> q(0);
    co_await q.put(1, "a");
    q.put_nowait(2, "b");
    job named{3, "c"};
    co_await q.put(std::move(named));
    q.put_nowait({4, "d"});
    std::string all;
    while (!q.empty()) {
      const job j = co_await q.get();
      all += j.text + std::to_string(j.number);
    }
    CHECK(all == "a1b2c3d4");
  };
  l.run_until_complete(body());
}

TEST_CASE("queue: an item whose copy throws leaves it as it was", "[api][queue]") {
  struct fragile {
    explicit fragile(int v) : value(v) {}
    fragile(const fragile& o) : value(o.value) {
      if (value < 0) throw test::failure("copied");
    }
    fragile& operator=(const fragile&) = default;
    int value;
  };
  queue<fragile> q(0);
  for (int i = 0; i < 7; ++i) q.put_nowait(i);
  q.put_nowait(7);
  const fragile bad(-1);
  CHECK_THROWS_AS(q.put_nowait(bad), test::failure);  // as it grows
  CHECK(q.qsize() == 8);
  for (int i = 0; i < 8; ++i) CHECK(q.get_nowait().value == i);
  CHECK_THROWS_AS(q.put_nowait(bad), test::failure);
  CHECK(q.empty());
}

TEST_CASE("queue: an item may come from the queue that grows by it", "[api][queue]") {
  queue<std::string> q(0);
  const std::string text(100, 'x');
  for (int i = 0; i < 40; ++i) q.put_nowait(text);
  for (int i = 0; i < 40; ++i) CHECK(q.get_nowait() == text);
}
