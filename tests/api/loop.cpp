#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <uv.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/host.hpp"
#include "support/pipe.hpp"
#include "support/report_log.hpp"

using namespace std::chrono_literals;
using namespace sheaf;
using test::counted;
using test::event_log;

namespace {

auto note(event_log& log, std::string what) {
  return [&log, what] { log.push_back(what); };
}

coro<> writes(event_log& log, std::string what) {
  log.push_back(what);
  co_return;
}

coro<> yields(event_log& log, std::string what, int times) {
  for (int i = 0; i < times; ++i) {
    log.push_back(what + std::to_string(i));
    co_await sleep(0s);
  }
}

coro<int> gives(int value) { co_return value; }

coro<int> gives_later(int value) {
  co_await sleep(1h);
  co_return value;
}

coro<int> fails(std::string what) {
  co_await sleep(0s);
  throw std::runtime_error(what);
}

coro<> exits(int code) {
  co_await sleep(0s);
  throw system_exit(code);
}

template <class F>
coro<> awaits(F f, event_log& log, std::string what) {
  co_await f;
  log.push_back(what);
}

loop_options on_virtual_time() { return loop_options().virtual_time(); }

/// The message of the invalid_state that `f` throws; empty if it throws none.
template <class F>
std::string misuse(F f) {
  try {
    f();
  } catch (const invalid_state& e) {
    return e.what();
  }
  return {};
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

// ---- one queue -------------------------------------------------------------------------

TEST_CASE(
    "loop: task steps, done callbacks, callbacks and timers share one queue [LOOP-3]",
    "[api][loop][LOOP-3]") {
  loop l(on_virtual_time());
  event_log log;
  promise<void> p(l);
  auto f = p.get_future();
  l.call_soon([&] {
    l.call_soon(note(log, "callback 1"));
    f.add_done_callback([&](const auto&) { log.push_back("done callback"); });
    p.set_value();
    auto t = l.create_task(writes(log, "first step"));
    l.call_later(0s, note(log, "timer"));
    l.call_soon(note(log, "callback 2"));
  });
  l.run_forever();
  CHECK(log ==
        event_log{"callback 1", "done callback", "first step", "callback 2", "timer"});
}

TEST_CASE("loop: a task's wake-up waits its turn in the queue [LOOP-3]",
          "[api][loop][LOOP-3]") {
  loop l(on_virtual_time());
  event_log log;
  promise<void> p(l);
  auto t = l.create_task(awaits(p.get_future(), log, "woken"));
  l.call_soon([&] {
    l.call_soon(note(log, "before"));
    p.set_value();
    l.call_soon(note(log, "after"));
  });
  l.run_forever();
  CHECK(log == event_log{"before", "woken", "after"});
}

TEST_CASE("loop: a reader wakes a task through the queue [LOOP-3] [LOOP-32]",
          "[api][loop][LOOP-3][LOOP-32]") {
  loop l;
  const test::pipe pipe;
  event_log log;
  promise<void> readable(l);
  l.add_reader(pipe.reading(), [&] {
    l.remove_reader(pipe.reading());
    readable.set_value();
    log.push_back("reader");
  });
  auto t = l.create_task(awaits(readable.get_future(), log, "task"));
  l.call_soon([&] { pipe.put(); });
  l.run_until_complete(std::move(t));
  CHECK(log == event_log{"reader", "task"});
}

TEST_CASE("loop: tasks that yield take turns [LOOP-1] [LOOP-4]",
          "[api][loop][LOOP-1][LOOP-4]") {
  loop l;
  event_log log;
  auto a = l.create_task(yields(log, "a", 2));
  auto b = l.create_task(yields(log, "b", 2));
  l.call_soon(note(log, "callback"));
  l.run_until_complete(std::move(a));
  l.run_until_complete(std::move(b));
  CHECK(log == event_log{"a0", "b0", "callback", "a1", "b1"});
}

TEST_CASE("loop: create_task() runs nothing inside the call [LOOP-2]",
          "[api][loop][LOOP-2]") {
  loop l;
  event_log log;
  auto t = l.create_task(writes(log, "ran"));
  CHECK(log.empty());
  CHECK_FALSE(t.done());
  l.run_until_complete(t);
  CHECK(log == event_log{"ran"});
}

TEST_CASE("loop: a task that yields for ever does not keep timers from coming [LOOP-6]",
          "[api][loop][LOOP-6]") {
  const auto spin = [](bool& on) -> coro<> {
    while (on) co_await sleep(0s);
  };
  loop l;
  bool on = true;
  auto t = l.create_task(spin(on));
  l.call_later(1ms, [&] { on = false; });
  l.run_until_complete(std::move(t));
  CHECK_FALSE(on);
}

TEST_CASE("loop: waits shorter than the clock's resolution do not make it spin [LOOP-16]",
          "[api][loop][LOOP-16]") {
  const auto wait = []() -> coro<> {
    co_await sleep(10ms);
    co_await sleep(100us);
    co_await sleep(1us);
    co_await sleep(10ns);
    co_await sleep(std::chrono::duration<double, std::nano>(0.1));
  };
  loop l;
  l.run_until_complete(wait());
  CHECK(l.ticks() <= 20);
}

// ---- run_until_complete ----------------------------------------------------------------

TEST_CASE(
    "run_until_complete: takes a coro, a task or a future, and gives its value [LOOP-21]",
    "[api][loop][LOOP-21]") {
  loop l(on_virtual_time());
  CHECK(l.run_until_complete(gives(1)) == 1);
  CHECK(l.run_until_complete(gives_later(2)) == 2);
  auto t = l.create_task(gives_later(3));
  CHECK(l.run_until_complete(t) == 3);
  CHECK(l.run_until_complete(t) == 3);  // it is done: nothing runs
  promise<std::string> p(l);
  l.call_soon([&] { p.set_value("four"); });
  CHECK(l.run_until_complete(p.get_future()) == "four");
  event_log log;
  l.run_until_complete(writes(log, "void"));
  CHECK(log == event_log{"void"});
}

TEST_CASE("run_until_complete: gives what cannot be copied", "[api][loop][LOOP-21]") {
  const auto make = []() -> coro<std::unique_ptr<int>> {
    co_return std::make_unique<int>(5);
  };
  loop l;
  CHECK(*l.run_until_complete(make()) == 5);
}

TEST_CASE("run_until_complete: throws what the task threw, or cancelled [LOOP-21]",
          "[api][loop][LOOP-21]") {
  test::report_log reports;
  {
    loop l(on_virtual_time());
    reports.listen(l);
    CHECK_THROWS_WITH(l.run_until_complete(fails("boom")), "boom");
    auto t = l.create_task(gives_later(1));
    t.cancel();
    CHECK_THROWS_AS(l.run_until_complete(t), cancelled);
    CHECK(l.run_until_complete(gives(6)) == 6);
  }
  CHECK(reports.messages().empty());  // they were looked at
}

TEST_CASE("run_until_complete: stopped before, it throws; a later run goes on [LOOP-22]",
          "[api][loop][LOOP-22]") {
  loop l(on_virtual_time());
  auto t = l.create_task(gives_later(7));
  l.call_later(1s, [&] { l.stop(); });
  CHECK(holds(misuse([&] { l.run_until_complete(t); }), "stopped before"));
  CHECK_FALSE(t.done());
  CHECK(l.run_until_complete(t) == 7);
}

TEST_CASE("run_until_complete: a future of another loop is an error [LOOP-23]",
          "[api][loop][LOOP-23]") {
  loop l, other;
  auto t = other.create_task(gives(8));
  CHECK(holds(misuse([&] { l.run_until_complete(t); }), "another loop"));
  CHECK(other.run_until_complete(t) == 8);
}

// Something that is not awaitable is refused when compiling: LOOP-23.
template <class What>
concept can_be_run = requires(loop& l, What w) { l.run_until_complete(std::move(w)); };
static_assert(can_be_run<coro<int>> && can_be_run<task<>> && can_be_run<future<int>>);
static_assert(!can_be_run<int> && !can_be_run<void (*)()> && !can_be_run<std::nullptr_t>);

TEST_CASE("run_until_complete: ended by an exception it leaves no stop behind [LOOP-24]",
          "[api][loop][LOOP-24]") {
  loop l(on_virtual_time());
  event_log log;
  auto t = l.create_task(gives_later(9));
  l.call_soon([] { throw system_exit(1); });
  CHECK_THROWS_AS(l.run_until_complete(t), system_exit);
  l.call_later(2h, note(log, "after the task"));
  l.run_forever();  // the task ends in it, and must not stop it
  CHECK(t.done());
  CHECK(log == event_log{"after the task"});
}

TEST_CASE(
    "run_until_complete: its stop is still queued when a system_exit ends it [LOOP-24]",
    "[api][loop][LOOP-24]") {
  loop l(on_virtual_time());
  event_log log;
  promise<int> p(l);
  l.call_soon([&] {
    p.set_value(1);  // queues the stop
    throw system_exit(1);
  });
  CHECK_THROWS_AS(l.run_until_complete(p.get_future()), system_exit);
  l.call_later(1h, note(log, "later"));
  l.run_forever();
  CHECK(log == event_log{"later"});
}

TEST_CASE("run_until_complete: blocked for good it throws deadlock and names the task",
          "[api][loop]") {
  const auto wait = [](future<void> f) -> coro<> { co_await f; };
  test::report_log reports;
  loop l(on_virtual_time());
  reports.listen(l);
  promise<void> p(l);
  auto t = l.create_task(wait(p.get_future()), task_options().name("waits-for-ever"));
  std::string what;
  try {
    l.run_until_complete(t);
  } catch (const deadlock& e) {
    what = e.what();
  }
  CHECK(holds(what, "waits-for-ever"));
  CHECK(holds(what, "loop.cpp:"));
  p.set_value();
  l.run_until_complete(t);
}

TEST_CASE("run: a loop cannot be run inside of one that runs [LOOP-25] [RUN-3]",
          "[api][loop][LOOP-25][RUN-3]") {
  static event_log log;
  log.clear();
  const auto nested = [](loop& l, loop& other) -> coro<> {
    const auto refused = [](const char* what, auto f) {
      if (!misuse(f).empty()) log.push_back(what);
    };
    auto inner = gives(1);
    refused("run_until_complete", [&] { l.run_until_complete(std::move(inner)); });
    refused("run_forever", [&] { l.run_forever(); });
    refused("another", [&] { other.run_until_complete(gives(1)); });
    refused("another forever", [&] { other.run_forever(); });
    refused("run", [&] { run(gives(1)); });
    refused("runner", [&] {
      runner r;
      r.run(gives(1));
    });
    co_return;
  };
  loop l, other;
  l.run_until_complete(nested(l, other));
  CHECK(log == event_log{"run_until_complete", "run_forever", "another",
                         "another forever", "run", "runner"});
  CHECK(other.run_until_complete(gives(2)) == 2);
  CHECK(other.all_tasks().empty());
}

// ---- stop, close -----------------------------------------------------------------------

TEST_CASE(
    "stop: the tick finishes, tasks stay pending and go on in the next run [LOOP-26]",
    "[api][loop][LOOP-26]") {
  loop l;
  event_log log;
  auto t = l.create_task(yields(log, "t", 2));
  l.call_soon([&] { l.stop(); });
  auto u = l.create_task(yields(log, "u", 2));
  l.run_forever();
  CHECK(log == event_log{"t0", "u0"});
  l.run_forever();
  CHECK(log == event_log{"t0", "u0", "t1", "u1"});
  CHECK(t.done());
  CHECK(u.done());
}

TEST_CASE("stop: before run_forever() each task makes one step [LOOP-27]",
          "[api][loop][LOOP-27]") {
  loop l;
  event_log log;
  auto t = l.create_task(yields(log, "t", 3));
  l.stop();
  l.run_forever();
  CHECK(log == event_log{"t0"});
  l.run_until_complete(t);
}

TEST_CASE(
    "close: afterwards all is refused, and a coro dies unrun and unreported "
    "[LOOP-28] [LOOP-30]",
    "[api][loop][LOOP-28][LOOP-30]") {
  const auto owns = [](counted) -> coro<> { co_return; };
  test::report_log reports;
  loop l;
  reports.listen(l);
  auto done = l.create_task(gives(1));
  l.run_until_complete(done);
  l.close();
  l.close();
  counted::reset();
  CHECK_FALSE(misuse([&] { auto t = l.create_task(owns(counted())); }).empty());
  CHECK_FALSE(misuse([&] { l.run_until_complete(owns(counted())); }).empty());
  CHECK(counted::alive == 0);
  CHECK_FALSE(misuse([&] { l.run_until_complete(done); }).empty());
  CHECK_FALSE(misuse([&] { l.run_forever(); }).empty());
  CHECK_FALSE(misuse([&] { l.call_soon([] {}); }).empty());
  CHECK_FALSE(misuse([&] { l.call_later(1s, [] {}); }).empty());
  CHECK_FALSE(misuse([&] { l.call_at(l.time(), [] {}); }).empty());
  CHECK_FALSE(misuse([&] { l.call_soon_threadsafe([] {}); }).empty());
  CHECK_FALSE(misuse([&] { promise<int> p(l); }).empty());
  CHECK_FALSE(misuse([&] { done.add_done_callback([](const auto&) {}); }).empty());
  CHECK(done.result() == 1);
  CHECK(reports.messages().empty());
}

TEST_CASE("close: inside a task it is an error [LOOP-29]", "[api][loop][LOOP-29]") {
  const auto close = [](loop& l) -> coro<std::string> {
    co_return misuse([&] { l.close(); });
  };
  loop l;
  CHECK(holds(l.run_until_complete(close(l)), "running"));
  CHECK_FALSE(l.is_closed());
}

TEST_CASE("close: to_thread() on a closed loop is refused [LOOP-28]",
          "[api][loop][LOOP-28]") {
  // Where the loop is closed none is current, so that is what is said.
  CHECK_THROWS_AS(to_thread([] {}), invalid_state);
}

TEST_CASE("close: pending tasks are cancelled, run to their end, and reported",
          "[api][loop][LOOP-28]") {
  event_log log;
  const auto cleans_up = [](event_log& to) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      to.push_back("cancelled");
    }
    co_await sleep(0s);
    to.push_back("cleaned up");
  };
  test::report_log reports;
  {
    loop l(on_virtual_time());
    reports.listen(l);
    auto t = l.create_task(cleans_up(log), task_options().name("left"));
    l.call_soon([&] { l.stop(); });
    l.run_forever();
  }
  CHECK(log == event_log{"cancelled", "cleaned up"});
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "left");
  CHECK(reports[0].waiting_at.line() != 0);
}

