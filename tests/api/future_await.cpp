#include <sheaf/future.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::counted;
using test::event_log;
using int_future = sheaf::future<int>;
using owner = std::unique_ptr<int>;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

// What a co_await of A gives.
template <class A>
using awaited = decltype(std::declval<A>().await_in_task().await_resume());

sheaf::coro<> note_value(int_future f, event_log& log, std::string who) {
  const int v = co_await f;
  log.push_back(who + " " + std::to_string(v));
}

}  // namespace

// An lvalue gives a view of the shared value, an rvalue gives the value.
static_assert(std::is_same_v<awaited<sheaf::future<int>&>, const int&>);
static_assert(std::is_same_v<awaited<const sheaf::task<int>&>, const int&>);
static_assert(std::is_same_v<awaited<sheaf::future<int>>, int>);
static_assert(std::is_same_v<awaited<sheaf::task<owner>>, owner>);
static_assert(std::is_void_v<awaited<sheaf::future<>&>>);
static_assert(std::is_void_v<awaited<sheaf::task<>>>);

TEST_CASE("future await: a done one does not suspend [FUT-13]",
          "[api][future_await][FUT-13]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.set_value(1);
  auto a = l.create_task(note_value(p.get_future(), log, "a"));
  l.call_soon([&log] { log.push_back("callback"); });
  const auto before = l.ticks();
  l.run_until_complete(a);
  CHECK(log == event_log{"a 1", "callback"});
  CHECK(l.ticks() - before == 2);  // its one step, and the stop
}

namespace {

sheaf::coro<> await_thrice(int_future f, event_log& log) {
  for (int i = 0; i < 3; ++i) log.push_back(std::to_string(co_await f));
}

sheaf::coro<> note_step(event_log& log) {
  log.push_back("other task");
  co_return;
}

}  // namespace

TEST_CASE("future await: only the first of three awaits suspends [FUT-13]",
          "[api][future_await][FUT-13]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto a = l.create_task(await_thrice(p.get_future(), log));
  l.call_soon([&] {
    p.set_value(4);
    static_cast<void>(l.create_task(note_step(log)));
  });
  l.run_until_complete(a);
  l.run_forever();
  CHECK(log == event_log{"4", "4", "4", "other task"});
}

TEST_CASE("future await: waiters and callbacks share one order [FUT-14]",
          "[api][future_await][FUT-14]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const int_future f = p.get_future();
  const auto note = [&log](const char* name) {
    return [&log, name](const int_future&) { log.push_back(name); };
  };
  f.add_done_callback(note("callback 1"));
  auto a = l.create_task(note_value(f, log, "task 1"));
  l.call_soon([&] { f.add_done_callback(note("callback 2")); });
  auto b = l.create_task(note_value(f, log, "task 2"));
  l.call_soon([&] {
    l.call_soon([&log] { log.push_back("queued before"); });
    p.set_value(0);
    log.push_back("settled");
    l.call_soon([&log] { log.push_back("queued after"); });
  });
  l.run_forever();
  CHECK(log == event_log{"settled", "queued before", "callback 1", "task 1 0",
                         "callback 2", "task 2 0", "queued after"});
  CHECK((a.done() && b.done()));
}

namespace {

sheaf::coro<> note_error(int_future f, std::vector<std::exception_ptr>& seen) {
  try {
    co_await f;
  } catch (...) {
    seen.push_back(std::current_exception());
  }
}

sheaf::coro<> note_address(sheaf::future<std::string> f, std::vector<const void*>& seen) {
  const std::string& v = co_await f;
  seen.push_back(&v);
}

}  // namespace

TEST_CASE("future await: all who await get the same value [FUT-15]",
          "[api][future_await][FUT-15]") {
  std::vector<const void*> seen;
  sheaf::loop l(virtual_clock());
  sheaf::promise<std::string> p(l);
  const auto f = p.get_future();
  for (int i = 0; i < 3; ++i) static_cast<void>(l.create_task(note_address(f, seen)));
  l.call_soon([&p] { p.set_value("shared"); });
  l.run_forever();
  static_cast<void>(l.create_task(note_address(f, seen)));
  l.run_forever();
  CHECK(seen == std::vector<const void*>(4, &f.result()));
}

TEST_CASE("future await: all who await get the same exception object [FUT-15]",
          "[api][future_await][FUT-15]") {
  std::vector<std::exception_ptr> seen;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto f = p.get_future();
  for (int i = 0; i < 3; ++i) static_cast<void>(l.create_task(note_error(f, seen)));
  const auto e = std::make_exception_ptr(std::runtime_error("shared"));
  l.call_soon([&] { p.set_exception(e); });
  l.run_forever();
  static_cast<void>(l.create_task(note_error(f, seen)));
  l.run_forever();
  CHECK(seen == std::vector<std::exception_ptr>(4, e));
}

