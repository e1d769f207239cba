#include <sheaf/spawn_on.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/host.hpp"
#include "support/report_log.hpp"
#include "support/tsan_blind_spots.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/context_var.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop_pool.hpp>
#include <sheaf/race.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::report_log;
using test::said;
using test::thrown_by;

namespace {

template <class... A>
concept spawned = requires(loop& l, A... a) { spawn_on(l, std::move(a)...); };
static_assert(spawned<coro<int>>);
static_assert(!spawned<int>);
static_assert(!spawned<int (*)()>, "what is called gives a coro");

using thread_id = std::thread::id;

coro<thread_id> where() { co_return std::this_thread::get_id(); }

coro<int> add(int a, int b) {
  co_await sleep(0s);
  co_return a + b;
}

coro<int> failing(std::string what) {
  co_await sleep(0s);
  throw test::failure(what);
}

coro<> count(std::atomic<int>& n) {
  ++n;
  co_return;
}

/// Says when it waits and when it has ended, on whichever thread.
struct signs {
  std::atomic<bool> waits{false};
  std::atomic<bool> ended{false};
  std::string why;
};

coro<> sleepy(signs& s) {
  struct at_the_end {
    signs& s;
    ~at_the_end() { s.ended = true; }
  };
  const at_the_end says{s};
  s.waits = true;
  try {
    co_await sleep(1h);
  } catch (const cancelled& c) {
    s.why = c.reason();
    throw;
  }
}

/// Takes some turns more to end when it is cancelled.
coro<> slow_to_end(signs& s) {
  s.waits = true;
  try {
    co_await sleep(1h);
  } catch (const cancelled&) {
    s.why = "cancelled";
  }
  for (int i = 0; i < 5; ++i) co_await sleep(0s);
  s.ended = true;
  throw cancelled("as asked");
}

/// Lets turns go by until `b` is set.
coro<> until(std::atomic<bool>& b) {
  while (!b) co_await sleep(1ms);
}

coro<std::string> how(future<> f) {
  const auto o = co_await as_outcome(f);
  if (o.has_value()) co_return "a value";
  co_return said(o.is_cancelled() ? std::make_exception_ptr(o.cancellation())
                                  : o.error());
}

}  // namespace

TEST_CASE("spawn_on: the coroutine runs on the other loop's thread, its value comes back",
          "[api][spawn_on]") {
  loop_pool pool(2);
  const auto scenario = [](loop_pool& p) -> coro<> {
    const thread_id here = std::this_thread::get_id();
    const thread_id first = co_await spawn_on(p[0], where);
    const thread_id again = co_await spawn_on(p[0], where());
    const thread_id second = co_await spawn_on(p[1], where);
    CHECK(first == again);
    CHECK(first != second);
    CHECK(first != here);
    CHECK(second != here);
    CHECK(std::this_thread::get_id() == here);
    CHECK(co_await spawn_on(p[1], add, 1, 2) == 3);
    CHECK(co_await spawn_on(loop::current(), add, 3, 4) == 7);
  };
  run(scenario(pool));
}

TEST_CASE("spawn_on: arguments move over, and a value that can only be moved comes back",
          "[api][spawn_on]") {
  loop_pool pool(1);
  const auto scenario = [](loop& far) -> coro<> {
    const auto doubled = [](std::unique_ptr<int> n) -> coro<std::unique_ptr<int>> {
      *n *= 2;
      co_return std::move(n);
    };
    auto box = std::make_unique<int>(21);
    const auto back = co_await spawn_on(far, doubled, std::move(box));
    CHECK(*back == 42);
  };
  run(scenario(pool[0]));
}

TEST_CASE("spawn_on: what is called lives until its task has ended", "[api][spawn_on]") {
  loop_pool pool(1);
  const auto scenario = [](loop& far) -> coro<> {
    std::string text(100, 'x');
    // The coroutine refers to the lambda, which is gone here when it goes on.
    auto f = [&] {
      const auto lambda = [text](const std::string& more) -> coro<std::string> {
        co_await sleep(1ms);
        co_return text + more;
      };
      return spawn_on(far, lambda, std::string("y"));
    }();
    const std::string result = co_await f;
    CHECK(result == text + "y");
  };
  run(scenario(pool[0]));
}

TEST_CASE("spawn_on: what it throws is thrown by the await", "[api][spawn_on]") {
  loop_pool pool(1);
  const auto scenario = [](loop& far) -> coro<> {
    const auto o = co_await as_outcome(spawn_on(far, failing, std::string("boom")));
    CHECK(said(o.error()) == "boom");
    // The call itself may throw too, over there.
    const auto refuses = [](int) -> coro<int> (*)() { throw test::failure("no"); };
    const auto makes_none = [refuses](int n) -> coro<int> { return refuses(n)(); };
    const auto p = co_await as_outcome(spawn_on(far, makes_none, 1));
    CHECK(said(p.error()) == "no");
  };
  run(scenario(pool[0]));
}

