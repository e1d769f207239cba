#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

// R8: `catch (const std::exception&)` lets a cancellation pass.
static_assert(!std::is_base_of_v<std::exception, sheaf::cancelled>);

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

sheaf::coro<int> nap() {
  co_await sheaf::sleep(1h);
  co_return 1;
}

sheaf::coro<> nap_noting(event_log& log) {
  log.push_back("started");
  try {
    co_await sheaf::sleep(1h);
    log.push_back("slept");
  } catch (const std::exception&) {
    log.push_back("caught as std::exception");
  } catch (const sheaf::cancelled& c) {
    log.push_back("cancelled " + c.reason());
    throw;
  }
}

sheaf::coro<int> await_value(sheaf::future<int> f) { co_return co_await f; }

std::string end_of(const sheaf::future<int>& f) {
  const auto o = f.outcome();
  if (o.is_cancelled()) return "cancelled";
  return o.has_value() ? std::to_string(o.value()) : sheaf::describe(o.error());
}

}  // namespace

TEST_CASE("cancel: a request ends nothing by itself [CANCEL-1]",
          "[api][cancel][CANCEL-1]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap());
  l.turn();
  CHECK(t.cancelling() == 0);
  CHECK(t.cancel());
  CHECK(t.cancelling() == 1);
  CHECK_FALSE(t.done());
  CHECK_FALSE(t.cancelled());
  l.run_forever();
  CHECK(t.done());
  CHECK(t.cancelled());
}

TEST_CASE("cancel: on a done task it gives false and changes nothing [CANCEL-2]",
          "[api][cancel][CANCEL-2]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap());
  l.run_forever();
  CHECK_FALSE(t.cancel());
  CHECK(t.cancelling() == 0);
  CHECK_FALSE(t.cancelled());
  CHECK(t.result() == 1);
}

TEST_CASE("cancel: on a cancelled task it gives false and keeps the reason [CANCEL-2]",
          "[api][cancel][CANCEL-2]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap());
  t.cancel("first");
  l.run_forever();
  CHECK_FALSE(t.cancel("second"));
  try {
    t.result();
    FAIL("it has a result");
  } catch (const sheaf::cancelled& c) {
    CHECK(c.reason() == "first");
  }
}

TEST_CASE(
    "cancel: it is thrown at the await in a later batch, never inside the call "
    "[CANCEL-3]",
    "[api][cancel][CANCEL-3][R3]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap_noting(log));
  l.call_soon([&] {
    l.call_soon([&log] { log.push_back("queued before"); });
    t.cancel("why");
    log.push_back("cancel() returned");
  });
  l.run_forever();
  CHECK(log ==
        event_log{"started", "cancel() returned", "queued before", "cancelled why"});
  CHECK(t.cancelled());
}

TEST_CASE("cancel: a future that is waited for is cancelled at once [CANCEL-4]",
          "[api][cancel][CANCEL-4]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto f = p.get_future();
  auto t = l.create_task(await_value(f));
  l.turn();
  t.cancel();
  CHECK(f.cancelled());
  CHECK_FALSE(t.done());
  l.run_forever();
  CHECK(t.cancelled());
}

TEST_CASE(
    "cancel: it travels to the innermost task; the outer ones learn the outcome "
    "[CANCEL-5]",
    "[api][cancel][CANCEL-5]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto inner = l.create_task(await_value(p.get_future()));
  auto middle = l.create_task(await_value(inner));
  auto outer = l.create_task(await_value(middle));
  l.turn();
  CHECK(outer.cancel());
  CHECK(p.done());
  CHECK(inner.cancelling() == 1);
  CHECK(middle.cancelling() == 1);
  CHECK(outer.cancelling() == 1);

  l.set_budget({1, 0ns});  // one batch a turn
  l.turn();
  CHECK((inner.cancelled() && !middle.done()));
  l.turn();
  CHECK((middle.cancelled() && !outer.done()));
  l.turn();
  CHECK(outer.cancelled());
}

namespace {

sheaf::coro<int> refuse_to_stop() {
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled&) {
  }
  co_return 5;
}

}  // namespace

TEST_CASE("cancel: an outer task takes the value of an inner one that refuses [CANCEL-5]",
          "[api][cancel][CANCEL-5]") {
  sheaf::loop l(virtual_clock());
  auto inner = l.create_task(refuse_to_stop());
  auto outer = l.create_task(await_value(inner));
  l.turn();
  outer.cancel();
  l.run_forever();
  CHECK(end_of(inner) == "5");
  CHECK(end_of(outer) == "5");
}

namespace {

sheaf::coro<> note_with_argument(event_log& log, test::counted) {
  log.push_back("ran");
  co_return;
}

}  // namespace

TEST_CASE("cancel: before the first step nothing of the coroutine runs [CANCEL-6]",
          "[api][cancel][CANCEL-6]") {
  test::counted::reset();
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_with_argument(log, test::counted(1)));
  CHECK(t.cancel());
  CHECK(test::counted::alive == 1);
  l.run_forever();
  CHECK(log.empty());
  CHECK(t.cancelled());
  CHECK(test::counted::alive == 0);  // its arguments are gone, the handle is not
}

TEST_CASE("cancel: before its first step a task takes one batch to end [CANCEL-6]",
          "[api][cancel][CANCEL-6]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap_noting(log));
  t.cancel();
  CHECK_FALSE(t.done());
  l.call_soon([&] { log.push_back(t.cancelled() ? "ended" : "pending"); });
  l.run_forever();
  CHECK(log == event_log{"ended"});
}