// ---- errors ----------------------------------------------------------------------------

TEST_CASE(
    "system_exit: from a task it leaves run at once, the loop can be run again [LOOP-20]",
    "[api][loop][LOOP-20]") {
  test::report_log reports;
  {
    loop l(on_virtual_time());
    reports.listen(l);
    event_log log;
    auto t = l.create_task(exits(4));
    auto u = l.create_task(yields(log, "u", 3));
    int code = 0;
    try {
      l.run_forever();
    } catch (const system_exit& e) {
      code = e.code();
    }
    CHECK(code == 4);
    CHECK(log == event_log{"u0"});  // its second step stands behind the exit
    CHECK(t.done());
    l.run_until_complete(u);
    CHECK(log == event_log{"u0", "u1", "u2"});
  }
  CHECK(reports.messages().empty());
}

TEST_CASE("system_exit: run_until_complete() of the very task throws it [LOOP-20]",
          "[api][loop][LOOP-20]") {
  loop l;
  CHECK_THROWS_AS(l.run_until_complete(exits(1)), system_exit);
  CHECK(l.run_until_complete(gives(1)) == 1);
}

TEST_CASE(
    "errors: one of a task goes to its awaiter, one of a callback to the handler "
    "[LOOP-17]",
    "[api][loop][LOOP-17]") {
  test::report_log reports;
  loop l;
  reports.listen(l);
  auto t = l.create_task(fails("of a task"));
  t.add_done_callback([](const auto&) { throw std::logic_error("of a callback"); });
  CHECK_THROWS_AS(l.run_until_complete(t), std::runtime_error);
  l.run_forever();
  REQUIRE(reports.size() == 1);
  CHECK(describe(reports[0].exception) == "std::logic_error: of a callback");
}

