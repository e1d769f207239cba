#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

sheaf::coro<> nap() { co_await sheaf::sleep(1h); }
sheaf::coro<int> await_value(sheaf::future<int> f) { co_return co_await f; }

sheaf::coro<> note_each(event_log& log, int times) {
  for (int i = 0; i < times; ++i) {
    try {
      co_await sheaf::sleep(1h);
      log.push_back("slept");
    } catch (const sheaf::cancelled& c) {
      log.push_back(c.reason());
    }
  }
}

}  // namespace

TEST_CASE(
    "cancel count: requests before the task runs again are delivered as one [CANCEL-15]",
    "[api][cancel_count][CANCEL-15]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_each(log, 2));
  l.call_later(1min, [&t] {
    CHECK(t.cancel("a"));
    CHECK(t.cancel("b"));
    CHECK(t.cancelling() == 2);
  });
  l.run_forever();
  CHECK(log.size() == 2);
  CHECK(log.back() == "slept");  // not delivered twice
}

TEST_CASE("cancel count: a request after a delivery is delivered anew [CANCEL-15]",
          "[api][cancel_count][CANCEL-15]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_each(log, 3));
  l.call_later(1min, [&t] { CHECK(t.cancel("a")); });
  l.call_later(2min, [&t] { CHECK(t.cancel("b")); });
  l.run_forever();
  CHECK(log == event_log{"a", "b", "slept"});
  CHECK(t.cancelling() == 2);
}

TEST_CASE("cancel count: a request for a task and one for its future are one [CANCEL-15]",
          "[api][cancel_count][CANCEL-15]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(await_value(p.get_future()));
  l.turn();
  p.get_future().cancel();
  CHECK(t.cancel());
  CHECK_FALSE(t.done());
  l.run_forever();
  CHECK(t.cancelled());
  CHECK(t.cancelling() == 1);
}

TEST_CASE("cancel count: a second request reaches a sleeper in its cleanup [CANCEL-15]",
          "[api][cancel_count][CANCEL-15]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_each(log, 2));
  l.turn();
  t.cancel("a");
  l.call_soon([&t] { t.cancel("b"); });  // runs after the step that was told "a"
  l.run_forever();
  CHECK(log == event_log{"a", "b"});
}

TEST_CASE("cancel count: uncancel() takes one request back, not below zero [CANCEL-16]",
          "[api][cancel_count][CANCEL-16]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap());
  CHECK(t.uncancel() == 0);
  l.turn();
  t.cancel();
  t.cancel();
  CHECK(t.cancelling() == 2);
  CHECK(t.uncancel() == 1);
  CHECK(t.cancelling() == 1);
  CHECK(t.uncancel() == 0);
  CHECK(t.uncancel() == 0);
  CHECK(t.cancelling() == 0);
  l.run_forever();
  CHECK(t.cancelled());  // it was on its way: the sleep had been cancelled
}

TEST_CASE("cancel count: on a task that is done neither has an effect [CANCEL-16]",
          "[api][cancel_count][CANCEL-16]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(nap());
  t.cancel();
  l.run_forever();
  CHECK_FALSE(t.cancel());
  t.uncancel();
  CHECK(t.cancelled());
  CHECK_THROWS_AS(t.result(), sheaf::cancelled);
}

TEST_CASE("cancel count: catching the error does not change the count [CANCEL-16]",
          "[api][cancel_count][CANCEL-16]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_each(log, 2));
  l.turn();
  t.cancel("a");
  l.turn();
  CHECK(log == event_log{"a"});
  CHECK(t.cancelling() == 1);
  l.run_forever();
  CHECK(t.cancelling() == 1);
}

TEST_CASE("cancel count: uncancel() to zero withdraws what was not delivered [CANCEL-17]",
          "[api][cancel_count][CANCEL-17]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(await_value(p.get_future()));
  l.turn();
  p.set_value(3);
  t.cancel();
  CHECK(t.uncancel() == 0);
  l.run_forever();
  CHECK_FALSE(t.cancelled());
  CHECK(t.result() == 3);
}

TEST_CASE("cancel count: uncancel() before the first step lets the task run [CANCEL-17]",
          "[api][cancel_count][CANCEL-17]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_each(log, 1));
  t.cancel();
  t.cancel();
  t.uncancel();
  t.uncancel();
  l.run_forever();
  CHECK(log == event_log{"slept"});
}

TEST_CASE("cancel count: uncancel() above zero withdraws nothing [CANCEL-17]",
          "[api][cancel_count][CANCEL-17]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(await_value(p.get_future()));
  l.turn();
  p.set_value(3);
  t.cancel();
  t.cancel();
  CHECK(t.uncancel() == 1);
  l.run_forever();
  CHECK(t.cancelled());
}

namespace {

sheaf::coro<> cancel_and_uncancel_oneself(event_log& log) {
  const auto me = sheaf::current_task();
  me.cancel();
  log.push_back(std::to_string(me.uncancel()));
  co_await sheaf::sleep(1s);
  log.push_back("slept");
}

}  // namespace

TEST_CASE("cancel count: a task may withdraw its own request [CANCEL-17]",
          "[api][cancel_count][CANCEL-17]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(cancel_and_uncancel_oneself(log));
  CHECK(log == event_log{"0", "slept"});
}

