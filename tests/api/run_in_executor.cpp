#include <sheaf/run_in_executor.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/gate.hpp"
#include "support/host.hpp"
#include "support/report_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/context_var.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::counted;
using test::gate;
using test::said;

namespace {

int twice(int v) { return 2 * v; }
std::thread::id here() { return std::this_thread::get_id(); }

template <class E>
concept default_executor = requires(loop& l, E e) { l.set_default_executor(e); };
// THREAD-12: the default executor is a thread pool, which its type says.
static_assert(default_executor<thread_pool_executor>);
static_assert(!default_executor<int>);
static_assert(!default_executor<std::nullptr_t>);

coro<std::set<std::thread::id>> threads_of(int calls) {
  std::vector<future<std::thread::id>> all;
  for (int i = 0; i < calls; ++i) all.push_back(to_thread(here));
  std::set<std::thread::id> seen;
  for (const auto id : co_await gather(all)) seen.insert(id);
  co_return seen;
}

}  // namespace

TEST_CASE("run_in_executor: calls a function on a thread of the executor [THREAD-2]",
          "[api][executor][THREAD-2]") {
  const thread_pool_executor pool(1);
  run([](thread_pool_executor p) -> coro<> {
    const int value = co_await run_in_executor(p, twice, 21);
    CHECK(value == 42);
    const auto there = co_await run_in_executor(p, here);
    const auto again = co_await run_in_executor(p, here);
    const auto of_the_loop = co_await run_in_executor(nullptr, here);
    CHECK(there == again);
    CHECK(there != here());
    CHECK(of_the_loop != there);
    CHECK(of_the_loop != here());
  }(pool));
}

TEST_CASE("run_in_executor: what the function throws comes out of the await [THREAD-2]",
          "[api][executor][THREAD-2]") {
  run([]() -> coro<> {
    const thread_pool_executor pool(1);
    const auto call = run_in_executor(pool, [] { throw test::failure("x"); });
    const auto how = co_await as_outcome(call);
    CHECK(said(how.error()) == "x");
  }());
}

TEST_CASE("run_in_executor: brings no context along, to_thread does [THREAD-3]",
          "[api][executor][THREAD-3]") {
  const context_var<int> depth(0);
  run([](const context_var<int>& v) -> coro<> {
    v.set(5);
    const auto get = [&v] { return v.get(); };
    const auto set = [&v] { v.set(9); };
    const int with = co_await to_thread(get);
    const int without = co_await run_in_executor(nullptr, get);
    CHECK(with == 5);
    CHECK(without == 0);
    co_await to_thread(set);  // in its copy
    CHECK(v.get() == 5);
    const int after = co_await run_in_executor(nullptr, get);
    CHECK(after == 0);
  }(depth));
}