// ---- current ---------------------------------------------------------------------------

TEST_CASE(
    "current: a future, a task, a sleep need a loop, given or running [LOOP-31] [FUT-17]",
    "[api][loop][LOOP-31][FUT-17]") {
  CHECK_THROWS_AS(loop::current(), invalid_state);
  CHECK_THROWS_AS(promise<int>(), invalid_state);
  CHECK_THROWS_AS(create_task(gives(1)), invalid_state);
  CHECK_THROWS_AS(all_tasks(), invalid_state);
  loop l;
  CHECK_THROWS_AS(loop::current(), invalid_state);  // it does not run
  promise<int> given(l);
  CHECK_FALSE(given.get_future().done());
  const auto inside = [](loop& of) -> coro<bool> {
    promise<int> p;
    bool same = &loop::current() == &of;
    auto t = create_task(gives(1));
    p.set_value(co_await t);
    co_return same&& p.get_future().result() == 1;
  };
  CHECK(l.run_until_complete(inside(l)));
  CHECK_THROWS_AS(loop::current(), invalid_state);
}

// ---- task factory ----------------------------------------------------------------------

TEST_CASE(
    "task factory: is installed, replaced, reset, and used for every task [LOOP-34]",
    "[api][loop][LOOP-34]") {
  loop l;
  CHECK_FALSE(l.get_task_factory());
  int made = 0;
  l.set_task_factory([&](task_options& o) { o.name("made-" + std::to_string(++made)); });
  CHECK(l.get_task_factory());
  auto a = l.create_task(gives(1));
  const auto child = []() -> coro<std::string> {
    auto t = create_task(gives(1));
    auto u = create_task(gives(1), task_options().name("asked for"));
    co_await t;
    co_await u;
    co_return t.name() + " " + u.name();
  };
  CHECK(a.name() == "made-1");
  CHECK(l.run_until_complete(child()) == "made-3 made-4");  // the coro is made-2
  l.set_task_factory([](task_options& o) { o.name("other"); });
  auto b = l.create_task(gives(1));
  CHECK(b.name() == "other");
  l.set_task_factory(nullptr);
  CHECK_FALSE(l.get_task_factory());
  auto c = l.create_task(gives(1), task_options().name("mine"));
  CHECK(c.name() == "mine");
  CHECK(made == 4);
  l.run_forever();
}

