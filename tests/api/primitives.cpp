#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/barrier.hpp>
#include <sheaf/condition.hpp>
#include <sheaf/event.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/run.hpp>
#include <sheaf/semaphore.hpp>
#include <sheaf/sleep.hpp>

#include <cstdlib>
#include <new>
#include <source_location>
#include <string>

// What locks, events, semaphores, barriers and queues have in common: what they cost, and
// what is said of those who wait.

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#ifndef SANITIZED

namespace {

long allocations = 0;

void* allocate(std::size_t size) noexcept {
  ++allocations;
  return std::malloc(size ? size : 1);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* const p = allocate(size)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

#endif

namespace {
// Read at a thread's first frame: every block comes from operator new, and is counted.
const int pool_off = setenv("SHEAF_POOL", "off", 1);
}  // namespace

using namespace sheaf;
using namespace std::chrono_literals;
using test::batches;
using test::event_log;
using test::virtual_loop;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string place(std::uint32_t line) {
  return "tests/api/primitives.cpp:" + std::to_string(line);
}

std::uint32_t first_line, second_line;

coro<> lock_both(mutex& a, mutex& b) {
  first_line = std::source_location::current().line() + 1;
  const auto g = co_await a.scoped_lock();
  co_await sleep(1ms);
  second_line = std::source_location::current().line() + 1;
  const auto h = co_await b.scoped_lock();
}

std::string deadlock_of(coro<> what) {
  try {
    run(std::move(what), run_options().virtual_time());
  } catch (const deadlock& d) {
    return d.what();
  }
  return {};
}

}  // namespace

TEST_CASE("primitives: without contention nothing is allocated, and no turn is taken",
          "[api][primitives]") {
#ifdef SANITIZED
  SKIP("the sanitizer has operator new");
#else
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m;
    semaphore s(2);
    event e;
    e.set();
    queue<int> q(0);
    lifo_queue<int> newest(4);
    priority_queue<int> smallest(4);
    barrier alone(1);
    for (int i = 0; i < 20; ++i) q.put_nowait(i);  // it has grown
    while (!q.empty()) static_cast<void>(q.get_nowait());
    for (int i = 0; i < 4; ++i) {
      newest.put_nowait(i);
      smallest.put_nowait(i);
    }
    newest.shutdown(false);
    while (!smallest.empty()) static_cast<void>(smallest.get_nowait());
    const auto before = loop::current().ticks();
    allocations = 0;
    for (int i = 0; i < 100; ++i) {
      co_await m.acquire();
      m.release();
      {
        const auto g = co_await m.scoped_lock();
        const auto p = co_await s.scoped_lock();
      }
      co_await e.wait();
      co_await q.put(i);
      const int got = co_await q.get();
      CHECK(got == i);
      q.task_done();
      co_await smallest.put(i);
      static_cast<void>(co_await smallest.get());
      co_await alone.wait();
    }
    const long used = allocations;
    CHECK(loop::current().ticks() == before);
    // CHECK itself allocates: the same number of them alone.
    allocations = 0;
    for (int i = 0; i < 100; ++i) CHECK(i == i + 0);
    CHECK(used == allocations);
  };
  l.run_until_complete(body());
#endif
}

TEST_CASE("primitives: a waiter allocates nothing", "[api][primitives]") {
#ifdef SANITIZED
  SKIP("the sanitizer has operator new");
#else
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m;
    semaphore s(0);
    event e;
    queue<int> q(1);
    barrier b(2);
    int rounds = 0;
    const auto other = [](mutex& m_, semaphore& s_, event& e_, queue<int>& q_,
                          barrier& b_, int& n) -> coro<> {
      for (;;) {
        co_await m_.acquire();
        m_.release();
        co_await s_.acquire();
        co_await e_.wait();
        static_cast<void>(co_await q_.get());
        co_await b_.wait();
        ++n;
      }
    };
    const auto t = create_task(other(m, s, e, q, b, rounds));
    long used = -1;
    for (int i = 0; i < 10; ++i) {
      if (i == 5) used = allocations;
      co_await m.acquire();
      co_await sleep(0ms);
      m.release();
      co_await sleep(0ms);
      s.release();
      co_await sleep(0ms);
      e.set();
      e.clear();
      co_await sleep(0ms);
      co_await q.put(i);
      co_await sleep(0ms);
      co_await b.wait();
      co_await sleep(0ms);
    }
    CHECK(used == allocations);
    CHECK(rounds == 10);
    t.cancel();
    co_await as_outcome(t);
  };
  l.run_until_complete(body());
#endif
}

TEST_CASE("primitives: what is awaited may be passed on before it is",
          "[api][primitives]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m;
    semaphore s(1);
    event e;
    e.set();
    queue<std::string> q(1);
    barrier b(1);
    // As a wait_for() does that takes what is awaited.
    const auto await_it = [](auto what) -> coro<> {
      static_cast<void>(co_await std::move(what));
    };
    co_await await_it(m.scoped_lock());
    CHECK_FALSE(m.locked());
    co_await await_it(s.scoped_lock());
    CHECK_FALSE(s.locked());
    co_await await_it(e.wait());
    co_await await_it(b.wait());
    auto put = q.put("x");
    auto moved = std::move(put);
    co_await std::move(moved);
    co_await await_it(q.get());
    CHECK(q.empty());
  };
  l.run_until_complete(body());
}

