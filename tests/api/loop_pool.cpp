#include <sheaf/loop_pool.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/tsan_blind_spots.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/generator.hpp>
#include <sheaf/run.hpp>
#include <sheaf/run_coroutine_threadsafe.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::said;

static_assert(!std::is_copy_constructible_v<loop_pool>);
static_assert(!std::is_move_constructible_v<loop_pool>);

namespace {

/// The reports of several threads.
class reports {
 public:
  auto handler() {
    return [this](const exception_context& c) {
      const std::lock_guard hold(lock_);
      all_.push_back(c.message + (c.exception ? ": " + describe(c.exception) : ""));
    };
  }
  std::vector<std::string> all() {
    const std::lock_guard hold(lock_);
    return all_;
  }

 private:
  std::mutex lock_;
  std::vector<std::string> all_;
};

coro<std::thread::id> where() { co_return std::this_thread::get_id(); }

}  // namespace

TEST_CASE("loop_pool: each loop has a thread of its own, in turn by next()",
          "[api][loop_pool]") {
  loop_pool pool(3);
  CHECK(pool.size() == 3);
  std::set<std::thread::id> seen{std::this_thread::get_id()};
  for (int i = 0; i < 3; ++i) {
    loop& l = pool.next();
    CHECK(&l == &pool[static_cast<std::size_t>(i)]);
    seen.insert(run_coroutine_threadsafe(l, where()).get());
  }
  CHECK(seen.size() == 4);
  CHECK(&pool.next() == &pool[0]);
}

TEST_CASE("loop_pool: without a number there are as many loops as processors",
          "[api][loop_pool]") {
  const loop_pool pool;
  CHECK(pool.size() == std::max(1U, std::thread::hardware_concurrency()));
  CHECK_THROWS_AS(loop_pool(0), std::invalid_argument);
}

TEST_CASE("loop_pool: its end closes the generators that its loops have begun",
          "[api][loop_pool]") {
  std::thread::id closed_in;
  const auto tidy = [&closed_in]() -> generator<int> {
    bool closed = false;
    try {
      co_yield 1;
    } catch (const generator_exit&) {
      closed = true;
    }
    co_await sleep(0ms);
    if (closed) closed_in = std::this_thread::get_id();
  };
  const auto step = [](generator<int>& from) -> coro<> {
    static_cast<void>(co_await from.next());
  };
  auto g = tidy();
  std::thread::id thread;
  {
    loop_pool pool(1);
    thread = run_coroutine_threadsafe(pool[0], where()).get();
    run_coroutine_threadsafe(pool[0], step(g)).get();
  }
  CHECK(closed_in == thread);
}

TEST_CASE("loop_pool: its end cancels what is left with a cause, and waits for it",
          "[api][loop_pool]") {
  std::atomic<int> begun{0}, ended{0};
  std::atomic<bool> as_said{true};
  const auto left = [&](int turns) -> coro<> {
    ++begun;
    std::string why;
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      why = c.reason();
    }
    if (why != "the loop pool was closed") as_said = false;
    for (int i = 0; i < turns; ++i) co_await sleep(1ms);
    ++ended;
    throw cancelled(why);
  };
  reports seen;
  {
    loop_pool pool(2, loop_pool_options().exception_handler(seen.handler()));
    std::vector<std::future<void>> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(run_coroutine_threadsafe(pool.next(), left(i)));
    while (begun < 8) std::this_thread::yield();
  }
  CHECK(ended == 8);
  CHECK(as_said);
  CHECK(seen.all().empty());
}

TEST_CASE("loop_pool: what fails while it ends is reported", "[api][loop_pool]") {
  reports seen;
  std::atomic<bool> begun{false};
  const auto fails_at_the_end = [&begun]() -> coro<> {
    begun = true;
    bool asked = false;
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      asked = true;
    }
    if (asked) throw test::failure("at the end");
  };
  {
    loop_pool pool(1, loop_pool_options().exception_handler(seen.handler()));
    const auto start = [&] {
      static_cast<void>(pool[0].create_task(fails_at_the_end()));
    };
    pool[0].call_soon_threadsafe(start);
    while (!begun) std::this_thread::yield();
  }
  REQUIRE(seen.all().size() == 1);
  CHECK(seen.all()[0] ==
        "a task failed while run() was ending: test::failure: at the end");
}

