#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

}  // namespace

namespace {

sheaf::coro<> cancel_oneself(sheaf::future<int> f, event_log& log) {
  sheaf::current_task().cancel("enough");
  log.push_back("goes on");
  try {
    co_await f;
  } catch (const sheaf::cancelled& c) {
    log.push_back("cancelled " + c.reason());
    throw;
  }
}

sheaf::coro<> cancel_oneself_and_yield(event_log& log) {
  sheaf::current_task().cancel();
  try {
    co_await sheaf::sleep(0s);
    log.push_back("yielded");
  } catch (const sheaf::cancelled&) {
    log.push_back("cancelled");
  }
  co_await sheaf::sleep(0s);
  log.push_back("yielded");
}

sheaf::coro<int> cancel_oneself_and_return() {
  sheaf::current_task().cancel("at the end");
  co_return 5;
}

sheaf::coro<int> cancel_oneself_await_done(sheaf::future<int> f) {
  sheaf::current_task().cancel();
  co_return co_await f;
}

}  // namespace

TEST_CASE("cancel self: a task may cancel itself, at its next suspension [CANCEL-12]",
          "[api][cancel_self][CANCEL-12]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(cancel_oneself(p.get_future(), log));
  l.run_forever();
  CHECK(log == event_log{"goes on", "cancelled enough"});
  CHECK(p.get_future().cancelled());  // what it was about to wait for
  CHECK(t.cancelled());
}

TEST_CASE(
    "cancel self: a task that cancels itself finds it at sleep(0) too, once [CANCEL-12]",
    "[api][cancel_self][CANCEL-12]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(cancel_oneself_and_yield(log));
  l.run_until_complete(t);
  CHECK(log == event_log{"cancelled", "yielded"});
}

TEST_CASE("cancel self: a self-cancelled task that returns ends cancelled [CANCEL-13]",
          "[api][cancel_self][CANCEL-13]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.set_value(1);
  auto returns = l.create_task(cancel_oneself_and_return());
  auto awaits_done = l.create_task(cancel_oneself_await_done(p.get_future()));
  l.run_forever();
  CHECK(returns.cancelled());
  CHECK(awaits_done.cancelled());  // awaiting what is done is no suspension
}

namespace {

sheaf::coro<test::counted> cancel_oneself_and_return_counted() {
  sheaf::current_task().cancel();
  co_return test::counted(5);
}

}  // namespace

TEST_CASE("cancel self: the value of a self-cancelled task is dropped [CANCEL-13]",
          "[api][cancel_self][CANCEL-13]") {
  test::counted::reset();
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(cancel_oneself_and_return_counted());
  l.run_forever();
  CHECK(t.cancelled());
  CHECK(test::counted::alive == 0);
}