TEST_CASE("executor: loops share one, each gets its own back", "[api][executor]") {
  const thread_pool_executor shared(2);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> loops;
  for (int n = 0; n < 3; ++n) {
    loops.emplace_back([&, n] {
      run([](const thread_pool_executor& pool, int which,
             std::atomic<int>& bad) -> coro<> {
        const auto me = here();
        for (int i = 0; i < 200; ++i) {
          const int got = co_await run_in_executor(pool, twice, which * 1000 + i);
          bad += got != 2 * (which * 1000 + i) || here() != me;
        }
      }(shared, n, wrong));
    });
  }
  for (std::thread& t : loops) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("executor: a loop's threads are as many as it was told, and no more [THREAD-2]",
          "[api][executor]") {
  const auto one = run(threads_of(50), run_options().threads(1));
  CHECK(one.size() == 1);
  loop l(loop_options().threads(3));
  const auto three = l.run_until_complete(threads_of(50));
  CHECK(three.size() <= 3);
  CHECK(loop_options().threads() == runtime::thread_pool::default_size());
}

TEST_CASE("executor: set_default_executor takes the place of the loop's own [THREAD-12]",
          "[api][executor][THREAD-12]") {
  const thread_pool_executor one(1);
  run([](const thread_pool_executor& pool) -> coro<> {
    const auto own = co_await to_thread(here);
    loop::current().set_default_executor(pool);
    const auto given = co_await to_thread(here);
    const auto direct = co_await run_in_executor(pool, here);
    CHECK(own != given);
    CHECK(given == direct);
  }(one));
  // The end of run() has waited for its jobs, and left the executor to others.
  const int after = run([](const thread_pool_executor& pool) -> coro<int> {
    co_return co_await run_in_executor(pool, twice, 4);
  }(one));
  CHECK(after == 8);
}

TEST_CASE("executor: one that was shut down refuses, and does what it has [THREAD-12]",
          "[api][executor][THREAD-12]") {
  run([]() -> coro<> {
    gate closed;
    const thread_pool_executor pool(1);
    const auto blocking = [&closed] {
      closed.pass();
      return 1;
    };
    const auto under_way = run_in_executor(pool, blocking);
    const auto queued = run_in_executor(pool, twice, 2);
    pool.shut_down();
    CHECK_THROWS_AS(run_in_executor(pool, twice, 3), invalid_state);
    closed.open();
    const int first = co_await under_way;
    const int second = co_await queued;
    CHECK(first == 1);
    CHECK(second == 4);
  }());
}

TEST_CASE(
    "executor: shutdown_default_executor waits for the threads without blocking, and "
    "then "
    "it is an error to ask for one [THREAD-12]",
    "[api][executor][THREAD-12]") {
  test::event_log log;
  run([](test::event_log& seen) -> coro<> {
    gate closed;
    const auto call = to_thread([&closed] { closed.pass(); });
    const auto shut = [](test::event_log& l) -> coro<> {
      co_await loop::current().shutdown_default_executor();
      l.push_back("shut");
    };
    const auto shutting = create_task(shut(seen));
    for (int i = 0; i < 3; ++i) co_await sleep(0ms);
    seen.push_back("the loop runs");
    CHECK_THROWS_AS(to_thread(twice, 1), invalid_state);
    closed.open();
    co_await call;
    co_await shutting;
    CHECK_THROWS_AS(to_thread(twice, 1), invalid_state);
    CHECK_THROWS_AS(run_in_executor(nullptr, twice, 1), invalid_state);
    const thread_pool_executor other(1);
    const int elsewhere = co_await run_in_executor(other, twice, 1);
    CHECK(elsewhere == 2);
  }(log));
  CHECK(log == test::event_log{"the loop runs", "shut"});
}

TEST_CASE(
    "executor: shutdown_default_executor gives up after its limit, with a report "
    "[THREAD-12]",
    "[api][executor][THREAD-12]") {
  test::report_log reports;
  gate closed;
  loop l;
  reports.listen(l);
  l.run_until_complete([](gate& g) -> coro<> {
    const auto call = to_thread([&g] { g.pass(); });
    co_await loop::current().shutdown_default_executor(1ms);
    g.open();
    co_await call;
  }(closed));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].message.find("have not ended in time") != std::string::npos);
}

TEST_CASE("executor: shutting down what was never used is nothing [THREAD-12]",
          "[api][executor][THREAD-12]") {
  run([]() -> coro<> {
    co_await loop::current().shutdown_default_executor();
    CHECK_THROWS_AS(to_thread(twice, 1), invalid_state);
  }());
}

TEST_CASE("executor: run() waits for the threads before the loop is closed [RUN-6]",
          "[api][executor][RUN-6]") {
  std::atomic<bool> ended = false;
  run([](std::atomic<bool>& flag) -> coro<> {
    static_cast<void>(to_thread([&flag] {
      std::this_thread::yield();
      flag = true;
    }));
    co_return;
  }(ended));
  CHECK(ended);
}

TEST_CASE(
    "executor: a job on a shared one is waited for by its loop, not by others "
    "[THREAD-5]",
    "[api][executor][THREAD-5]") {
  counted::reset();
  gate closed;
  const thread_pool_executor shared(2);
  std::atomic<int> ended = 0;
  {
    loop l;
    l.call_soon([&] {
      static_cast<void>(run_in_executor(shared, [&] {
        closed.pass();
        ++ended;
        return counted(1);
      }));
    });
    l.turn();
    run([](const thread_pool_executor& pool) -> coro<> {
      const int v = co_await run_in_executor(pool, twice, 1);
      CHECK(v == 2);
    }(shared));  // closes its loop beside the one under way
    CHECK(ended == 0);
    closed.open();
  }
  CHECK(ended == 1);
  CHECK(counted::alive == 0);
}

