#include "support/catch.hpp"
#include "support/cut.hpp"
#include "support/host.hpp"

#include <sheaf/barrier.hpp>
#include <sheaf/condition.hpp>
#include <sheaf/event.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/semaphore.hpp>
#include <sheaf/sleep.hpp>

// Tasks that share a lock, a queue and the like, cut off at any batch: cancelled, their loop
// closed, and their frames destroyed, as a borrowed loop does.

using namespace sheaf;
using namespace std::chrono_literals;
using test::cut::everywhere;
using test::cut::lives;
using test::cut::witness;

namespace {

coro<> use(lives& l, mutex& m) {
  const witness w(l);
  const auto g = co_await m.scoped_lock();
  const witness inside(l);
  co_await sleep(0ms);
}

coro<> use(lives& l, semaphore& s) {
  const witness w(l);
  const auto g = co_await s.scoped_lock();
  const witness inside(l);
  co_await sleep(0ms);
}

coro<> wait_for_it(lives& l, event& e) {
  const witness w(l);
  co_await e.wait();
}

coro<> take_token(lives& l, condition& c, int& tokens) {
  const witness w(l);
  const auto g = co_await c.scoped_lock();
  const auto any = [&] { return tokens > 0; };
  co_await c.wait_for(any);
  --tokens;
}

coro<> give_tokens(lives& l, condition& c, int& tokens, int n) {
  const witness w(l);
  for (int i = 0; i < n; ++i) {
    const auto g = co_await c.scoped_lock();
    ++tokens;
    c.notify();
    co_await sleep(0ms);
  }
}

coro<> pass_twice(lives& l, barrier& b) {
  const witness w(l);
  co_await b.wait();
  co_await b.wait();
}

using item = std::unique_ptr<witness>;

template <class Queue>
coro<> produce(lives& l, Queue& q, int n) {
  const witness w(l);
  for (int i = 0; i < n; ++i) co_await q.put(std::make_unique<witness>(l));
  co_await q.join();
}

template <class Queue>
coro<> consume(lives& l, Queue& q, int n) {
  const witness w(l);
  for (int i = 0; i < n; ++i) {
    const item taken = co_await q.get();
    co_await sleep(0ms);
    q.task_done();
  }
}

coro<> share_mutex(lives& l) {
  const witness w(l);
  mutex m;
  co_await gather(use(l, m), use(l, m), use(l, m), use(l, m));
}

coro<> share_semaphore(lives& l) {
  const witness w(l);
  bounded_semaphore s(2);
  co_await gather(use(l, s), use(l, s), use(l, s), use(l, s), use(l, s));
}

coro<> share_event(lives& l) {
  const witness w(l);
  event e;
  const auto set_it = [](event& what) -> coro<> {
    co_await sleep(1ms);
    what.set();
  };
  co_await gather(wait_for_it(l, e), wait_for_it(l, e), set_it(e));
}

coro<> share_condition(lives& l) {
  const witness w(l);
  condition c;
  int tokens = 0;
  co_await gather(take_token(l, c, tokens), take_token(l, c, tokens),
                  give_tokens(l, c, tokens, 3), take_token(l, c, tokens));
}

coro<> share_barrier(lives& l) {
  const witness w(l);
  barrier b(3);
  co_await gather(pass_twice(l, b), pass_twice(l, b), pass_twice(l, b));
}

template <class Queue>
coro<> share_queue(lives& l) {
  const witness w(l);
  Queue q(1);
  co_await gather(produce(l, q, 3), consume(l, q, 2), consume(l, q, 2), produce(l, q, 1));
}

/// Awaits it; that the queue is shut down meanwhile is an end like any other.
coro<> until_shut_down(coro<> what) {
  try {
    co_await std::move(what);
  } catch (const queue_shut_down&) {
  }
}

template <class Queue>
coro<> shut_queue_down(lives& l, bool immediate) {
  const witness w(l);
  Queue q(1);
  const auto end_it = [](Queue& what, bool now) -> coro<> {
    co_await sleep(1ms);
    what.shutdown(now);
  };
  co_await gather(until_shut_down(produce(l, q, 5)), until_shut_down(produce(l, q, 1)),
                  until_shut_down(consume(l, q, 2)), end_it(q, immediate),
                  until_shut_down(consume(l, q, 9)));
}

/// Destroys the frames after `n` batches.
void abandon_after(int n, const test::cut::scenario& s) {
  INFO("borrowed loop destroyed after " << n << " batches");
  lives seen;
  test::host host;
  {
    loop l(host.get(), borrowed);
    l.set_exception_handler([](const exception_context&) {});
    l.set_budget({1, 0ns});
    const auto t = l.create_task(s(seen));
    for (int i = 0; i < n; ++i) host.turn();
  }
  CHECK(seen.alive() == 0);
  CHECK(seen.sound());
}

void cut(const test::cut::scenario& s) {
  const int turns = test::cut::turns_of(s);
  REQUIRE(turns > 2);
  everywhere(s, turns);
  for (int n = 0; n <= turns; ++n) abandon_after(n, s);
}

/// Lets tasks of a borrowed loop share `what`, destroys the loop after `n` batches, and says
/// whether another loop then finds it free.
template <class Primitive>
bool free_after(Primitive& what, int n) {
  lives seen;
  test::host host;
  {
    loop l(host.get(), borrowed);
    l.set_exception_handler([](const exception_context&) {});
    l.set_budget({1, 0ns});
    for (int i = 0; i < 5; ++i) static_cast<void>(l.create_task(use(seen, what)));
    for (int i = 0; i < n; ++i) host.turn();
  }
  CHECK(seen.alive() == 0);
  return !what.locked();
}

}  // namespace

