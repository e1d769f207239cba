#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_completed.hpp>
#include <sheaf/as_outcome.hpp>
#include <sheaf/first_success.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/hedge.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/map.hpp>
#include <sheaf/quorum.hpp>
#include <sheaf/race.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/wait.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

// What a combinator leaves behind with those that did not come in: nothing.

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#ifdef SANITIZED
#include <sanitizer/allocator_interface.h>

namespace {
// The sanitizer counts, and is a hundred times slower.
constexpr int races = 10'000;
long live_memory() {
  return static_cast<long>(__sanitizer_get_current_allocated_bytes());
}
}  // namespace

#else

namespace {

constexpr int races = 1'000'000;
std::atomic<long> live_blocks{0};
long live_memory() { return live_blocks; }

void* allocate(std::size_t size) noexcept {
  ++live_blocks;
  return std::malloc(size ? size : 1);
}

void deallocate(void* p) noexcept {
  if (!p) return;
  --live_blocks;
  std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* const p = allocate(size)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete(void* p) noexcept { deallocate(p); }
void operator delete(void* p, std::size_t) noexcept { deallocate(p); }

#endif

namespace {
// Read at a thread's first frame: every block comes from operator new, and is counted.
const int pool_off = setenv("SHEAF_POOL", "off", 1);
}  // namespace

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::said;
using test::virtual_loop;

namespace {

/// The memory that `race`, run again and again against one pending future, has left.
template <class Race>
coro<long> growth(Race race, int times = races) {
  promise<int> never;
  const std::vector<future<int>> pending{never.get_future()};
  const auto references = pending[0].state().references();
  for (int i = 0; i < 1000; ++i) co_await race(pending);
  const long before = live_memory();
  for (int i = 0; i < times; ++i) co_await race(pending);
  CHECK(pending[0].state().references() == references);
  CHECK(loop::current().core().timers() == 0);
  CHECK(all_tasks().size() == 1);
  co_return live_memory() - before;
}

}  // namespace

TEST_CASE("losses: the blocks are counted", "[api][losses]") {
  REQUIRE(pool_off == 0);
  virtual_loop l;
  const auto counts = l.run_until_complete([]() -> coro<bool> {
    const long before = live_memory();
    const auto t = create_task(give(1));
    const long after = live_memory();
    co_await t;
    co_return after > before;
  }());
  CHECK(counts);
}

TEST_CASE("losses: a million waits that time out leave nothing with the pending future",
          "[api][losses]") {
  virtual_loop l;
  const auto race = [](const std::vector<future<int>>& pending) -> coro<> {
    const auto got =
        co_await wait(pending, wait_options().return_when(first_completed).timeout(1us));
    if (got.pending.size() != 1) throw test::failure("it was not pending");
  };
  CHECK(l.run_until_complete(growth(race)) == 0);
}

TEST_CASE("losses: a million waits won by another leave nothing with the pending future",
          "[api][losses]") {
  virtual_loop l;
  const auto race = [](const std::vector<future<int>>& pending) -> coro<> {
    promise<int> soon;
    std::vector<future<int>> both{pending[0], soon.get_future()};
    soon.set_value(1);
    static_cast<void>(
        co_await wait(both, wait_options().return_when(first_completed).timeout(1h)));
  };
  CHECK(l.run_until_complete(growth(race)) == 0);
}

TEST_CASE("losses: a million races leave nothing with the pending future",
          "[api][losses]") {
  virtual_loop l;
  const auto against_done = [](const std::vector<future<int>>& pending) -> coro<> {
    promise<int> soon;
    const auto won = soon.get_future();
    soon.set_value(1);
    co_await race(pending[0], won);
  };
  CHECK(l.run_until_complete(growth(against_done)) == 0);
  const auto against_coro = [](const std::vector<future<int>>& pending) -> coro<> {
    const auto got = co_await race(pending[0], give(1));
    if (got.index != 1) throw test::failure("the pending one won");
  };
  CHECK(l.run_until_complete(growth(against_coro, races / 10)) == 0);
}

TEST_CASE("losses: first_success and quorum leave nothing with the pending future",
          "[api][losses]") {
  virtual_loop l;
  const auto race_of_range = [](const std::vector<future<int>>& pending) -> coro<> {
    promise<int> soon;
    std::vector<future<int>> both{pending[0], soon.get_future()};
    soon.set_value(1);
    co_await first_success(both);
    co_await quorum(1, both);
  };
  CHECK(l.run_until_complete(growth(race_of_range, races / 10)) == 0);
}

TEST_CASE("losses: hedges and maps leave nothing behind", "[api][losses]") {
  virtual_loop l;
  const auto both = [](const std::vector<future<int>>& pending) -> coro<> {
    const auto twice = [](int i) { return give(2 * i); };
    co_await hedge(1h, twice, 1);
    const auto same = [](int i, const future<int>&) { return give(i); };
    co_await map(std::views::iota(0, 2), same, limit(1), pending[0]);
  };
  CHECK(l.run_until_complete(growth(both, races / 10)) == 0);
}

TEST_CASE("losses: a million streams left early leave nothing with the pending future",
          "[api][losses]") {
  virtual_loop l;
  const auto race = [](const std::vector<future<int>>& pending) -> coro<> {
    auto stream = as_completed(pending, as_completed_options().timeout(1us));
    bool late = false;
    try {
      co_await stream.next();
    } catch (const timeout_error&) {
      late = true;
    }
    if (!late) throw test::failure("it was not late");
  };
  CHECK(l.run_until_complete(growth(race)) == 0);
}

TEST_CASE("losses: cancelled waiters leave nothing with the pending future",
          "[api][losses]") {
  virtual_loop l;
  const auto race = [](const std::vector<future<int>>& pending) -> coro<> {
    const auto waits = [](const std::vector<future<int>>& f) -> coro<> {
      static_cast<void>(co_await wait(f));
    };
    for (int i = 0; i < 10; ++i) {
      const auto waiter = create_task(waits(pending));
      co_await sleep(0ms);
      waiter.cancel();
      co_await as_outcome(waiter);
    }
  };
  const auto some = [](auto each) -> coro<long> {
    promise<int> never;
    const std::vector<future<int>> pending{never.get_future()};
    co_await each(pending);
    const long before = live_memory();
    for (int i = 0; i < 100; ++i) co_await each(pending);
    co_return live_memory() - before;
  };
  CHECK(l.run_until_complete(some(race)) == 0);
}

TEST_CASE("losses: a gather that has ended holds none of its children", "[api][losses]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p, q;
    const auto a = p.get_future();
    const auto b = q.get_future();
    const auto held = a.state().references();
    const auto whole = gather(a, b);
    p.set_value(1);
    q.set_value(2);
    co_await whole;
    CHECK(a.state().references() == held);
    CHECK(b.state().references() == held);
  }());
}