TEST_CASE("spawn_on: the caller's context goes along, as a copy", "[api][spawn_on]") {
  static context_var<int> number(0);
  loop_pool pool(1);
  const auto scenario = [](loop& far) -> coro<> {
    const auto read_and_set = []() -> coro<int> {
      const int before = number.get();
      number.set(99);
      co_return before;
    };
    CHECK(co_await spawn_on(far, read_and_set) == 0);
    number.set(7);
    CHECK(co_await spawn_on(far, read_and_set) == 7);
    CHECK(number.get() == 7);
  };
  run(scenario(pool[0]));
}

TEST_CASE("spawn_on: cancelling who awaits cancels the task, and waits for its end",
          "[api][spawn_on]") {
  loop_pool pool(1);
  signs s;
  const auto scenario = [](loop& far, signs& seen) -> coro<> {
    const auto awaits = [](loop& l, signs& at) -> coro<> {
      co_await spawn_on(l, slow_to_end, std::ref(at));
    };
    auto t = create_task(awaits(far, seen));
    co_await until(seen.waits);
    t.cancel("enough");
    CHECK(co_await how(t) == "cancelled: as asked");
    CHECK(seen.ended);
    CHECK(seen.why == "cancelled");
  };
  run(scenario(pool[0], s));
}

TEST_CASE("spawn_on: the reason of a cancellation arrives over there",
          "[api][spawn_on]") {
  loop_pool pool(1);
  signs s;
  const auto scenario = [](loop& far, signs& seen) -> coro<> {
    auto f = spawn_on(far, sleepy, std::ref(seen));
    co_await until(seen.waits);
    CHECK(f.cancel("enough"));
    CHECK_FALSE(f.done());
    CHECK(co_await how(f) == "cancelled: enough");
    CHECK(seen.ended);
    CHECK(seen.why == "enough");
    CHECK_FALSE(f.cancel());
  };
  run(scenario(pool[0], s));
}

TEST_CASE("spawn_on: cancelled before it began, nothing of it runs", "[api][spawn_on]") {
  std::atomic<int> ran{0};
  loop far;  // nobody runs it yet
  const auto scenario = [](loop& l, std::atomic<int>& n) -> coro<> {
    auto f = spawn_on(l, count, std::ref(n));
    f.cancel("never mind");
    std::thread runs([&l] { l.run_forever(); });
    CHECK(co_await how(f) == "cancelled: never mind");
    l.call_soon_threadsafe([&l] { l.stop(); });
    runs.join();
  };
  run(scenario(far, ran));
  CHECK(ran == 0);
}

TEST_CASE("spawn_on: a task that goes on although it was cancelled gives its value",
          "[api][spawn_on]") {
  loop_pool pool(1);
  std::atomic<bool> waits{false};
  const auto scenario = [](loop& far, std::atomic<bool>& seen) -> coro<> {
    const auto stubborn = [](std::atomic<bool>& b) -> coro<int> {
      b = true;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      co_return 5;
    };
    auto f = spawn_on(far, stubborn, std::ref(seen));
    co_await until(seen);
    f.cancel();
    CHECK(co_await f == 5);
  };
  run(scenario(pool[0], waits));
}

TEST_CASE("spawn_on: gather, race and wait_for take it as any future",
          "[api][spawn_on]") {
  loop_pool pool(2);
  signs a, b;
  const auto scenario = [](loop_pool& p, signs& x, signs& y) -> coro<> {
    const auto [sum, other] =
        co_await gather(spawn_on(p[0], add, 1, 2), spawn_on(p[1], add, 3, 4));
    CHECK(sum == 3);
    CHECK(other == 7);

    auto slow = spawn_on(p[0], sleepy, std::ref(x));
    co_await until(x.waits);
    bool late = false;
    try {
      co_await wait_for(std::move(slow), 5ms);
    } catch (const timeout_error&) {
      late = true;
    }
    CHECK(late);
    CHECK(x.ended);

    const auto winner =
        co_await race(spawn_on(p[0], sleepy, std::ref(y)), test::nothing(5ms));
    CHECK(winner.index == 1);
    CHECK(y.ended == y.waits);  // the loser has ended, or has not begun
  };
  run(scenario(pool, a, b));
}

TEST_CASE("spawn_on: where no loop runs it is refused", "[api][spawn_on]") {
  loop_pool pool(1);
  CHECK_THROWS_AS(spawn_on(pool[0], add, 1, 2), invalid_state);
  pool.close();
  const auto scenario = [](loop& far) -> coro<> {
    CHECK_THROWS_AS(spawn_on(far, add, 1, 2), invalid_state);
    CHECK(co_await sleep(0s, true));
  };
  run(scenario(pool[0]));
}

