#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <concepts>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

sheaf::coro<> note(event_log& log, std::string what) {
  log.push_back(std::move(what));
  co_return;
}

sheaf::coro<int> value_later(int v) {
  co_await sheaf::sleep(1s);
  co_return v;
}

sheaf::coro<int> fail_later(std::string text) {
  co_await sheaf::sleep(1s);
  throw std::runtime_error(text);
}

template <class T>
concept can_be_set = requires(T t) { t.set_value(1); } ||
                     requires(T t, std::exception_ptr e) { t.set_exception(e); } ||
                     requires(T t) { t.try_set_value(1); };

template <class T>
concept can_be_stepped = requires(T t) { t.resume(); } || requires(T t) { t.run(); } ||
                         requires(T t) { t.step(); };

template <class A>
concept makes_a_task = requires(A a) { sheaf::create_task(std::move(a)); };

}  // namespace

// A handle is one pointer, and a future.
static_assert(sizeof(sheaf::task<std::string>) == sizeof(void*));
static_assert(std::derived_from<sheaf::task<int>, sheaf::future<int>>);
static_assert(std::convertible_to<sheaf::task<int>, sheaf::any_task>);

// TASK-4, TASK-13: there is nothing to set or to step a task with.
static_assert(can_be_set<sheaf::promise<int>>);  // the concept can be true
static_assert(!can_be_set<sheaf::task<int>>);
static_assert(!can_be_set<sheaf::future<int>>);
static_assert(!std::is_constructible_v<sheaf::promise<int>, sheaf::task<int>>);
static_assert(!can_be_stepped<sheaf::task<int>>);
static_assert(!can_be_stepped<sheaf::any_task>);

// TASK-9: only a coroutine becomes a task.
static_assert(makes_a_task<sheaf::coro<int>>);
static_assert(!makes_a_task<int>);
static_assert(!makes_a_task<sheaf::future<int>>);
static_assert(!makes_a_task<sheaf::task<int>>);
static_assert(!makes_a_task<void (*)()>);

TEST_CASE("task: create_task runs none of the coroutine [TASK-1]",
          "[api][task][TASK-1]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.call_soon([&log] { log.push_back("queued before"); });
  auto a = l.create_task(note(log, "a"));
  auto b = l.create_task(note(log, "b"));
  l.call_soon([&log] { log.push_back("queued between"); });
  auto c = l.create_task(note(log, "c"));
  CHECK(log.empty());
  l.run_forever();
  CHECK(log == event_log{"queued before", "a", "b", "queued between", "c"});
}

namespace {

sheaf::coro<> create_two(event_log& log) {
  log.push_back("creator");
  auto a = sheaf::create_task(note(log, "a"));
  auto b = sheaf::create_task(note(log, "b"));
  log.push_back("created");
  co_await a;
  log.push_back("creator again");
  co_await b;
}

}  // namespace

TEST_CASE("task: those created by a task start after its step, in order [TASK-1]",
          "[api][task][TASK-1]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(create_two(log));
  CHECK(log == event_log{"creator", "created", "a", "b", "creator again"});
}

TEST_CASE("task: the value returned is its result [TASK-2]", "[api][task][TASK-2]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(value_later(7));
  CHECK_FALSE(t.done());
  CHECK_THROWS_AS(t.result(), sheaf::invalid_state);
  int seen = 0;
  t.add_done_callback([&seen](const sheaf::future<int>& f) { seen = f.result(); });
  l.run_forever();
  CHECK(t.done());
  CHECK(t.result() == 7);
  CHECK(seen == 7);
}

TEST_CASE("task: the exception that escapes is its exception [TASK-2]",
          "[api][task][TASK-2]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(fail_later("boom"));
  l.run_forever();
  CHECK(t.done());
  CHECK_FALSE(t.cancelled());
  CHECK_THROWS_WITH(t.result(), "boom");
  CHECK(t.exception());
}

TEST_CASE("task: the cancelled error that escapes makes it cancelled [TASK-2]",
          "[api][task][TASK-2]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(value_later(7));
  l.call_soon([&t] { t.cancel(); });
  l.run_forever();
  CHECK(t.cancelled());
  CHECK_THROWS_AS(t.result(), sheaf::cancelled);
}