namespace {

/// What a time-out scope does: it cancels its own task later, and swallows the error only if
/// the request was its own alone.
sheaf::coro<> scope(std::string name, std::chrono::minutes limit, event_log& log,
                    sheaf::coro<> body) {
  const auto me = sheaf::current_task();
  const unsigned before = me.cancelling();
  bool expired = false;
  auto timer = sheaf::loop::current().call_later(limit, [&] {
    expired = true;
    me.cancel(name);
  });
  try {
    co_await std::move(body);
  } catch (const sheaf::cancelled&) {
    timer.cancel();
    const bool mine = expired && me.uncancel() <= before;
    log.push_back(name + (mine ? " swallows" : " passes on"));
    if (!mine) throw;
    co_return;
  }
  timer.cancel();
  log.push_back(name + " ended");
}

}  // namespace

TEST_CASE(
    "cancel count: the inner of two scopes swallows only its own request [CANCEL-18]",
    "[api][cancel_count][CANCEL-18]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(scope("outer", 30min, log, scope("inner", 10min, log, nap())));
  l.run_until_complete(t);
  CHECK(log == event_log{"inner swallows", "outer ended"});
  CHECK(t.cancelling() == 0);
}

TEST_CASE("cancel count: the inner scope passes the outer one's request on [CANCEL-18]",
          "[api][cancel_count][CANCEL-18]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(scope("outer", 10min, log, scope("inner", 30min, log, nap())));
  l.run_until_complete(t);
  CHECK(log == event_log{"inner passes on", "outer swallows"});
  CHECK(t.cancelling() == 0);
}

TEST_CASE("cancel count: both scopes at once give way to the outer one [CANCEL-18]",
          "[api][cancel_count][CANCEL-18]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(scope("outer", 10min, log, scope("inner", 10min, log, nap())));
  l.run_until_complete(t);
  CHECK(log == event_log{"inner passes on", "outer swallows"});
  CHECK(t.cancelling() == 0);
}

TEST_CASE("cancel count: a request from outside passes all scopes [CANCEL-18]",
          "[api][cancel_count][CANCEL-18]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(scope("outer", 30min, log, scope("inner", 20min, log, nap())));
  l.call_later(10min, [&t] { t.cancel("outside"); });
  l.run_forever();
  CHECK(log == event_log{"inner passes on", "outer passes on"});
  CHECK(t.cancelled());
  CHECK(t.cancelling() == 1);
}

// ---- the reason --------------------------------------------------------------------------

namespace {

sheaf::coro<int> note_reason(sheaf::future<int> f, event_log& log, std::string who) {
  try {
    co_return co_await f;
  } catch (const sheaf::cancelled& c) {
    log.push_back(who + ": " + c.reason());
    throw;
  }
}

std::string reason_of(const sheaf::future<int>& f, bool by_exception) {
  try {
    by_exception ? static_cast<void>(f.exception()) : static_cast<void>(f.result());
  } catch (const sheaf::cancelled& c) {
    return c.reason();
  }
  return "not cancelled";
}

}  // namespace

TEST_CASE(
    "cancel count: the reason is seen in the task, its awaiters and its result "
    "[CANCEL-19]",
    "[api][cancel_count][CANCEL-19]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto inner = l.create_task(note_reason(p.get_future(), log, "inner"));
  auto outer = l.create_task(note_reason(inner, log, "outer"));
  l.turn();
  inner.cancel("too late");
  l.run_forever();
  CHECK(log == event_log{"inner: too late", "outer: too late"});
  for (const auto& t : {inner, outer}) {
    CHECK(reason_of(t, false) == "too late");
    CHECK(reason_of(t, true) == "too late");
  }
  CHECK(reason_of(p.get_future(), false) == "too late");
}

TEST_CASE("cancel count: the reason reaches who never started [CANCEL-19]",
          "[api][cancel_count][CANCEL-19]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(await_value(p.get_future()));
  t.cancel("not wanted");
  l.run_forever();
  CHECK(reason_of(t, false) == "not wanted");
}

namespace {

sheaf::coro<unsigned> cancel_other(sheaf::task<int> t, std::uint64_t& me) {
  me = sheaf::current_task().id();
  t.cancel("from a task");
  co_return std::source_location::current().line() - 1;
}

}  // namespace

TEST_CASE("cancel count: the error tells who asked, and where [CANCEL-19]",
          "[api][cancel_count][CANCEL-19]") {
  std::uint64_t by = 0;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(await_value(p.get_future()));
  const unsigned line = l.run_until_complete(cancel_other(t, by));
  l.run_forever();
  try {
    t.result();
    FAIL("it was not cancelled");
  } catch (const sheaf::cancelled& c) {
    CHECK(c.by() == by);
    CHECK(c.at().line() == line);
    CHECK(std::string(c.at().file_name()).ends_with("cancel_count.cpp"));
  }
}

TEST_CASE(
    "cancel count: of two requests delivered as one the last reason is kept [CANCEL-19]",
    "[api][cancel_count][CANCEL-19]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(await_value(p.get_future()));
  t.cancel("a");
  t.cancel("b");
  l.run_forever();
  CHECK(reason_of(t, false) == "b");
}