// ---- nothing is lost on the way --------------------------------------------------------

namespace {

coro<> ask(completion_stream<task<int>>& from, event_log& log, std::string name) {
  try {
    const auto got = co_await from.next();
    log.push_back(name + " got " + (got ? std::to_string(got->result()) : "the end"));
  } catch (const cancelled&) {
    log.push_back(name + " is cancelled");
    throw;
  }
}

std::vector<coro<int>> two(std::chrono::milliseconds first,
                           std::chrono::milliseconds second) {
  std::vector<coro<int>> all;
  all.push_back(give(1, first));
  all.push_back(give(2, second));
  return all;
}

}  // namespace

TEST_CASE("losses: a completion handed to a waiter that is cancelled goes to the next",
          "[api][losses]") {
  // The request comes 0, 1, 2 ... batches after the completion; in one of them the waiter
  // has been handed it and has not run.
  int handed_on = 0;
  for (int batches = 0; batches < 4; ++batches) {
    event_log log;
    virtual_loop l;
    l.run_until_complete([](event_log& seen, int after, int& count) -> coro<> {
      promise<int> p;
      std::vector<task<int>> one;
      const auto bridge = [](future<int> f) -> coro<int> { co_return co_await f; };
      one.push_back(create_task(bridge(p.get_future())));
      auto stream = as_completed(one);
      const auto a = create_task(ask(stream, seen, "a"));
      const auto b = create_task(ask(stream, seen, "b"));
      co_await sleep(1ms);
      p.set_value(7);
      for (int i = 0; i < after; ++i) co_await sleep(0ms);
      const bool asked = a.cancel();
      co_await gather(return_exceptions, a, b);
      if (asked) ++count;
      CHECK(seen == (asked ? event_log{"a is cancelled", "b got 7"}
                           : event_log{"a got 7", "b got the end"}));
    }(log, batches, handed_on));
  }
  CHECK(handed_on >= 3);
}

TEST_CASE(
    "losses: a completion given back with nobody waiting is there for who asks next",
    "[api][losses]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto stream = as_completed(two(1ms, 5ms));
    const auto a = create_task(ask(stream, seen, "a"));
    while (!a.done() && all_tasks().size() == 4) co_await sleep(1us);
    a.cancel();
    co_await as_outcome(a);
    co_await ask(stream, seen, "b");
    co_await ask(stream, seen, "c");
    co_await ask(stream, seen, "d");
  }(log));
  CHECK(log.size() == 4);
  CHECK(log[0] == "a is cancelled");
  CHECK(event_log(log.begin() + 1, log.end()) ==
        event_log{"b got 1", "c got 2", "d got the end"});
}

TEST_CASE("losses: a waiter that gave up has no part in what comes", "[api][losses]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto stream = as_completed(two(5ms, 6ms));
    const auto a = create_task(ask(stream, seen, "a"));
    const auto b = create_task(ask(stream, seen, "b"));
    co_await sleep(1ms);
    a.cancel();
    co_await gather(return_exceptions, a, b);
    co_await ask(stream, seen, "c");
  }(log));
  CHECK(log == event_log{"a is cancelled", "b got 1", "c got 2"});
}

TEST_CASE(
    "losses: wait cancelled while its wake-up is queued leaves the result with the child",
    "[api][losses]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const std::vector<future<int>> one{p.get_future()};
    const auto waits = [](const std::vector<future<int>>& f) -> coro<> {
      static_cast<void>(co_await wait(f));
    };
    const auto waiter = create_task(waits(one));
    co_await sleep(0ms);
    p.set_value(7);
    waiter.cancel("enough");
    const auto how = co_await as_outcome(waiter);
    CHECK(said(how.error()) == "cancelled: enough");
    CHECK(one[0].result() == 7);
  }());
}

TEST_CASE(
    "losses: a stream destroyed while a completion is queued loses no child's value",
    "[api][losses]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const std::vector<future<int>> one{p.get_future()};
    {
      auto stream = as_completed(one);
      p.set_value(7);
    }
    co_await sleep(0ms);
    CHECK(one[0].result() == 7);
  }());
}