TEST_CASE("task: an exception nobody retrieved is reported once, by its name [TASK-2]",
          "[api][task][TASK-2]") {
  test::report_log reports;
  sheaf::loop l(virtual_clock());
  reports.listen(l);
  const auto line = std::source_location::current().line() + 1;
  auto t = l.create_task(fail_later("lost"), sheaf::task_options().name("the loser"));
  const auto id = t.id();
  l.run_forever();
  CHECK(reports.size() == 0);  // a handle is left
  t = {};
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].message == "the exception of a task was never retrieved");
  CHECK(reports[0].task_name == "the loser");
  CHECK(reports[0].task_id == id);
  CHECK(reports[0].created_at.line() == line);
  CHECK(sheaf::describe(reports[0].exception) == "std::runtime_error: lost");
}

namespace {

sheaf::coro<std::exception_ptr> exception_of(sheaf::task<int> t) {
  try {
    co_await t;
  } catch (...) {
    co_return std::current_exception();
  }
  co_return nullptr;
}

}  // namespace

TEST_CASE(
    "task: all who await a failed one get the same exception, also long after [TASK-3]",
    "[api][task][TASK-3]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(fail_later("shared"));
  auto a = l.create_task(exception_of(t));
  auto b = l.create_task(exception_of(t));
  l.run_forever();
  auto late = l.create_task(exception_of(t));
  l.run_forever();
  REQUIRE(t.exception());
  CHECK(a.result() == t.exception());
  CHECK(b.result() == t.exception());
  CHECK(late.result() == t.exception());
}

TEST_CASE("task: it is not to be set from outside [TASK-4]", "[api][task][TASK-4]") {
  STATIC_REQUIRE_FALSE(can_be_set<sheaf::task<int>>);
  STATIC_REQUIRE_FALSE(can_be_set<sheaf::task<>>);
}

