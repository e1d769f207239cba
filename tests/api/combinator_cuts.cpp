#include "support/catch.hpp"
#include "support/cut.hpp"

#include <sheaf/as_completed.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run_coroutine_threadsafe.hpp>
#include <sheaf/run_in_executor.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/thread_pool_executor.hpp>
#include <sheaf/to_thread.hpp>
#include <sheaf/wait.hpp>
#include <sheaf/wrap_future.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::cut::child;
using test::cut::everywhere;
using test::cut::failing;
using test::cut::lives;
using test::cut::slow_to_end;
using test::cut::witness;

namespace {

std::vector<coro<int>> some(lives& l) {
  std::vector<coro<int>> all;
  all.push_back(child(l, 2ms));
  all.push_back(slow_to_end(l, 3ms));
  all.push_back(child(l, 0ms));
  return all;
}

std::vector<task<int>> some_tasks(lives& l) {
  std::vector<task<int>> all;
  for (auto& c : some(l)) all.push_back(create_task(std::move(c)));
  return all;
}

}  // namespace

TEST_CASE("gather: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(some(l));
  });
}

TEST_CASE("gather: may be cut off at any batch of its failing", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(child(l, 1ms), failing(l, 2ms), slow_to_end(l, 9ms));
  });
}

TEST_CASE("gather: leave_running may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(leave_running, child(l, 1ms), failing(l, 2ms), slow_to_end(l, 9ms));
  });
}

TEST_CASE("gather: return_exceptions may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(return_exceptions, child(l, 1ms), failing(l, 2ms),
                    slow_to_end(l, 3ms));
  });
}

TEST_CASE("gather: under a limit may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(limit(1), some(l));
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(limit(2), failing(l, 1ms), slow_to_end(l, 9ms), child(l, 1ms));
  });
}

TEST_CASE("gather: of futures may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    promise<int> a, b;
    auto both = gather(a.get_future(), b.get_future());
    co_await sleep(0ms);
    a.set_value(1);
    co_await sleep(1ms);
    b.set_value(2);
    co_await both;
  });
}

TEST_CASE("wait: may be cut off at any batch, whatever it waits for", "[api][cut]") {
  for (const auto when : {first_completed, first_exception, all_completed}) {
    everywhere([when](lives& l) -> coro<> {
      const auto body = [](lives& all, return_when what) -> coro<> {
        const witness w(all);
        auto tasks = some_tasks(all);
        tasks.push_back(create_task(failing(all, 2ms)));
        const auto got = co_await wait(tasks, wait_options().return_when(what));
        for (const auto& t : got.done) static_cast<void>(t.outcome());
      };
      return body(l, when);
    });
  }
}

TEST_CASE("wait: with a time-out may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    const auto tasks = some_tasks(l);
    static_cast<void>(co_await wait(tasks, wait_options().timeout(2ms)));
  });
}

TEST_CASE("as_completed: next() may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto stream = as_completed(some(l));
    while (const auto t = co_await stream.next()) static_cast<void>(t->outcome());
  });
}

TEST_CASE("as_completed: a range-for may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    for (auto&& aw : as_completed(some(l))) co_await aw;
  });
}

TEST_CASE("as_completed: with a time-out may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto stream = as_completed(some(l), as_completed_options().timeout(2ms));
    try {
      while (const auto t = co_await stream.next()) static_cast<void>(t->outcome());
    } catch (const timeout_error&) {
    }
  });
}

TEST_CASE("as_completed: with several who ask may be cut off at any batch",
          "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto stream = as_completed(some(l));
    const auto ask = [](lives& all, completion_stream<task<int>>& from) -> coro<> {
      const witness asking(all);
      while (const auto t = co_await from.next()) static_cast<void>(t->outcome());
    };
    co_await gather(ask(l, stream), ask(l, stream));
  });
}

TEST_CASE("sleep: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await sleep(0ms);
    co_await sleep(2ms);
    co_await sleep(1ms, std::make_unique<int>(1));
  });
}

TEST_CASE("to_thread: may be cut off at any batch", "[api][cut]") {
  // How many batches it takes is not ours to say.
  everywhere(
      [](lives& l) -> coro<> {
        const witness w(l);
        const auto double_it = [](int v) { return 2 * v; };
        const auto nothing = [] {};
        co_await to_thread(double_it, 1);
        co_await gather(to_thread(double_it, 2), to_thread(nothing));
      },
      8);
}

TEST_CASE("run_in_executor: may be cut off at any batch", "[api][cut]") {
  const thread_pool_executor one(1);
  everywhere(
      [&one](lives& l) -> coro<> {
        const witness w(l);
        const auto double_it = [](int v) { return 2 * v; };
        co_await run_in_executor(one, double_it, 1);
        co_await gather(run_in_executor(one, double_it, 2),
                        run_in_executor(nullptr, double_it, 3));
      },
      8);
}

TEST_CASE("run_coroutine_threadsafe, wrap_future: may be cut off at any batch",
          "[api][cut]") {
  everywhere(
      [](lives& l) -> coro<> {
        const witness w(l);
        auto sent = run_coroutine_threadsafe(loop::current(), child(l, 1ms));
        co_await wrap_future(std::move(sent));
        auto fails = run_coroutine_threadsafe(loop::current(), failing(l, 0ms));
        co_await as_outcome(wrap_future(std::move(fails)));
      },
      12);
}