TEST_CASE("loop_pool: an exception of a callback, or an exit, ends no loop",
          "[api][loop_pool]") {
  reports seen;
  loop_pool pool(1, loop_pool_options().exception_handler(seen.handler()));
  pool[0].call_soon_threadsafe([] { throw test::failure("boom"); });
  pool[0].call_soon_threadsafe([] { throw system_exit(3); });
  pool[0].call_soon_threadsafe([] { loop::current().stop(); });
  CHECK(run_coroutine_threadsafe(pool[0], where()).get() != std::this_thread::get_id());
  REQUIRE(seen.all().size() == 2);
  CHECK(seen.all()[0].find("boom") != std::string::npos);
  CHECK(seen.all()[1].find("an exit was asked for") == 0);
}

TEST_CASE("loop_pool: after close() its loops refuse", "[api][loop_pool]") {
  loop_pool pool(2);
  pool.close();
  pool.close();
  CHECK(pool[0].is_closed());
  CHECK_THROWS_AS(pool[1].call_soon_threadsafe([] {}), invalid_state);
  CHECK_THROWS_AS(run_coroutine_threadsafe(pool[1], where()), invalid_state);
}

TEST_CASE("loop_pool: a thread of the pool cannot end it", "[api][loop_pool]") {
  loop_pool pool(1);
  const auto ends = [](loop_pool& p) -> coro<std::string> {
    const std::string plain = test::thrown_by([&p] { p.close(); });
    const auto o = co_await as_outcome(p.shutdown());
    co_return plain + said(o.error());
  };
  const std::string all = run_coroutine_threadsafe(pool[0], ends(pool)).get();
  CHECK(all.find("loop_pool::close: a thread of the pool") == 0);
  CHECK(all.find("loop_pool::shutdown: a thread of the pool") != std::string::npos);
}

TEST_CASE("loop_pool: shutdown() waits without blocking the loop that waits",
          "[api][loop_pool]") {
  const auto scenario = []() -> coro<> {
    loop_pool pool(2);
    std::atomic<bool> begun{false};
    // Its end needs the loop that shuts the pool down.
    const auto needs_home = [](loop& home, std::atomic<bool>& b) -> coro<> {
      b = true;
      bool asked = false;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        asked = true;
      }
      if (asked) co_await spawn_on(home, where);
    };
    auto f = spawn_on(pool[0], needs_home, std::ref(loop::current()), std::ref(begun));
    while (!begun) co_await sleep(1ms);
    co_await pool.shutdown();
    CHECK(pool[0].is_closed());
    CHECK(pool[1].is_closed());
    const auto o = co_await as_outcome(f);
    CHECK(o.has_value());
    co_await pool.shutdown();
  };
  run(scenario());
}

TEST_CASE("loop_pool: shutdown() may begin when the pool is gone", "[api][loop_pool]") {
  const auto scenario = []() -> coro<> {
    std::optional<loop_pool> pool(std::in_place, 2);
    auto ends = create_task(pool->shutdown());
    pool.reset();
    co_await ends;
    CHECK(ends.done());
  };
  run(scenario());
}

TEST_CASE("loop_pool: shutdown() that is cancelled goes on by itself",
          "[api][loop_pool]") {
  std::atomic<bool> ended{false};
  const auto scenario = [&ended]() -> coro<> {
    loop_pool pool(1);
    std::atomic<bool> begun{false};
    const auto slow = [](std::atomic<bool>& b, std::atomic<bool>& e) -> coro<> {
      b = true;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      for (int i = 0; i < 20; ++i) co_await sleep(1ms);
      e = true;
    };
    static_cast<void>(spawn_on(pool[0], slow, std::ref(begun), std::ref(ended)));
    while (!begun) co_await sleep(1ms);
    auto t = create_task(pool.shutdown());
    co_await sleep(0s);
    t.cancel("no time");
    const auto o = co_await as_outcome(t);
    CHECK(o.is_cancelled());
  };
  run(scenario());
  CHECK(ended);
}

TEST_CASE(
    "loop_pool: a task that swallows its cancellation and uses a thread is waited for",
    "[api][loop_pool]") {
  std::atomic<bool> ran{false};
  std::atomic<bool> begun{false};
  {
    loop_pool pool(1);
    const auto job = [&ran](std::atomic<bool>& b) {
      b = true;
      std::this_thread::sleep_for(5ms);
      ran = true;
    };
    const auto threads = [&job](std::atomic<bool>& b) -> coro<> {
      co_await to_thread(job, std::ref(b));
    };
    const auto f = run_coroutine_threadsafe(pool[0], threads(begun));
    while (!begun) std::this_thread::yield();
  }
  CHECK(ran);
}
