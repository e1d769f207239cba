#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/host.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/barrier.hpp>
#include <sheaf/condition.hpp>
#include <sheaf/event.hpp>
#include <sheaf/finish.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/hedge.hpp>
#include <sheaf/loop_pool.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/race.hpp>
#include <sheaf/run.hpp>
#include <sheaf/run_coroutine_threadsafe.hpp>
#include <sheaf/runner.hpp>
#include <sheaf/scoped_task.hpp>
#include <sheaf/semaphore.hpp>
#include <sheaf/shield.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/spawn_on.hpp>
#include <sheaf/task.hpp>
#include <sheaf/task_group.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/to_thread.hpp>
#include <sheaf/wait_for.hpp>

#include <memory>
#include <source_location>
#include <string>

// In asyncio all that is awaited is a coroutine, and may be made a task as it is written.
using namespace sheaf;
using namespace std::chrono_literals;

namespace {

using box = std::unique_ptr<int>;

// What refers to somebody else's state, or to itself, may not become a task by a mistake.
template <class A>
concept made_a_task = requires(A a) { create_task(std::forward<A>(a)); };
static_assert(made_a_task<decltype(sleep(1s))>);
static_assert(!made_a_task<decltype(sleep(1s))&>);
static_assert(!made_a_task<const decltype(sleep(1s))>);

coro<int> give(int v) {
  co_await sleep(1ms);
  co_return v;
}

}  // namespace

TEST_CASE("what is awaited may be made a task: queues, events, locks, sleeps",
          "[api][task]") {
  run(
      []() -> coro<> {
        queue<box> q(1);
        event e;
        mutex m;
        semaphore s(1);
        task<box> item = create_task(q.get());
        task<> put =
            create_task(q.put(std::make_unique<int>(7)), task_options().name("put"));
        task<bool> set = create_task(e.wait());
        task<mutex::guard> lock = create_task(m.scoped_lock());
        task<> permit = create_task(s.acquire());
        task<> nap = create_task(sleep(5ms));
        e.set();
        CHECK(put.name() == "put");
        const box got = co_await std::move(item);
        CHECK(*got == 7);
        const bool was_set = co_await set;
        CHECK(was_set);
        {
          const mutex::guard held = co_await std::move(lock);
          CHECK(m.locked());
        }
        CHECK_FALSE(m.locked());
        co_await permit;
        CHECK(s.locked());
        co_await nap;
      }(),
      run_options().virtual_time());
}

TEST_CASE("what is awaited may be gathered, raced, limited and finished",
          "[api][gather]") {
  run(
      []() -> coro<> {
        queue<int> q(1);
        queue<int> empty(1);
        event e;
        loop::current().call_later(2ms, [&] {
          q.put_nowait(7);
          e.set();
        });
        const auto [item, set] = co_await gather(q.get(), e.wait());
        CHECK((item == 7 && set));
        const auto first = co_await race(sleep(1h), sleep(3ms));
        CHECK(first.index == 1);
        std::string late;
        try {
          co_await wait_for(empty.get(), 1s);
        } catch (const timeout_error&) {
          late = "timeout";
        }
        CHECK(late == "timeout");
        task<int> limited = create_task(wait_for(empty.get(), 1s));
        empty.put_nowait(3);
        const int three = co_await limited;
        CHECK(three == 3);
        co_await finish(sleep(1ms));
      }(),
      run_options().virtual_time());
  run(sleep(1ms), run_options().virtual_time());
}

TEST_CASE("a wait that was made a task and is cancelled leaves its queue",
          "[api][task]") {
  run(
      []() -> coro<> {
        queue<int> q(1);
        task<int> gone = create_task(q.get());
        co_await sleep(0ms);
        gone.cancel();
        q.put_nowait(1);
        co_await sleep(0ms);
        CHECK(gone.cancelled());
        CHECK(q.qsize() == 1);
      }(),
      run_options().virtual_time());
}