namespace {

sheaf::coro<std::string> await_oneself(sheaf::task<std::string>& self) {
  try {
    co_await self;
  } catch (const sheaf::invalid_state& e) {
    co_return e.what();
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("task: one that awaits itself gets an error there [TASK-5]",
          "[api][task][TASK-5]") {
  sheaf::loop l(virtual_clock());
  sheaf::task<std::string> self;
  self = l.create_task(await_oneself(self), sheaf::task_options().name("narcissus"));
  const auto text = l.run_until_complete(self);
  CHECK(text == "co_await: a task cannot await itself: task narcissus");
}

namespace {

sheaf::coro<int> inner_value(event_log& log) {
  log.push_back("inner");
  co_return 1;
}

sheaf::coro<int> middle_value(event_log& log) {
  const int v = co_await inner_value(log);
  co_return v + co_await inner_value(log);
}

sheaf::coro<> outer_step(event_log& log) {
  log.push_back("outer");
  const int v = co_await middle_value(log);
  log.push_back(std::to_string(v));
}

}  // namespace

TEST_CASE("task: a coroutine is awaited without a turn of the loop [TASK-6]",
          "[api][task][TASK-6]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(outer_step(log));
  l.call_soon([&log] { log.push_back("callback"); });
  l.run_forever();
  CHECK(log == event_log{"outer", "inner", "inner", "2", "callback"});
  CHECK(t.done());
}

namespace {

sheaf::coro<std::string> await_twice(sheaf::coro<int> c) {
  co_await std::move(c);
  try {
    co_await std::move(c);  // NOLINT: that is the question
  } catch (const sheaf::invalid_state& e) {
    co_return e.what();
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("task: a coroutine awaited twice is an error [TASK-7]", "[api][task][TASK-7]") {
  sheaf::loop l(virtual_clock());
  const auto text = l.run_until_complete(await_twice(value_later(1)));
  CHECK(text.find("moved from or awaited before") != std::string::npos);
}

TEST_CASE("task: a coroutine given away cannot become a second task [TASK-7]",
          "[api][task][TASK-7]") {
  sheaf::loop l(virtual_clock());
  auto c = value_later(1);
  auto first = l.create_task(std::move(c));
  CHECK_FALSE(c.valid());  // NOLINT: that is the question
  CHECK_THROWS_AS(l.create_task(std::move(c)), sheaf::invalid_state);
  CHECK(l.all_tasks().size() == 1);
  CHECK(l.run_until_complete(first) == 1);
}

namespace {

sheaf::coro<sheaf::future<int>> give_future(sheaf::future<int> f) { co_return f; }

sheaf::coro<bool> await_given_future(sheaf::future<int> f) {
  const sheaf::future<int> given = co_await give_future(f);
  co_return given == f && !given.done();
}

}  // namespace

TEST_CASE("task: a coroutine that returns a future yields that future [TASK-8]",
          "[api][task][TASK-8]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  CHECK(l.run_until_complete(await_given_future(p.get_future())));
  const sheaf::future<int> given = l.run_until_complete(give_future(p.get_future()));
  CHECK(given == p.get_future());
  CHECK_FALSE(given.done());
}

TEST_CASE("task: create_task where no loop runs is an error [TASK-9]",
          "[api][task][TASK-9]") {
  test::counted::reset();
  const auto holding = [](test::counted) -> sheaf::coro<> { co_return; };
  CHECK_THROWS_AS(sheaf::create_task(holding(test::counted(1))), sheaf::invalid_state);
  CHECK(test::counted::alive == 0);  // the coroutine is gone
}

TEST_CASE("task: only a coroutine becomes one [TASK-9]", "[api][task][TASK-9]") {
  STATIC_REQUIRE(makes_a_task<sheaf::coro<>>);
  STATIC_REQUIRE_FALSE(makes_a_task<int>);
  STATIC_REQUIRE_FALSE(makes_a_task<sheaf::task<>>);
}

namespace {

sheaf::coro<> ensure_all(sheaf::future<int> f, sheaf::task<int> t, event_log& log) {
  log.push_back(sheaf::ensure_future(f) == f ? "same future" : "another future");
  log.push_back(sheaf::ensure_future(t) == t ? "same task" : "another task");
  auto made = sheaf::ensure_future(value_later(3));
  log.push_back(made.done() ? "done" : "pending");
  const int v = co_await made;
  log.push_back(std::to_string(v));
}

}  // namespace

// asyncio refuses a future of another loop here; ensure_future() takes no loop to compare
// with, and the await refuses it (FUT-16).
TEST_CASE("task: ensure_future gives futures back and wraps coroutines [TASK-10]",
          "[api][task][TASK-10]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(value_later(1));
  l.run_until_complete(ensure_all(p.get_future(), t, log));
  CHECK(log == event_log{"same future", "same task", "pending", "3"});
}

TEST_CASE("task: it cannot be stepped from outside [TASK-13]", "[api][task][TASK-13]") {
  STATIC_REQUIRE_FALSE(can_be_stepped<sheaf::task<>>);
  STATIC_REQUIRE_FALSE(can_be_stepped<sheaf::any_task>);
}

namespace {

sheaf::coro<> run_the_loop_inside(sheaf::loop& l, event_log& log) {
  const auto me = sheaf::current_task();
  for (int way = 0; way < 3; ++way) {
    try {
      if (way == 0) l.run_forever();
      if (way == 1) l.run_until_complete(note(log, "nested"));
      if (way == 2) sheaf::run(note(log, "another loop"));
    } catch (const sheaf::invalid_state&) {
      log.push_back("refused");
    }
    if (sheaf::current_task() != me) log.push_back("current task changed");
  }
  co_return;
}

}  // namespace

TEST_CASE(
    "task: a loop run inside a step is refused, and the current task stays [TASK-13]",
    "[api][task][TASK-13]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(run_the_loop_inside(l, log));
  CHECK(log == event_log{"refused", "refused", "refused"});
}

TEST_CASE("task: one left pending is reported when its loop goes [TASK-16]",
          "[api][task][TASK-16]") {
  test::report_log reports;
  {
    sheaf::loop l(virtual_clock());
    reports.listen(l);
    auto t = l.create_task(value_later(1), sheaf::task_options().name("left behind"));
    l.call_soon([&l] { l.stop(); });
    l.run_forever();
  }
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].message ==
        "the loop was closed while a task was pending; it is cancelled");
  CHECK(reports[0].task_name == "left behind");
}

TEST_CASE("task: a dropped handle loses no task [TASK-16]", "[api][task][TASK-16]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  static_cast<void>(l.create_task(note(log, "ran")));
  l.run_forever();
  CHECK(log == event_log{"ran"});
  CHECK(l.exceptions_reported() == 0);
}

namespace {

sheaf::coro<> exit_with(int code, event_log& log) {
  co_await sheaf::sleep(1s);
  sheaf::loop::current().call_soon([&log] { log.push_back("after the exit"); });
  throw sheaf::system_exit(code);
}

int exit_code_of(sheaf::loop& l) {
  try {
    l.run_forever();
  } catch (const sheaf::system_exit& e) {
    return e.code();
  }
  return -1;
}

}  // namespace

TEST_CASE("task: a system_exit is kept in it and leaves run() at once [TASK-17]",
          "[api][task][TASK-17]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(exit_with(3, log));
  CHECK(exit_code_of(l) == 3);
  CHECK(log.empty());
  CHECK(t.done());
  CHECK_FALSE(t.cancelled());
  CHECK_THROWS_AS(t.result(), sheaf::system_exit);
  l.run_forever();  // the loop goes on
  CHECK(log == event_log{"after the exit"});
  CHECK(l.exceptions_reported() == 0);
}