TEST_CASE("executor: a borrowed loop waits for its jobs when it is closed [THREAD-5]",
          "[api][executor][THREAD-5]") {
  counted::reset();
  const thread_pool_executor shared(1);
  std::atomic<int> ended = 0;
  test::host host;
  future<counted> kept;
  {
    loop l(host.get(), borrowed);
    l.call_soon([&] {
      kept = run_in_executor(shared, [&] {
        std::this_thread::yield();
        ++ended;
        return counted(1);
      });
    });
    host.turn();
  }
  CHECK(ended == 1);
  CHECK(kept.cancelled());
  CHECK(counted::alive == 0);
}

TEST_CASE("executor: the last handle may go in a job of its own", "[api][executor]") {
  std::atomic<bool> ended = false;
  run([](std::atomic<bool>& flag) -> coro<> {
    auto pool = std::make_unique<thread_pool_executor>(1);
    gate closed;
    const auto job = [&closed, &flag](const thread_pool_executor&) {
      closed.pass();
      flag = true;
    };
    const auto call = run_in_executor(*pool, job, *pool);
    pool.reset();
    closed.open();
    co_await call;
  }(ended));
  CHECK(ended);
}

TEST_CASE("executor: takes at least one thread", "[api][executor]") {
  CHECK_THROWS_AS(thread_pool_executor(0), invalid_state);
  CHECK(thread_pool_executor(3).threads() == 3);
}

TEST_CASE("executor: where no loop runs it is an error", "[api][executor]") {
  const thread_pool_executor pool(1);
  CHECK_THROWS_AS(run_in_executor(pool, twice, 1), invalid_state);
  CHECK_THROWS_AS(run_in_executor(nullptr, twice, 1), invalid_state);
}

TEST_CASE("run_in_executor: what is not called any more is destroyed on the thread",
          "[api][run_in_executor][THREAD-4]") {
  struct witness {
    explicit witness(std::promise<std::thread::id>& w) : where(&w) {}
    witness(witness&& from) noexcept : where(std::exchange(from.where, nullptr)) {}
    ~witness() {
      if (where) where->set_value(std::this_thread::get_id());
    }
    std::promise<std::thread::id>* where;
  };
  std::promise<std::thread::id> died;
  run([](std::promise<std::thread::id>& where) -> coro<> {
    thread_pool_executor one(1);
    gate closed;
    const auto first = run_in_executor(one, [&closed] { closed.pass(); });
    const auto second = run_in_executor(one, [](const witness&) {}, witness(where));
    second.cancel();
    closed.open();
    co_await first;
    // While the future of the call is kept.
    CHECK(where.get_future().get() != std::this_thread::get_id());
  }(died));
}

TEST_CASE("run_in_executor: a context that cannot be copied leaves nothing behind",
          "[api][run_in_executor]") {
  struct fragile {
    fragile() = default;
    fragile(const fragile&) {
      if (breaks()) throw std::runtime_error("no copy");
    }
    fragile(fragile&&) = default;
    static bool& breaks() {
      static bool now = false;
      return now;
    }
  };
  static context_var<fragile> variable;
  run([]() -> coro<> {
    variable.set(fragile());
    fragile::breaks() = true;
    CHECK_THROWS_AS(to_thread([] {}), std::runtime_error);
    fragile::breaks() = false;
    co_return;
  }());
}

TEST_CASE("run_in_executor: a loop that closes does not wait for who gives job after job",
          "[api][run_in_executor]") {
  loop l;
  l.set_exception_handler([](const sheaf::exception_context&) {});
  const auto stubborn = []() -> coro<> {
    for (;;) {
      try {
        co_await to_thread([] {});
      } catch (const cancelled&) {
      }
    }
  };
  const auto kept = l.create_task(stubborn());
  for (int i = 0; i < 10; ++i) l.turn();
  l.close();
  CHECK(kept.cancelled());
}
