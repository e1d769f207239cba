#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

#include <sheaf/as_completed.hpp>
#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>
#include <sheaf/wait.hpp>

#include <stdexcept>
#include <thread>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::said;
using test::thrown_by;
using test::virtual_loop;

namespace {

run_options virtual_run() { return run_options().virtual_time(); }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("misuse: awaiting a coro that was moved from is an error at the await",
          "[api][misuse]") {
  run([]() -> coro<> {
    auto c = give(1);
    const int first = co_await std::move(c);
    CHECK(first == 1);
    CHECK_FALSE(c.valid());
    const auto again = [](coro<int> twice) -> coro<int> {
      co_return co_await std::move(twice);
    };
    const auto how = co_await as_outcome(again(std::move(c)));
    CHECK(contains(said(how.error()), "moved from or awaited before"));
  }());
}

TEST_CASE("misuse: a coro that was moved from cannot become a task or a child",
          "[api][misuse]") {
  run([]() -> coro<> {
    auto c = give(1);
    const auto taken = std::move(c);
    CHECK_THROWS_AS(create_task(std::move(c)), invalid_state);
    CHECK_THROWS_AS(gather(give(2), std::move(c)), invalid_state);
    co_await sleep(0ms);
  }());
}

TEST_CASE("misuse: a coro that is dropped never runs, and frees its arguments",
          "[api][misuse]") {
  event_log log;
  const auto witness = std::make_shared<int>(1);
  const auto never = [](event_log& seen, std::shared_ptr<int>) -> coro<> {
    seen.push_back("ran");
    co_return;
  };
  {
    const auto dropped = never(log, witness);
  }
  CHECK(log.empty());
  CHECK(witness.use_count() == 1);
}

TEST_CASE("misuse: run inside run names the way out, and its coroutine is freed",
          "[api][misuse]") {
  const auto witness = std::make_shared<int>(1);
  const auto inner = [](std::shared_ptr<int>) -> coro<> { co_return; };
  const auto main = [](coro<> c) -> coro<> {
    CHECK(contains(thrown_by([&] { run(std::move(c)); }), "co_await instead"));
    co_return;
  };
  run(main(inner(witness)));
  CHECK(witness.use_count() == 1);
}

TEST_CASE("misuse: run_until_complete inside its own loop is an error", "[api][misuse]") {
  virtual_loop l;
  l.run_until_complete([](loop& same) -> coro<> {
    CHECK_THROWS_AS(same.run_until_complete(give(1)), invalid_state);
    co_await sleep(1ms);
  }(l));
}

TEST_CASE("misuse: awaiting a future of another loop is an error, and takes nothing",
          "[api][misuse]") {
  virtual_loop l, other;
  promise<int> there(other);
  const auto foreign = there.get_future();
  const auto ask = [](future<int> f) -> coro<int> { co_return co_await f; };
  CHECK(contains(thrown_by([&] { l.run_until_complete(ask(foreign)); }), "another loop"));
  there.set_value(7);
  CHECK(other.run_until_complete(ask(foreign)) == 7);
}

TEST_CASE("misuse: waiting for a future of another loop is an error", "[api][misuse]") {
  virtual_loop l, other;
  promise<int> there(other);
  const auto ask = [](future<int> f) -> coro<> {
    std::vector<future<int>> one{f};
    static_cast<void>(co_await wait(one));
  };
  CHECK_THROWS_AS(l.run_until_complete(ask(there.get_future())), std::invalid_argument);
}

TEST_CASE("misuse: a loop cannot be run for a future of another one", "[api][misuse]") {
  virtual_loop l, other;
  promise<int> there(other);
  CHECK(contains(thrown_by([&] { l.run_until_complete(there.get_future()); }),
                 "another loop"));
}

TEST_CASE("misuse: a promise is kept once; the first value stays", "[api][misuse]") {
  virtual_loop l;
  promise<int> p(l);
  p.set_value(1);
  CHECK(thrown_by([&] { p.set_value(2); }) == "set_value: the future is done already");
  const auto error = std::make_exception_ptr(test::failure("x"));
  CHECK(thrown_by([&] { p.set_exception(error); }) ==
        "set_exception: the future is done already");
  CHECK_FALSE(p.try_set_value(3));
  CHECK(p.get_future().result() == 1);
}

TEST_CASE("misuse: a promise that was moved from, and a future of nothing, say so",
          "[api][misuse]") {
  virtual_loop l;
  promise<int> p(l);
  const auto q = std::move(p);
  CHECK(thrown_by([&] { p.set_value(1); }) == "this promise was moved from");
  future<int> none;
  CHECK_THROWS_AS(none.done(), invalid_state);
  CHECK_THROWS_AS(none.result(), invalid_state);
  CHECK_THROWS_AS(l.run_until_complete(none), invalid_state);
}

TEST_CASE("misuse: a limit of nothing at all is refused", "[api][misuse]") {
  CHECK_THROWS_AS(limit(0), std::invalid_argument);
}

TEST_CASE(
    "misuse: create_task where no loop runs names the loop's member, and frees its coro",
    "[api][misuse]") {
  const auto witness = std::make_shared<int>(1);
  const auto body = [](std::shared_ptr<int>) -> coro<> { co_return; };
  CHECK(contains(thrown_by([&] { static_cast<void>(create_task(body(witness))); }),
                 "create_task: no loop runs on this thread"));
  CHECK(witness.use_count() == 1);
}

TEST_CASE("misuse: what needs a loop says that none runs", "[api][misuse]") {
  CHECK_THROWS_AS(promise<int>(), invalid_state);
  CHECK_THROWS_AS(loop::current(), invalid_state);
  CHECK_THROWS_AS(all_tasks(), invalid_state);
  CHECK_FALSE(current_task());
}

TEST_CASE("misuse: a loop that is closed refuses everything", "[api][misuse]") {
  virtual_loop l;
  promise<int> p(l);
  const auto f = p.get_future();
  l.close();
  const auto refused = [](auto&& call) {
    return contains(thrown_by(call), "the loop is closed");
  };
  CHECK(refused([&] { static_cast<void>(l.create_task(give(1))); }));
  CHECK(refused([&] { l.run_until_complete(give(1)); }));
  CHECK(refused([&] { l.run_forever(); }));
  CHECK(refused([&] { l.call_soon([] {}); }));
  CHECK(refused([&] { l.call_later(1ms, [] {}); }));
  CHECK(refused([&] { l.call_soon_threadsafe([] {}); }));
  CHECK(refused([&] { promise<int> late(l); }));
  CHECK(refused([&] { f.add_done_callback([](const auto&) {}); }));
  CHECK(refused([&] { static_cast<void>(f.then([](int) {})); }));
  CHECK_NOTHROW(l.close());
}

TEST_CASE("misuse: a future that outlives its loop can be settled and read",
          "[api][misuse]") {
  auto l = std::make_unique<virtual_loop>();
  promise<int> p(*l), q(*l);
  auto whole = gather(p.get_future(), q.get_future());
  l.reset();
  p.set_value(1);
  CHECK(p.get_future().result() == 1);
  CHECK(q.get_future().cancel());
  whole.cancel();
}

TEST_CASE("misuse: a gather of futures may outlive its loop and its promises",
          "[api][misuse]") {
  future<std::tuple<int, int>> whole;
  {
    virtual_loop l;
    promise<int> p(l), q(l);
    whole = gather(p.get_future(), q.get_future());
  }
  REQUIRE(whole.done());
  CHECK_THROWS_AS(whole.result(), broken_promise);
}

TEST_CASE("misuse: closing a loop that runs is an error, and it goes on",
          "[api][misuse]") {
  virtual_loop l;
  l.run_until_complete([](loop& same) -> coro<> {
    CHECK_THROWS_AS(same.close(), invalid_state);
    co_await sleep(1ms);
  }(l));
  CHECK(l.elapsed_ms() == 1);
}

TEST_CASE("misuse: a task cannot await itself", "[api][misuse]") {
  run(
      []() -> coro<> {
        task<> self;
        const auto body = [](task<>& me) -> coro<> {
          co_await sleep(0ms);
          co_await me;
        };
        self = create_task(body(self), task_options().name("narcissus"));
        const auto how = co_await as_outcome(self);
        CHECK(contains(said(how.error()), "cannot await itself: task narcissus"));
      }(),
      virtual_run());
}

TEST_CASE("misuse: a bad argument of as_completed leaves the others as they were",
          "[api][misuse]") {
  virtual_loop l, other;
  promise<int> here(l), there(other);
  here.set_value(1);
  const std::vector<future<int>> both{here.get_future(), there.get_future()};
  CHECK_THROWS_AS(as_completed(both), std::invalid_argument);
  const std::vector<future<int>> one{here.get_future()};
  CHECK(as_completed(one).begin() != as_completed(one).end());
}

// ---- deadlock --------------------------------------------------------------------------

namespace {

coro<> blocked_for_good(promise<int>& p, event_log& log, std::string name) {
  const auto f = p.get_future();
  try {
    co_await f;
  } catch (const cancelled&) {
    log.push_back(name + " cleans up");
    throw;
  }
}
constexpr int blocked_line = __LINE__ - 6;

coro<> all_blocked(promise<int>& p, event_log& log) {
  static_cast<void>(
      create_task(blocked_for_good(p, log, "a"), task_options().name("alice")));
  const auto b = create_task(blocked_for_good(p, log, "b"), task_options().name("bob"));
  co_await b;
}

}  // namespace

TEST_CASE("deadlock: run throws, and names each task and the line it waits at",
          "[api][misuse]") {
  event_log log;
  const auto main = [](event_log& seen) -> coro<> {
    promise<int> never;
    co_await all_blocked(never, seen);
  };
  std::string what;
  try {
    run(main(log), virtual_run());
  } catch (const deadlock& d) {
    what = d.what();
  }
  const auto place = "misuse.cpp:" + std::to_string(blocked_line);
  CHECK(contains(what, "every task is blocked"));
  CHECK(contains(what, "'alice' pending waiting for future at "));
  CHECK(contains(what, "'bob' pending waiting for future at "));
  CHECK(contains(what.substr(what.find("alice")), place));
  CHECK(contains(what.substr(what.find("bob")), place));
  CHECK(contains(what, " 'bob' at "));  // what main waits for
  CHECK(log == event_log{"a cleans up", "b cleans up"});
}

TEST_CASE("deadlock: the tasks stay, and go on when they are woken after all",
          "[api][misuse]") {
  virtual_loop l;
  promise<int> p(l);
  const auto wait_for = [](future<int> f) -> coro<int> { co_return co_await f; };
  const auto t = l.create_task(wait_for(p.get_future()));
  CHECK_THROWS_AS(l.run_until_complete(t), deadlock);
  CHECK_FALSE(t.done());
  p.set_value(7);
  CHECK(l.run_until_complete(t) == 7);
}

TEST_CASE("deadlock: two tasks that await each other are found", "[api][misuse]") {
  const auto main = []() -> coro<> {
    task<> a, b;
    const auto other = [](task<>& t) -> coro<> {
      co_await sleep(0ms);
      co_await t;
    };
    a = create_task(other(b));
    b = create_task(other(a));
    co_await a;
  };
  CHECK_THROWS_AS(run(main(), virtual_run()), deadlock);
}

TEST_CASE("deadlock: is found in real time, too", "[api][misuse]") {
  const auto main = []() -> coro<> {
    promise<int> never;
    co_await never.get_future();
  };
  CHECK_THROWS_AS(run(main()), deadlock);
}

TEST_CASE("deadlock: is found after the threads of to_thread have nothing to do",
          "[api][misuse]") {
  const auto main = []() -> coro<> {
    co_await to_thread([] {});
    promise<int> never;
    co_await never.get_future();
  };
  CHECK_THROWS_AS(run(main()), deadlock);
}

TEST_CASE("deadlock: is found right after a thread was joined", "[api][misuse]") {
  const auto main = []() -> coro<> {
    promise<int> never;
    co_await never.get_future();
  };
  for (int i = 0; i < 200; ++i) {
    std::thread([] {}).join();
    CHECK_THROWS_AS(run(main()), deadlock);
  }
}

TEST_CASE("deadlock: a thread that could still call in is waited for", "[api][misuse]") {
  loop l;
  promise<int> p(l);
  std::thread caller;
  const auto main = [](promise<int>& later, std::thread& t) -> coro<int> {
    loop& here = loop::current();
    t = std::thread([&] {
      std::this_thread::yield();
      here.call_soon_threadsafe([&later] { later.set_value(7); });
    });
    const auto f = later.get_future();
    co_return co_await f;
  };
  CHECK(l.run_until_complete(main(p, caller)) == 7);
  caller.join();
}

TEST_CASE("deadlock: a task that refuses to end is destroyed and reported by name",
          "[api][misuse]") {
  test::report_log reports;
  event_log log;
  const auto options = run_options().loop_factory([&reports] {
    auto l = std::make_unique<loop>(loop_options().virtual_time());
    reports.listen(*l);
    return l;
  });
  const auto refuses = [](event_log& seen) -> coro<> {
    struct local {
      event_log& log;
      ~local() { log.push_back("its local is destroyed"); }
    };
    const local kept{seen};
    promise<int> never;
    for (;;) {
      try {
        co_await never.get_future();
      } catch (const cancelled&) {
        never = promise<int>();
      }
    }
  };
  const auto main = [](coro<> c) -> coro<> {
    static_cast<void>(create_task(std::move(c), task_options().name("stubborn")));
    co_await sleep(1ms);
  };
  run(main(refuses(log)), options);
  CHECK(log == event_log{"its local is destroyed"});
  REQUIRE(reports.size() >= 1);
  CHECK(reports[0].task_name == "stubborn");
  CHECK(reports[0].waiting_at.line() != 0);
}

// ---- trace -----------------------------------------------------------------------------

#ifndef SHEAF_NO_TRACE
TEST_CASE("misuse: a trace that cannot be written is one error, before the work",
          "[api][misuse]") {
  event_log log;
  const auto main = [](event_log& seen) -> coro<> {
    seen.push_back("worked");
    co_return;
  };
  const std::string path = "/nonexistent-folder/trace.json";
  const auto error = thrown_by([&] { run(main(log), run_options().trace(path)); });
  CHECK(contains(error, path));
  CHECK(log.empty());
}
#endif
