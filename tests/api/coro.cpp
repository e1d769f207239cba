#include <sheaf/as_outcome.hpp>
#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::counted;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

template <class A>
concept awaitable = requires(A a) { std::forward<A>(a).await_in_task(); };

}  // namespace

// TASK-7: awaited once, and only as an rvalue; moved, never copied.
static_assert(awaitable<sheaf::coro<int>>);
static_assert(!awaitable<sheaf::coro<int>&>);
static_assert(!awaitable<const sheaf::coro<int>&>);
static_assert(!awaitable<const sheaf::coro<int>>);
static_assert(!std::is_copy_constructible_v<sheaf::coro<int>>);
static_assert(!std::is_copy_assignable_v<sheaf::coro<int>>);
static_assert(std::is_nothrow_move_constructible_v<sheaf::coro<int>>);
static_assert(std::is_nothrow_move_assignable_v<sheaf::coro<int>>);
static_assert(!std::is_default_constructible_v<sheaf::coro<int>>);
static_assert(std::is_same_v<sheaf::coro<>, sheaf::coro<void>>);
static_assert(sizeof(sheaf::coro<std::string>) == sizeof(void*));

namespace {

sheaf::coro<> note(event_log& log, const char* what, counted) {
  log.push_back(what);
  co_return;
}

}  // namespace

TEST_CASE("coro: it is lazy, and dropped unawaited it never runs", "[api][coro]") {
  counted::reset();
  event_log log;
  {
    auto c = note(log, "ran", counted(1));
    CHECK(c.valid());
    CHECK(counted::alive == 1);
  }
  CHECK(log.empty());
  CHECK(counted::alive == 0);
}

TEST_CASE("coro: one moved from is not valid", "[api][coro]") {
  event_log log;
  auto c = note(log, "ran", counted(1));
  auto d = std::move(c);
  CHECK_FALSE(c.valid());  // NOLINT: that is the question
  CHECK(d.valid());
}

TEST_CASE("coro: assigned over, what it had is destroyed", "[api][coro]") {
  counted::reset();
  event_log log;
  sheaf::loop l(virtual_clock());
  auto c = note(log, "first", counted(1));
  c = note(log, "second", counted(2));
  CHECK(counted::alive == 1);
  l.run_until_complete(std::move(c));
  CHECK(log == event_log{"second"});
}

TEST_CASE("coro: assigned to itself it stays", "[api][coro]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto c = note(log, "ran", counted(1));
  auto& same = c;
  c = std::move(same);
  REQUIRE(c.valid());
  l.run_until_complete(std::move(c));
  CHECK(log == event_log{"ran"});
}

