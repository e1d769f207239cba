#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <algorithm>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }
sheaf::task_options named(const char* name) { return sheaf::task_options().name(name); }
sheaf::task_options eager() { return sheaf::task_options().eager_start(); }

std::string current_name() {
  const auto t = sheaf::current_task();
  return t ? t.name() : "none";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

sheaf::coro<> nap() { co_await sheaf::sleep(1s); }

sheaf::coro<> await_future(sheaf::future<> f) { co_await f; }

}  // namespace

// ---- TASK-11: the current task -----------------------------------------------------------

namespace {

sheaf::coro<> note_inline(event_log& log) {
  log.push_back("inline " + current_name());
  co_await sheaf::sleep(0s);
  log.push_back("inline " + current_name());
}

sheaf::coro<> note_current(event_log& log) {
  log.push_back(current_name());
  co_await note_inline(log);
  log.push_back(current_name());
}

}  // namespace

TEST_CASE(
    "task info: current_task() is the task, inside what it awaits inline too [TASK-11]",
    "[api][task_info][TASK-11]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_current(log), named("a"));
  l.run_until_complete(t);
  CHECK(log == event_log{"a", "inline a", "inline a", "a"});
}

TEST_CASE("task info: current_task() is none in callbacks and outside [TASK-11]",
          "[api][task_info][TASK-11]") {
  event_log log;
  CHECK_FALSE(sheaf::current_task());
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap(), named("a"));
  t.add_done_callback([&log](const sheaf::future<>&) { log.push_back(current_name()); });
  l.call_soon([&log] { log.push_back(current_name()); });
  l.run_forever();
  CHECK(log == event_log{"none", "none"});
  CHECK_FALSE(sheaf::current_task());
}

TEST_CASE("task info: current_task() is right after every switch [TASK-11]",
          "[api][task_info][TASK-11]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  static_cast<void>(l.create_task(note_current(log), named("a")));
  static_cast<void>(l.create_task(note_current(log), named("b")));
  l.run_forever();
  CHECK(log ==
        event_log{"a", "inline a", "b", "inline b", "inline a", "a", "inline b", "b"});
}

// ---- TASK-12: all tasks ------------------------------------------------------------------

namespace {

std::vector<std::string> names(const std::vector<sheaf::any_task>& tasks) {
  std::vector<std::string> all;
  for (const auto& t : tasks) all.push_back(t.name());
  return all;
}

sheaf::coro<> note_all(std::vector<std::vector<std::string>>& log) {
  log.push_back(names(sheaf::all_tasks()));
  co_await sheaf::sleep(1min);
  log.push_back(names(sheaf::all_tasks()));
}

}  // namespace

TEST_CASE(
    "task info: all_tasks() gives the unfinished ones in order of creation [TASK-12]",
    "[api][task_info][TASK-12]") {
  std::vector<std::vector<std::string>> log;
  sheaf::loop other(virtual_clock());
  auto elsewhere = other.create_task(nap(), named("elsewhere"));
  sheaf::loop l(virtual_clock());
  CHECK(l.all_tasks().empty());
  static_cast<void>(l.create_task(nap(), named("short")));
  auto all = l.create_task(note_all(log), named("noting"));
  static_cast<void>(l.create_task(await_future(all), named("waiting")));
  CHECK(names(l.all_tasks()) == event_log{"short", "noting", "waiting"});
  l.run_forever();
  REQUIRE(log.size() == 2);
  CHECK(log[0] == event_log{"short", "noting", "waiting"});
  CHECK(log[1] == event_log{"noting", "waiting"});
  CHECK(l.all_tasks().empty());
  other.run_until_complete(elsewhere);
}

TEST_CASE("task info: all_tasks() where no loop runs is an error [TASK-12]",
          "[api][task_info][TASK-12]") {
  CHECK_THROWS_AS(sheaf::all_tasks(), sheaf::invalid_state);
}

// ---- TASK-14: names ----------------------------------------------------------------------

TEST_CASE("task info: a name is given at creation, and may be changed [TASK-14]",
          "[api][task_info][TASK-14]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap(), named("first"));
  CHECK(t.name() == "first");
  t.set_name("second");
  CHECK(t.name() == "second");
  l.run_until_complete(t);
  t.set_name("after its end");
  CHECK(t.name() == "after its end");
}

TEST_CASE("task info: without a name it has one made of its id, which grows [TASK-14]",
          "[api][task_info][TASK-14]") {
  sheaf::loop l(virtual_clock());
  auto a = l.create_task(nap());
  auto b = l.create_task(nap());
  CHECK(a.id() > 0);
  CHECK(b.id() > a.id());
  CHECK(a.name() == "Task-" + std::to_string(a.id()));
  CHECK(b.name() == "Task-" + std::to_string(b.id()));
  l.run_forever();
}

// ---- TASK-15: the printable form ---------------------------------------------------------

TEST_CASE("task info: describe() tells the state of a task [TASK-15]",
          "[api][task_info][TASK-15]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap(), named("x"));
  const std::string head = "task " + std::to_string(t.id()) + " 'x' ";
  CHECK(t.describe() == head + "pending");
  l.turn();
  CHECK(t.describe().starts_with(head + "pending waiting for sleep at "));
  CHECK(contains(t.describe(), "task_info.cpp:"));
  l.run_forever();
  CHECK(t.describe() == head + "finished");
}