TEST_CASE("spawn_on: a far loop that is closed first ends its tasks, and tells",
          "[api][spawn_on]") {
  std::atomic<int> ran{0};
  signs s;
  const auto scenario = [](signs& seen, std::atomic<int>& n) -> coro<> {
    std::optional<loop_pool> pool(std::in_place, 1);
    auto f = spawn_on((*pool)[0], sleepy, std::ref(seen));
    co_await until(seen.waits);
    auto closing = create_task(pool->shutdown());
    CHECK(co_await how(f) == "cancelled: the loop pool was closed");
    co_await closing;
    pool.reset();
    CHECK(seen.ended);

    std::optional<loop> never_run(std::in_place);
    auto g = spawn_on(*never_run, count, std::ref(n));
    never_run.reset();
    CHECK(co_await how(g) == "spawn_on: the loop was closed before the coroutine began");
  };
  run(scenario(s, ran));
  CHECK(ran == 0);
}

// Those that are there were cancelled before; nobody would cancel one that comes then.
TEST_CASE("spawn_on: a loop that waits for its tasks to end begins no more of them",
          "[api][spawn_on]") {
  std::atomic<int> ran{0};
  std::atomic<bool> told{false};
  loop far;
  far.set_exception_handler([](const auto&) {});
  const auto lingers = [](std::atomic<bool>& until_then) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
    }
    co_await until(until_then);
  };
  const auto cleans_up = far.create_task(lingers(told));
  for (int i = 0; i < 3; ++i) far.turn();
  const auto scenario = [](loop& l, std::atomic<int>& n, std::atomic<bool>& b) -> coro<> {
    auto f = spawn_on(l, count, std::ref(n));
    std::thread closes([&l] { l.close(); });
    const auto answer = co_await how(f);
    b = true;
    closes.join();
    CHECK(answer == "spawn_on: the loop was closed before the coroutine began");
  };
  run(scenario(far, ran, told));
  CHECK(ran == 0);
  CHECK(cleans_up.done());
}

TEST_CASE("spawn_on: a loop that ends leaves what nobody awaits; what fails is reported",
          "[api][spawn_on]") {
  std::atomic<int> reports{0};
  std::atomic<bool> go{false}, failed{false};
  const auto handler = [&reports](const exception_context& c) {
    if (said(c.exception) == "unheard") ++reports;
  };
  loop_pool pool(1, loop_pool_options().exception_handler(handler));
  const auto fails_later = [](std::atomic<bool>& g, std::atomic<bool>& f) -> coro<> {
    co_await until(g);
    f = true;
    throw test::failure("unheard");
  };
  future<> kept;
  const auto scenario = [&](loop& far) -> coro<> {
    kept = spawn_on(far, fails_later, std::ref(go), std::ref(failed));
    co_return;
  };
  run(scenario(pool[0]));
  CHECK(kept.cancelled());
  go = true;
  pool.close();
  CHECK((failed ? reports == 1 : reports == 0));
}

TEST_CASE("spawn_on: a loop that ends asks what is awaited there to end, and waits",
          "[api][spawn_on]") {
  loop_pool pool(1);
  signs s;
  report_log reports;
  {
    loop home;
    reports.listen(home);
    const auto awaits = [](loop& far, signs& seen) -> coro<> {
      co_await spawn_on(far, slow_to_end, std::ref(seen));
    };
    auto t = home.create_task(awaits(pool[0], s));
    home.run_until_complete(until(s.waits));
  }
  CHECK(s.ended);
  CHECK(reports.size() == 1);
}

TEST_CASE("spawn_on: a borrowed loop that goes asks, and does not wait",
          "[api][spawn_on]") {
  loop_pool pool(1);
  signs s;
  report_log reports;
  test::host host;
  {
    loop home(host.get(), borrowed);
    reports.listen(home);
    const auto awaits = [](loop& far, signs& seen) -> coro<> {
      co_await spawn_on(far, sleepy, std::ref(seen));
    };
    const auto t = home.create_task(awaits(pool[0], s));
    while (!s.waits) host.turn();
  }
  pool.close();
  CHECK(s.ended);
}

TEST_CASE("spawn_on: a future that is dropped stops nothing; its error is reported here",
          "[api][spawn_on]") {
  loop_pool pool(1);
  report_log reports;
  std::atomic<int> ran{0};
  {
    loop home;
    reports.listen(home);
    const auto scenario = [](loop& far, std::atomic<int>& n, report_log& r) -> coro<> {
      static_cast<void>(spawn_on(far, count, std::ref(n)));
      static_cast<void>(spawn_on(far, failing, std::string("lost")));
      while (r.size() == 0) co_await sleep(1ms);
    };
    home.run_until_complete(scenario(pool[0], ran, reports));
  }
  CHECK(ran == 1);
  REQUIRE(reports.size() == 1);
  CHECK(said(reports[0].exception) == "lost");
}