namespace {

sheaf::coro<std::string> try_moved_from(event_log& log) {
  auto c = note(log, "ran", counted(1));
  const auto elsewhere = std::move(c);
  try {
    co_await std::move(c);  // NOLINT: that is the question
  } catch (const sheaf::invalid_state& e) {
    co_return e.what();
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("coro: awaiting one that was moved from throws, and runs nothing [TASK-7]",
          "[api][coro][TASK-7]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  const auto text = l.run_until_complete(try_moved_from(log));
  CHECK(text.starts_with("co_await: this coro was moved from or awaited before"));
  CHECK(log.empty());
}

// ---- values ------------------------------------------------------------------------------

namespace {

sheaf::coro<counted> give(int v) { co_return counted(v); }
sheaf::coro<counted> give_through(int v) { co_return co_await give(v); }

sheaf::coro<> receive(event_log& log) {
  const counted c = co_await give_through(4);
  log.push_back("value " + std::to_string(c.value));
  log.push_back("alive " + std::to_string(counted::alive));
}

}  // namespace

TEST_CASE("coro: a value is moved through each level, never copied", "[api][coro]") {
  counted::reset();
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(receive(log));
  CHECK(log == event_log{"value 4", "alive 1"});
  CHECK(counted::copies == 0);
  CHECK(counted::moves <= 4);  // in and out of each of two levels
  CHECK(counted::alive == 0);
}

namespace {

sheaf::coro<std::unique_ptr<int>> give_owner() { co_return std::make_unique<int>(6); }
sheaf::coro<int> receive_owner() {
  const auto p = co_await give_owner();
  co_return *p;
}

struct no_default {
  explicit no_default(int v) : value(v) {}
  no_default(no_default&&) = default;
  no_default& operator=(no_default&&) = delete;
  int value;
};
sheaf::coro<no_default> give_no_default() { co_return no_default(7); }
sheaf::coro<int> receive_no_default() {
  const no_default v = co_await give_no_default();
  co_return v.value;
}

sheaf::coro<std::string> give_converted() { co_return "from a literal"; }

sheaf::coro<int*> give_pointer(int& v) { co_return &v; }

}  // namespace

TEST_CASE("coro: a value need not be copied, made by default or assigned",
          "[api][coro]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(receive_owner()) == 6);
  CHECK(l.run_until_complete(receive_no_default()) == 7);
  CHECK(l.run_until_complete(give_no_default()).value == 7);
}

TEST_CASE("coro: what is returned converts to its type", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  int v = 1;
  CHECK(l.run_until_complete(give_converted()) == "from a literal");
  CHECK(l.run_until_complete(give_pointer(v)) == &v);
}

namespace {

struct throws_on_move {
  throws_on_move() = default;
  throws_on_move(throws_on_move&&) { throw std::runtime_error("the move"); }
};

sheaf::coro<throws_on_move> give_throwing() { co_return throws_on_move(); }

sheaf::coro<std::string> receive_throwing() {
  try {
    co_await give_throwing();
  } catch (const std::runtime_error& e) {
    co_return e.what();
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("coro: what the move of a value throws comes out of the await", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(receive_throwing()) == "the move");
  auto t = l.create_task(give_throwing());
  l.run_forever();
  CHECK(t.exception());
}

namespace {

/// Fails when its coroutine has given its value already.
struct throws_at_end {
  ~throws_at_end() noexcept(false) { throw std::runtime_error("at the end"); }
};

sheaf::coro<counted> value_then_error() {
  throws_at_end local;
  co_return counted(1);
}

sheaf::coro<std::string> await_value_then_error() {
  try {
    co_await value_then_error();
  } catch (const std::runtime_error& e) {
    co_return e.what();
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("coro: a value is destroyed if a local's destructor throws after it",
          "[api][coro]") {
  counted::reset();
  {
    sheaf::loop l(virtual_clock());
    CHECK(l.run_until_complete(await_value_then_error()) == "at the end");
    CHECK(counted::alive == 0);
    auto t = l.create_task(value_then_error());
    l.run_forever();
    CHECK(t.exception());
  }
  CHECK(counted::alive == 0);
}

// ---- exceptions --------------------------------------------------------------------------

namespace {

sheaf::coro<> fail() {
  throw std::runtime_error("deep");
  co_return;
}
sheaf::coro<> pass_on(int levels) {
  if (levels == 0) {
    co_await fail();
  } else {
    co_await pass_on(levels - 1);
  }
}
sheaf::coro<std::string> catch_it(int levels) {
  try {
    co_await pass_on(levels);
  } catch (const std::runtime_error& e) {
    co_return e.what();
  }
  co_return "no error";
}

sheaf::coro<> fail_with(std::exception_ptr e) {
  std::rethrow_exception(e);
  co_return;
}
sheaf::coro<std::exception_ptr> same_object(std::exception_ptr e) {
  try {
    co_await fail_with(e);
  } catch (...) {
    co_return std::current_exception();
  }
  co_return nullptr;
}

}  // namespace

TEST_CASE("coro: an exception comes through many levels", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(catch_it(0)) == "deep");
  CHECK(l.run_until_complete(catch_it(1)) == "deep");
  CHECK(l.run_until_complete(catch_it(1000)) == "deep");
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("coro: an exception comes through as the object it was", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  const auto e = std::make_exception_ptr(std::runtime_error("one"));
  CHECK(l.run_until_complete(same_object(e)) == e);
}

namespace {

sheaf::coro<> throw_after(int yields) {
  for (int i = 0; i < yields; ++i) co_await sheaf::sleep(0s);
  throw std::runtime_error("from inside");
}

sheaf::coro<int> rescue_and_go_on(event_log& log) {
  for (int i = 0; i < 2; ++i) {
    try {
      co_await throw_after(i);
    } catch (const std::runtime_error&) {
      log.push_back("caught");
    }
    co_await sheaf::sleep(0s);
  }
  co_return 1;
}

}  // namespace

TEST_CASE("coro: one that caught an exception goes on awaiting", "[api][coro]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(rescue_and_go_on(log));
  CHECK(l.run_until_complete(t) == 1);
  CHECK(log == event_log{"caught", "caught"});
  CHECK(t.exception() == nullptr);
}

// ---- when things die ---------------------------------------------------------------------

namespace {

struct noting {
  event_log& log;
  const char* what;
  noting(event_log& l, const char* w) : log(l), what(w) {}
  noting(const noting&) = delete;
  ~noting() { log.push_back(std::string(what) + " destroyed"); }
};

sheaf::coro<int> inner(event_log& log) {
  const noting local(log, "inner local");
  co_await sheaf::sleep(0s);
  log.push_back("inner returns");
  co_return 1;
}

sheaf::coro<> outer(event_log& log) {
  const int v = co_await inner(log);
  log.push_back("outer got " + std::to_string(v));
}

sheaf::coro<> with_argument(std::unique_ptr<noting> held, event_log& log) {
  co_await sheaf::sleep(0s);
  log.push_back(held ? "last step" : "");
}

sheaf::coro<> await_and_note(sheaf::task<> t, event_log& log) {
  co_await t;
  log.push_back("waiter told");
}

sheaf::coro<> await_inline(event_log& log) {
  co_await with_argument(std::make_unique<noting>(log, "argument"), log);
  log.push_back("caller goes on");
}

}  // namespace

TEST_CASE("coro: its locals die before its caller goes on", "[api][coro]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(outer(log));
  CHECK(log == event_log{"inner returns", "inner local destroyed", "outer got 1"});
}

TEST_CASE("coro: a task's frame and arguments die before its waiters are told",
          "[api][coro]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(with_argument(std::make_unique<noting>(log, "argument"), log));
  auto w = l.create_task(await_and_note(t, log));
  t.add_done_callback([&log](const sheaf::future<>&) { log.push_back("callback told"); });
  l.run_forever();
  CHECK(log ==
        event_log{"last step", "argument destroyed", "callback told", "waiter told"});
  CHECK(w.done());
}

TEST_CASE("coro: the arguments of one awaited inline die with the await", "[api][coro]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(await_inline(log));
  CHECK(log == event_log{"last step", "argument destroyed", "caller goes on"});
}

// ---- depth -------------------------------------------------------------------------------

namespace {

constexpr int deep = 1'000'000;

sheaf::coro<int> descend(int levels) {
  if (levels == 0) {
    co_await sheaf::sleep(0s);
    co_return 0;
  }
  const int below = co_await descend(levels - 1);
  co_return below + 1;
}

sheaf::coro<int> at_once(int v) { co_return v; }
sheaf::coro<long> await_many(int times) {
  long sum = 0;
  for (int i = 0; i < times; ++i) sum += co_await at_once(1);
  co_return sum;
}

sheaf::coro<> descend_and_wait(int levels) {
  if (levels == 0) {
    co_await sheaf::sleep(1h);
  } else {
    co_await descend_and_wait(levels - 1);
  }
}

}  // namespace

TEST_CASE("coro: a million awaits deep returns through every level", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(descend(deep)) == deep);
}

TEST_CASE("coro: a million awaits in a row do not grow the stack", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(await_many(deep)) == deep);
}

TEST_CASE("coro: a cancellation comes through 100,000 levels", "[api][coro]") {
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(descend_and_wait(100'000));
  l.turn();
  CHECK(t.stack().size() == 100'001);
  t.cancel();
  l.run_forever();
  CHECK(t.cancelled());
}