TEST_CASE("task info: describe() tells a request that is under way [TASK-15]",
          "[api][task_info][TASK-15]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap(), named("x"));
  l.turn();
  t.cancel("too slow");
  CHECK(contains(t.describe(), "'x' cancelling (too slow at "));
  l.run_forever();
  CHECK(contains(t.describe(), "'x' cancelled"));
}

namespace {

sheaf::coro<> fail() {
  throw std::runtime_error("boom");
  co_return;
}

}  // namespace

TEST_CASE("task info: describe() tells the exception of a failed task [TASK-15]",
          "[api][task_info][TASK-15]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(fail(), named("x"));
  l.run_forever();
  CHECK(t.describe().ends_with("'x' finished exception=std::runtime_error: boom"));
  CHECK(t.exception());
}

TEST_CASE("task info: describe() tells what a task waits for [TASK-15]",
          "[api][task_info][TASK-15]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<> p(l);
  auto on_future = l.create_task(await_future(p.get_future()));
  auto on_task = l.create_task(await_future(on_future));
  l.turn();
  CHECK(contains(on_future.describe(), "waiting for future"));
  CHECK(contains(on_task.describe(), "waiting for task"));
  p.set_value();
  l.run_forever();
}

namespace {

sheaf::coro<> deepest() { co_await sheaf::sleep(1s); }
sheaf::coro<> middle() { co_await deepest(); }
sheaf::coro<> outermost() { co_await middle(); }

}  // namespace

TEST_CASE("task info: stack() gives the places of the awaits, innermost first [TASK-15]",
          "[api][task_info][TASK-15]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(outermost());
  CHECK(t.stack().empty());
  l.turn();
  const auto places = t.stack();
  REQUIRE(places.size() == 3);
  CHECK(contains(places[0].function_name(), "deepest"));
  CHECK(contains(places[1].function_name(), "middle"));
  CHECK(contains(places[2].function_name(), "outermost"));
  CHECK(places[0].line() + 1 == places[1].line());
  l.run_forever();
  CHECK(t.stack().empty());
}

// ---- TASK-19: eager start ----------------------------------------------------------------

namespace {

sheaf::coro<int> note_and_return(event_log& log, int v) {
  log.push_back("eager " + current_name());
  co_return v;
}

sheaf::coro<> start_eagerly(event_log& log) {
  auto t = sheaf::create_task(note_and_return(log, 5), eager().name("child"));
  log.push_back("back in " + current_name());
  log.push_back(t.done() ? "done" : "pending");
  log.push_back(t.cancel() ? "cancelled" : "too late");
  log.push_back(std::to_string(co_await t));
}

}  // namespace

TEST_CASE("task info: eager start runs the first step inside create_task [TASK-19]",
          "[api][task_info][TASK-19]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(start_eagerly(log), named("parent"));
  l.run_until_complete(t);
  CHECK(log == event_log{"eager child", "back in parent", "done", "too late", "5"});
}

namespace {

sheaf::coro<> suspend_between(event_log& log) {
  log.push_back("first step");
  co_await sheaf::sleep(0s);
  log.push_back("second step");
}

sheaf::coro<> start_suspending(event_log& log) {
  auto t = sheaf::create_task(suspend_between(log), eager());
  log.push_back(t.done() ? "done" : "pending");
  co_await t;
  log.push_back("joined");
}

sheaf::coro<> start_and_cancel(event_log& log) {
  auto t = sheaf::create_task(suspend_between(log), eager());
  t.cancel();
  try {
    co_await t;
  } catch (const sheaf::cancelled&) {
    log.push_back("cancelled");
  }
}

sheaf::coro<> start_failing(event_log& log) {
  auto t = sheaf::create_task(fail(), eager());
  log.push_back(t.exception() ? "failed" : "no error");
  co_return;
}

}  // namespace

TEST_CASE("task info: an eager one that suspends goes on as any task [TASK-19]",
          "[api][task_info][TASK-19]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(start_suspending(log));
  CHECK(log == event_log{"first step", "pending", "second step", "joined"});
}

TEST_CASE("task info: an eager one that suspended can be cancelled [TASK-19]",
          "[api][task_info][TASK-19]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(start_and_cancel(log));
  CHECK(log == event_log{"first step", "cancelled"});
}

TEST_CASE("task info: the exception of an eager first step is in the task [TASK-19]",
          "[api][task_info][TASK-19]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(start_failing(log));
  CHECK(log == event_log{"failed"});
  CHECK(l.exceptions_reported() == 0);
}

namespace {

sheaf::coro<> nest_eagerly(event_log& log, int depth) {
  log.push_back("in " + std::to_string(depth));
  if (depth > 0) {
    auto t = sheaf::create_task(nest_eagerly(log, depth - 1), eager());
    co_await t;
  }
  log.push_back("out " + std::to_string(depth));
}

}  // namespace

TEST_CASE("task info: eager tasks nest, and each goes on as the right one [TASK-19]",
          "[api][task_info][TASK-19]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(nest_eagerly(log, 2));
  CHECK(log == event_log{"in 2", "in 1", "in 0", "out 0", "out 1", "out 2"});
}