TEST_CASE("mutex: may be cut off at any batch", "[api][cut]") { cut(share_mutex); }
TEST_CASE("semaphore: may be cut off at any batch", "[api][cut]") {
  cut(share_semaphore);
}
TEST_CASE("event: may be cut off at any batch", "[api][cut]") { cut(share_event); }
TEST_CASE("condition: may be cut off at any batch", "[api][cut]") {
  cut(share_condition);
}
TEST_CASE("barrier: may be cut off at any batch", "[api][cut]") { cut(share_barrier); }
TEST_CASE("queue: may be cut off at any batch", "[api][cut]") {
  cut(share_queue<queue<item>>);
}
TEST_CASE("priority_queue: may be cut off at any batch", "[api][cut]") {
  cut(share_queue<priority_queue<item>>);
}
TEST_CASE("lifo_queue: may be cut off at any batch", "[api][cut]") {
  cut(share_queue<lifo_queue<item>>);
}
TEST_CASE("queue: may be cut off at any batch of its shutdown", "[api][cut]") {
  for (const bool immediate : {false, true}) {
    cut([=](lives& l) { return shut_queue_down<queue<item>>(l, immediate); });
    cut([=](lives& l) { return shut_queue_down<priority_queue<item>>(l, immediate); });
  }
}

TEST_CASE("mutex: frames that are destroyed leave it free for another loop",
          "[api][cut]") {
  for (int n = 0; n < 8; ++n) {
    INFO("after " << n << " batches");
    mutex m;
    CHECK(free_after(m, n));
    lives seen;
    test::virtual_loop l;
    l.run_until_complete(use(seen, m));
    CHECK_FALSE(m.locked());
  }
}

TEST_CASE("semaphore: frames that are destroyed give their permits back", "[api][cut]") {
  for (int n = 0; n < 8; ++n) {
    INFO("after " << n << " batches");
    bounded_semaphore s(2);
    CHECK(free_after(s, n));
    test::virtual_loop l;
    const auto count = [](semaphore& of) -> coro<int> {
      int permits = 0;
      for (; !of.locked(); ++permits) co_await of.acquire();
      co_return permits;
    };
    CHECK(l.run_until_complete(count(s)) == 2);
  }
}
