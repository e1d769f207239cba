#include "support/catch.hpp"
#include "support/host.hpp"

#include <sheaf/barrier.hpp>
#include <sheaf/condition.hpp>
#include <sheaf/event.hpp>
#include <sheaf/finish.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/race.hpp>
#include <sheaf/run.hpp>
#include <sheaf/semaphore.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

#include <memory>
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