namespace {

sheaf::coro<std::string> message_of_awaiting(int_future f) {
  try {
    co_await f;
  } catch (const sheaf::invalid_state& e) {
    co_return e.what();
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("future await: one of another loop throws inside the task [FUT-16]",
          "[api][future_await][FUT-16]") {
  sheaf::loop l(virtual_clock());
  sheaf::loop other(virtual_clock());
  sheaf::promise<int> p(other);
  const auto message = l.run_until_complete(message_of_awaiting(p.get_future()));
  CHECK(message.find("belongs to another loop") != std::string::npos);
  p.set_value(1);  // nobody is registered
  other.run_forever();
  CHECK(l.exceptions_reported() + other.exceptions_reported() == 0);
}

TEST_CASE("future await: a done one of another loop gives its value [FUT-16]",
          "[api][future_await][FUT-16]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::loop other(virtual_clock());
  sheaf::promise<int> p(other);
  p.set_value(1);
  l.run_until_complete(note_value(p.get_future(), log, "a"));
  CHECK(log == event_log{"a 1"});
}

// ---- rvalues -----------------------------------------------------------------------------

namespace {

sheaf::coro<counted> make_counted(int v) {
  co_await sheaf::sleep(1ms);
  co_return counted(v);
}

sheaf::coro<int> take_last_handle() {
  auto t = sheaf::create_task(make_counted(1));
  const counted c = co_await std::move(t);
  co_return c.value;
}

sheaf::coro<int> take_shared_handle() {
  auto t = sheaf::create_task(make_counted(1));
  const auto other = t;
  const counted c = co_await std::move(t);
  co_return c.value + other.result().value;
}

sheaf::coro<int> look_at_handle() {
  auto t = sheaf::create_task(make_counted(1));
  const counted& c = co_await t;
  co_return c.value;
}

}  // namespace

TEST_CASE("future await: the last handle gives its value away by a move",
          "[api][future_await]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(take_last_handle()) == 1);
  CHECK(counted::copies == 0);
  CHECK(counted::moves == 2);  // into the task by co_return, and out of it
  CHECK(counted::alive == 0);
}

TEST_CASE("future await: a handle that is not the last gives a copy",
          "[api][future_await]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(take_shared_handle()) == 2);
  CHECK(counted::copies == 1);
  CHECK(counted::moves == 1);
  CHECK(counted::alive == 0);
}

TEST_CASE("future await: an lvalue copies nothing", "[api][future_await]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(look_at_handle()) == 1);
  CHECK(counted::copies == 0);
  CHECK(counted::moves == 1);
  CHECK(counted::alive == 0);
}

namespace {

sheaf::coro<owner> make_owner(int v) {
  co_await sheaf::sleep(1ms);
  co_return std::make_unique<int>(v);
}

sheaf::coro<> take_owner_twice(event_log& log) {
  auto t = sheaf::create_task(make_owner(5));
  const auto other = t;
  const owner got = co_await std::move(t);
  log.push_back(std::to_string(*got));
  try {
    other.result();
    log.push_back("read again");
  } catch (const sheaf::invalid_state&) {
    log.push_back("result() throws");
  }
  try {
    const owner& again = co_await other;
    log.push_back(again ? "there" : "empty");
  } catch (const sheaf::invalid_state&) {
    log.push_back("co_await throws");
  }
  log.push_back(other.exception() ? "failed" : "has no exception");
}

sheaf::coro<int> read_owner_twice() {
  auto t = sheaf::create_task(make_owner(5));
  const owner& a = co_await t;
  const owner& b = co_await t;
  co_return *a + *b;
}

}  // namespace

TEST_CASE("future await: a value that can only be moved is taken, and says so after",
          "[api][future_await]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(take_owner_twice(log));
  CHECK(log == event_log{"5", "result() throws", "co_await throws", "has no exception"});
}

TEST_CASE(
    "future await: a value that can only be moved is read by lvalues as often as asked",
    "[api][future_await]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(read_owner_twice()) == 10);
}

namespace {

sheaf::coro<> take_and_note(sheaf::future<counted> f, event_log& log) {
  const counted c = co_await std::move(f);
  log.push_back(std::to_string(c.value));
}

}  // namespace

TEST_CASE("future await: of several rvalue awaits the last to run gets the value itself",
          "[api][future_await]") {
  counted::reset();
  event_log log;
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<counted> p(l);
    for (int i = 0; i < 3; ++i) {
      static_cast<void>(l.create_task(take_and_note(p.get_future(), log)));
    }
    l.call_soon([q = std::move(p)]() mutable {
      q.set_value(7);
      const auto dropped = std::move(q);
    });
  }
  l.run_forever();
  CHECK(log == event_log{"7", "7", "7"});
  CHECK(counted::copies == 2);
  CHECK(counted::moves == 1);
  CHECK(counted::alive == 0);
}

TEST_CASE("future await: run_until_complete with the last handle moves the value out",
          "[api][future_await]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  const counted c = l.run_until_complete(make_counted(3));
  CHECK(c.value == 3);
  CHECK(counted::copies == 0);
}

namespace {

sheaf::coro<> hold_until_woken(int_future f, event_log& log) {
  co_await std::move(f);
  log.push_back("woken");
}

}  // namespace

TEST_CASE("future await: who waits keeps the future alive", "[api][future_await]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto p = std::make_unique<sheaf::promise<int>>(l);
  auto t = l.create_task(hold_until_woken(p->get_future(), log));
  l.call_soon([&p] {
    p->set_value(1);
    p.reset();
  });
  l.run_until_complete(t);
  CHECK(log == event_log{"woken"});
}

TEST_CASE("future await: a million waiters that gave up leave nothing behind",
          "[api][future_await]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const int_future f = p.get_future();
  struct never_called {
    void operator()(const int_future&) const { FAIL("a removed callback was called"); }
  };
  for (int i = 0; i < 1'000'000; ++i) {
    const auto id = f.add_done_callback(never_called());
    f.remove_done_callback(id);
  }
  p.set_value(1);
  l.run_forever();
  CHECK(f.done());
}