TEST_CASE("primitives: a dump says what a task waits for", "[api][primitives]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    semaphore s(0);
    event e;
    queue<int> q(1);
    queue<int> full(1);
    full.put_nowait(1);
    barrier b(2);
    std::vector<task<>> all;
    const auto on_semaphore = [](semaphore& of) -> coro<> { co_await of.acquire(); };
    const auto on_event = [](event& of) -> coro<> { co_await of.wait(); };
    const auto on_get = [](queue<int>& of) -> coro<> { co_await of.get(); };
    const auto on_put = [](queue<int>& of) -> coro<> { co_await of.put(2); };
    const auto on_join = [](queue<int>& of) -> coro<> { co_await of.join(); };
    const auto on_barrier = [](barrier& of) -> coro<> { co_await of.wait(); };
    all.push_back(create_task(on_semaphore(s)));
    all.push_back(create_task(on_event(e)));
    all.push_back(create_task(on_get(q)));
    all.push_back(create_task(on_put(full)));
    all.push_back(create_task(on_join(full)));
    all.push_back(create_task(on_barrier(b)));
    co_await batches(2);
    const char* const words[] = {"semaphore", "event",      "queue.get",
                                 "queue.put", "queue.join", "barrier"};
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(contains(all[i].describe(),
                     std::string("pending waiting for ") + words[i] + " at "));
      all[i].cancel();
    }
    for (auto& t : all) co_await as_outcome(t);
  };
  l.run_until_complete(body());
}

TEST_CASE("primitives: a dump says who holds a mutex, and where it was taken",
          "[api][primitives]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    mutex m, other;
    const auto holder = create_task(lock_both(m, other), task_options().name("holder"));
    co_await batches(2);
    const auto waiter = create_task(lock_both(m, other), task_options().name("waiter"));
    co_await batches(2);
    CHECK(contains(waiter.describe(), "'waiter' pending waiting for mutex held by task " +
                                          std::to_string(holder.id()) +
                                          " 'holder' (taken at "));
    CHECK(contains(waiter.describe(), place(first_line) + ") at "));
    co_await gather(holder, waiter);

    const auto takes = [](mutex& of) -> coro<> { co_await of.acquire(); };
    const auto gone = create_task(takes(m));
    co_await gone;
    const auto last = create_task(takes(m));
    co_await batches(2);
    CHECK(contains(last.describe(),
                   "task " + std::to_string(gone.id()) + ", which has ended (taken at "));
    m.release();
    co_await last;
  };
  l.run_until_complete(body());
}

TEST_CASE("deadlock: two mutexes taken in opposite order are explained",
          "[api][primitives]") {
  const auto body = []() -> coro<> {
    mutex a, b;
    const auto left = create_task(lock_both(a, b), task_options().name("left"));
    const auto right = create_task(lock_both(b, a), task_options().name("right"));
    co_await gather(left, right);
  };
  const std::string what = deadlock_of(body());
  CHECK(contains(what, "every task is blocked"));
  const auto at = what.find("these wait for each other:");
  REQUIRE(at != std::string::npos);
  const std::string cycle = what.substr(at);
  CHECK(contains(cycle, "'left' waits for mutex held by task "));
  CHECK(contains(cycle, "'right' (taken at "));
  CHECK(contains(cycle, ", which waits for mutex held by task "));
  CHECK(contains(cycle, "'left' (taken at "));
  CHECK(contains(cycle, place(first_line)));
  CHECK(contains(what, place(second_line)));
  CHECK(cycle.find("which") == cycle.rfind("which"));  // one circle, told once
}

TEST_CASE("deadlock: a mutex taken twice by one task is explained", "[api][primitives]") {
  const auto body = []() -> coro<> {
    mutex m;
    co_await m.acquire();
    co_await m.acquire();
  };
  const std::string what = deadlock_of(body());
  const auto at = what.find("these wait for each other:");
  REQUIRE(at != std::string::npos);
  CHECK(contains(what.substr(at), "' waits for mutex held by task "));
  CHECK_FALSE(contains(what.substr(at), "which"));
}

TEST_CASE("deadlock: a task that waits for one that waits for its lock is explained",
          "[api][primitives]") {
  const auto body = []() -> coro<> {
    mutex m;
    const auto g = co_await m.scoped_lock();
    const auto takes = [](mutex& of) -> coro<> { co_await of.acquire(); };
    const auto child = create_task(takes(m), task_options().name("child"));
    co_await child;
  };
  const std::string what = deadlock_of(body());
  const auto at = what.find("these wait for each other:");
  REQUIRE(at != std::string::npos);
  CHECK(contains(what.substr(at), "' waits for task "));
  CHECK(contains(what.substr(at), "'child', which waits for mutex held by task "));
}

TEST_CASE("deadlock: where there is no circle none is claimed", "[api][primitives]") {
  const auto body = []() -> coro<> {
    event never;
    const auto waits = [](event& e) -> coro<> { co_await e.wait(); };
    const auto child = create_task(waits(never));
    co_await child;
  };
  const std::string what = deadlock_of(body());
  CHECK(contains(what, "waiting for event at "));
  CHECK_FALSE(contains(what, "these wait for each other"));
}