TEST_CASE("spawn_on: two loops await each other's tasks", "[api][spawn_on]") {
  loop_pool pool(2);
  struct ping {
    static coro<int> down(loop& here, loop& there, int n) {
      if (n == 0) co_return 0;
      const int rest =
          co_await spawn_on(there, down, std::ref(there), std::ref(here), n - 1);
      co_return rest + 1;
    }
  };
  const auto scenario = [](loop_pool& p) -> coro<> {
    CHECK(co_await spawn_on(p[0], ping::down, std::ref(p[0]), std::ref(p[1]), 100) ==
          100);
  };
  run(scenario(pool));
}

TEST_CASE("spawn_on: a hundred thousand of them, none is lost", "[api][spawn_on][R5]") {
#ifdef SHEAF_TEST_FEWER
  constexpr int all = 10'000;
#else
  constexpr int all = 100'000;
#endif
  loop_pool pool(3);
  std::atomic<int> ran{0};
  const auto scenario = [](loop_pool& p, std::atomic<int>& n) -> coro<> {
    std::vector<future<>> some;
    for (int i = 0; i < all; ++i) {
      some.push_back(p.spawn(count, std::ref(n)));
      if (some.size() < 1000) continue;
      co_await gather(std::move(some));
      some.clear();
    }
    co_await gather(std::move(some));
  };
  run(scenario(pool, ran));
  CHECK(ran == all);
}

TEST_CASE("spawn_on: cancelled at any moment, a task ends once and says how",
          "[api][spawn_on][R5]") {
  loop_pool pool(2);
  test::counted::reset();
  const auto scenario = [](loop_pool& p) -> coro<> {
    const auto works = [](int turns, int value) -> coro<int> {
      for (int i = 0; i < turns; ++i) co_await sleep(0s);
      co_return value;
    };
    int values = 0, cancels = 0;
    for (int i = 0; i < 3000; ++i) {
      auto f = p.spawn(works, i % 4, i);
      for (int wait = i % 7; wait > 0; --wait) co_await sleep(0s);
      const bool asked = f.cancel("race");
      if (i % 3 == 0) f.cancel("again");
      const auto o = co_await as_outcome(f);
      if (o.has_value()) {
        CHECK(o.value() == i);
        ++values;
      } else {
        CHECK(asked);
        CHECK(said(o.error()) == "cancelled: race");
        ++cancels;
      }
    }
    CHECK(values + cancels == 3000);
    CHECK(cancels > 0);
  };
  run(scenario(pool));
}

TEST_CASE("spawn_on: its loop destroyed while calls are under way, at any moment",
          "[api][spawn_on][R7]") {
  loop_pool pool(2);
  const auto works = [](int turns) -> coro<std::string> {
    for (int i = 0; i < turns; ++i) co_await sleep(0s);
    co_return std::string(100, 'x');
  };
  const auto awaits = [&works](loop_pool& p, int i) -> coro<> {
    const auto text = co_await p.spawn(works, i);
    CHECK(text.size() == 100);
  };
  for (int i = 0; i < 300; ++i) {
    test::report_log reports;
    future<std::string> kept;
    loop home;
    reports.listen(home);
    const auto t = home.create_task(awaits(pool, i % 5));
    const auto drops = [](loop_pool& p, const auto& f, future<std::string>& k) -> coro<> {
      static_cast<void>(p.spawn(f, 3));
      k = p.spawn(f, 2);
      co_return;
    };
    const auto u = home.create_task(drops(pool, works, kept));
    for (int turns = i % 6; turns > 0; --turns) home.turn();
  }
}

TEST_CASE("spawn_on: the far loops destroyed while others await into them",
          "[api][spawn_on][R7]") {
  const auto works = [](int turns) -> coro<int> {
    for (int i = 0; i < turns; ++i) co_await sleep(0s);
    co_return turns;
  };
  for (int i = 0; i < 100; ++i) {
    const auto scenario = [&works](int n) -> coro<> {
      std::vector<future<int>> all;
      {
        loop_pool pool(2);
        for (int k = 0; k < 20; ++k) all.push_back(pool.spawn(works, k));
        for (int turns = n % 5; turns > 0; --turns) co_await sleep(0s);
      }
      for (auto& f : all) {
        const auto o = co_await as_outcome(f);
        if (o.has_value()) continue;
        const std::string why = said(o.error());
        CHECK((why == "cancelled: the loop pool was closed" ||
               why == "spawn_on: the loop was closed before the coroutine began"));
      }
    };
    run(scenario(i));
  }
}