TEST_CASE("what is awaited may be shielded, and be a child of a group, and an attempt",
          "[api][task]") {
  run(
      []() -> coro<> {
        queue<int> q(1);
        event e;
        const int limited = co_await shield(wait_for(give(1), 1s));
        CHECK(limited == 1);
        auto shielded = shield(e.wait());
        shielded.cancel();
        auto body = [](task_group& g, queue<int>& items, event& set) -> coro<int> {
          task<int> item = g.create_task(items.get(), task_options().name("getter"));
          task<int> late = g.create_task(wait_for(give(2), 1s));
          static_cast<void>(g.create_task(sleep(1h)));
          CHECK(item.name() == "getter");
          items.put_nowait(3);
          set.set();
          const int sum = co_await item + co_await late;
          g.cancel();
          co_return sum;
        };
        const int sum = co_await task_group::run(body, std::ref(q), std::ref(e));
        CHECK(sum == 5);
        const auto [attempt, value] = co_await hedge(1h, wait_for(give(4), 1s), give(5));
        CHECK((attempt == 0 && value == 4));
        const task<int> ensured = ensure_future(wait_for(give(6), 1s));
        const int six = co_await ensured;
        CHECK(six == 6);
        const scoped_task nap(sleep(1h));
        CHECK_FALSE(nap->done());
        const scoped_task dream(sleep(1h), std::source_location::current());
        CHECK_FALSE(dream->done());
      }(),
      run_options().virtual_time());
}

TEST_CASE("what is awaited may be what a runner and a loop run", "[api][run]") {
  runner r(run_options().virtual_time());
  CHECK(r.run(wait_for(give(1), 1s)) == 1);
  CHECK(r.get_loop().run_until_complete(wait_for(give(2), 1s)) == 2);
  r.get_loop().run_until_complete(sleep(1ms));
}

TEST_CASE("what is awaited may be sent to another thread's loop", "[api][threads]") {
  loop_pool pool(1);
  run([](loop& far) -> coro<> {
    const int limited = co_await spawn_on(far, wait_for(give(1), 1h));
    CHECK(limited == 1);
    queue<int> q(1);
    const auto send = [](loop& home, queue<int>& to) {
      run_coroutine_threadsafe(home, to.put(7)).get();
      std::stop_source stop;
      auto nap = run_coroutine_threadsafe(home, sleep(1h), stop.get_token());
      stop.request_stop();
      CHECK_THROWS_AS(nap.get(), cancelled);
    };
    co_await to_thread(send, std::ref(loop::current()), std::ref(q));
    CHECK(q.get_nowait() == 7);
  }(pool[0]));
}

TEST_CASE("what is awaited and made a task is told by the place where that was written",
          "[api][task]") {
  const auto line_of = [](const std::string& text) {
    const auto at = text.find("waits_as_coros.cpp:");
    REQUIRE(at != std::string::npos);
    CHECK(text.find("as_coro.hpp") == std::string::npos);
    return std::stoi(text.substr(at + std::string("waits_as_coros.cpp:").size()));
  };
  run(
      [](auto line) -> coro<> {
        queue<int> q(1);
        const task<int> getter = create_task(q.get());
        const int got_at = __LINE__ - 1;
        const task<int> limited = create_task(wait_for(q.get(), 5ms));
        const int limited_at = __LINE__ - 1;
        const auto both = [](queue<int>& from) -> coro<> {
          co_await gather(from.get(), wait_for(from.get(), 1h));
        };
        const int both_at = __LINE__ - 2;
        const task<> gathered = create_task(both(q));
        co_await sleep(1ms);
        CHECK(line(getter.describe()) == got_at);
        CHECK(line(limited.describe()) == limited_at);
        CHECK(getter.stack().size() == 1);
        int children = 0;
        for (const any_task& each : all_tasks()) {
          const std::string text = each.describe();
          if (text.find("as_coro.hpp") != std::string::npos) FAIL(text);
          children += text.find(':' + std::to_string(both_at)) != std::string::npos;
        }
        CHECK(children == 3);
        co_await sleep(5ms);
        const std::string late = test::said(limited.exception());
        CHECK(line(late) == limited_at);
        const auto inline_call = [](queue<int>& from) -> coro<int> {
          const int item = co_await wait_for(wait_for(from.get(), 1ms), 1h);
          co_return item;
        };
        const int inline_at = __LINE__ - 3;
        const auto ended = co_await as_outcome(inline_call(q));
        CHECK(line(test::said(ended.error())) == inline_at);
        getter.cancel();
        gathered.cancel();
        co_await sleep(1ms);  // they leave the queue before it goes
      }(line_of),
      run_options().virtual_time());
}