TEST_CASE("cancel: it wins over a value that the task has not seen yet [CANCEL-7]",
          "[api][cancel][CANCEL-7]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto f = p.get_future();
  auto t = l.create_task(await_value(f));
  l.turn();
  p.set_value(3);
  CHECK(t.cancel());
  l.run_forever();
  CHECK(end_of(t) == "cancelled");
  CHECK(end_of(f) == "3");  // the future keeps its value
}

TEST_CASE("cancel: it wins over the value of a task that has just ended [CANCEL-7]",
          "[api][cancel][CANCEL-7]") {
  sheaf::loop l(virtual_clock());
  l.set_budget({1, 0ns});
  auto inner = l.create_task(nap());
  auto outer = l.create_task(await_value(inner));
  while (!inner.done()) l.turn();
  CHECK_FALSE(outer.done());
  CHECK(outer.cancel());
  l.run_forever();
  CHECK(end_of(inner) == "1");
  CHECK(end_of(outer) == "cancelled");
}

TEST_CASE("cancel: a coroutine may catch it and return a value [CANCEL-8]",
          "[api][cancel][CANCEL-8]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(refuse_to_stop());
  l.turn();
  CHECK(t.cancel());
  l.run_forever();
  CHECK_FALSE(t.cancelled());
  CHECK(t.result() == 5);
  CHECK(t.cancelling() == 1);  // catching does not lower the count
}

namespace {

sheaf::coro<> go_on_after(event_log& log) {
  for (int i = 0; i < 3; ++i) {
    try {
      co_await sheaf::sleep(1h);
      log.push_back("slept");
    } catch (const sheaf::cancelled& c) {
      log.push_back("cancelled " + c.reason());
    }
  }
}

}  // namespace

TEST_CASE("cancel: caught, it is not delivered again unless asked again [CANCEL-9]",
          "[api][cancel][CANCEL-9]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(go_on_after(log));
  l.call_later(1min, [&t] { t.cancel("one"); });
  l.call_later(2h, [&t] { t.cancel("two"); });
  l.run_forever();
  CHECK(log == event_log{"cancelled one", "slept", "cancelled two"});
  CHECK(t.done());
  CHECK_FALSE(t.cancelled());
  CHECK(t.cancelling() == 2);
}

namespace {

sheaf::coro<int> turn_into_error() {
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled&) {
    throw std::runtime_error("instead");
  }
  co_return 0;
}

}  // namespace

TEST_CASE("cancel: a coroutine may turn it into another exception [CANCEL-10]",
          "[api][cancel][CANCEL-10]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(turn_into_error());
  l.turn();
  t.cancel();
  l.run_forever();
  CHECK_FALSE(t.cancelled());
  CHECK(end_of(t) == "std::runtime_error: instead");
}

namespace {

sheaf::coro<int> throw_cancelled() {
  throw sheaf::cancelled("of its own");
  co_return 0;
}

}  // namespace

TEST_CASE(
    "cancel: the error that escapes makes a task cancelled, asked or not [CANCEL-11]",
    "[api][cancel][CANCEL-11]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(throw_cancelled());
  l.run_forever();
  CHECK(t.cancelled());
  CHECK(t.cancelling() == 0);
  CHECK(l.exceptions_reported() == 0);
  try {
    t.result();
  } catch (const sheaf::cancelled& c) {
    CHECK(c.reason() == "of its own");
  }
}

TEST_CASE(
    "cancel: cancelling the awaited future wakes all who wait, uncounted [CANCEL-14]",
    "[api][cancel][CANCEL-14]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto f = p.get_future();
  auto a = l.create_task(await_value(f));
  auto b = l.create_task(await_value(f));
  l.turn();
  f.cancel("the future");
  l.run_forever();
  for (const auto& t : {a, b}) {
    CHECK(t.cancelled());
    CHECK(t.cancelling() == 0);
  }
}

TEST_CASE("cancel: a task that waits takes the others of its future along [CANCEL-14]",
          "[api][cancel][CANCEL-14]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto a = l.create_task(await_value(p.get_future()));
  auto b = l.create_task(await_value(p.get_future()));
  l.turn();
  a.cancel();
  l.run_forever();
  CHECK(b.cancelled());
  CHECK(a.cancelling() == 1);
  CHECK(b.cancelling() == 0);
}

TEST_CASE("cancel: no timer is left of a sleep that was cancelled [CANCEL-20]",
          "[api][cancel][CANCEL-20]") {
  sheaf::loop l(sheaf::loop_options().manual_time());
  auto t = l.create_task(nap());
  l.turn();
  CHECK(l.core().timers() == 1);
  t.cancel();
  CHECK(l.core().timers() == 0);
  l.run_forever();  // the clock stands still
  CHECK(t.cancelled());
}

TEST_CASE("cancel: a cancelled task is never reported [CANCEL-21]",
          "[api][cancel][CANCEL-21]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap());
  l.turn();
  t.cancel("nobody looks at this");
  t = {};
  l.run_forever();
  CHECK(l.all_tasks().empty());
  CHECK(l.exceptions_reported() == 0);
}

namespace {

sheaf::coro<> yield_for_ever(event_log& log) {
  try {
    for (;;) co_await sheaf::sleep(0s);
  } catch (const sheaf::cancelled&) {
    log.push_back("cancelled");
    throw;
  }
}

}  // namespace

TEST_CASE("cancel: sleep(0) is cancelled as any other suspension [CANCEL-22]",
          "[api][cancel][CANCEL-22]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(yield_for_ever(log));
  l.call_soon([&] {
    CHECK(t.cancel());
    CHECK_FALSE(t.done());
  });
  l.run_forever();
  CHECK(log == event_log{"cancelled"});
  CHECK(t.cancelled());
  CHECK_FALSE(t.cancel());
}