// Something not callable is refused when compiling: LOOP-34.
template <class F>
concept a_factory = requires(loop& l, F f) { l.set_task_factory(f); };
static_assert(a_factory<void (*)(task_options&)> && a_factory<std::nullptr_t>);
static_assert(!a_factory<int> && !a_factory<void (*)(int)>);

// ---- in a host's loop ------------------------------------------------------------------

TEST_CASE("borrowed: tasks and sleeps run in the host's uv_run, which ends by itself",
          "[api][loop][borrowed]") {
  const auto work = [](event_log& log) -> coro<> {
    log.push_back("begins");
    co_await sleep(1ms);
    log.push_back("slept");
    co_await sleep(0s);
    log.push_back("ends");
  };
  test::host host;
  loop l(host.get(), borrowed);
  event_log log;
  auto t = l.create_task(work(log));
  CHECK(log.empty());
  CHECK(host.run());
  CHECK(t.done());
  CHECK(log == event_log{"begins", "slept", "ends"});
  CHECK_FALSE(misuse([&] { l.run_until_complete(gives(1)); }).empty());
}

TEST_CASE("borrowed: a task that only waits for another does not keep the host alive",
          "[api][loop][borrowed]") {
  test::host host;
  event_log log;
  loop l(host.get(), borrowed);
  promise<void> p(l);
  auto t = l.create_task(awaits(p.get_future(), log, "woken"));
  CHECK(host.run());
  CHECK_FALSE(t.done());
  p.set_value();
  CHECK(host.run());
  CHECK(log == event_log{"woken"});
}

TEST_CASE(
    "borrowed: destroyed with tasks in flight, their frames die and they are reported",
    "[api][loop][borrowed]") {
  const auto sleeps = [](counted held) -> coro<> {
    co_await sleep(1h);
    static_cast<void>(held);
  };
  counted::reset();
  test::report_log reports;
  for (const bool turned : {false, true}) {
    test::host host;
    {
      loop l(host.get(), borrowed);
      reports.listen(l);
      auto t = l.create_task(sleeps(counted()));
      if (turned) host.turn();
    }
    CHECK(counted::alive == 0);
  }
  CHECK(reports.size() == 2);
}
