#include <sheaf/as_outcome.hpp>
#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/outcome.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/wait_for.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::counted;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

std::exception_ptr boom() { return std::make_exception_ptr(std::runtime_error("boom")); }

}  // namespace

static_assert(std::is_same_v<sheaf::outcome<>::value_type, std::monostate>);
static_assert(std::is_constructible_v<sheaf::outcome<std::string>, const char*>);
static_assert(!std::is_constructible_v<sheaf::outcome<int>, std::string>);
static_assert(std::is_move_constructible_v<sheaf::outcome<std::unique_ptr<int>>>);

TEST_CASE("outcome: a value", "[api][outcome]") {
  const sheaf::outcome<int> o(3);
  CHECK(o.has_value());
  CHECK(static_cast<bool>(o));
  CHECK_FALSE(o.is_cancelled());
  CHECK(o.value() == 3);
  CHECK(o.error() == nullptr);
}

TEST_CASE("outcome: void has a value without one", "[api][outcome]") {
  const sheaf::outcome<> o;
  CHECK(o.has_value());
  CHECK(o.value() == std::monostate());
}

TEST_CASE("outcome: an exception", "[api][outcome]") {
  const auto e = boom();
  const sheaf::outcome<int> o(e);
  CHECK_FALSE(o.has_value());
  CHECK_FALSE(o.is_cancelled());
  CHECK(o.error() == e);
  CHECK_THROWS_WITH(o.value(), "boom");
}

TEST_CASE("outcome: a cancellation is an error of its own kind", "[api][outcome]") {
  const sheaf::outcome<int> o(sheaf::cancelled("why"));
  CHECK_FALSE(o.has_value());
  CHECK(o.is_cancelled());
  CHECK_THROWS_AS(o.value(), sheaf::cancelled);
  REQUIRE(o.error());
  try {
    std::rethrow_exception(o.error());
  } catch (const sheaf::cancelled& c) {
    CHECK(c.reason() == "why");
  }
}

TEST_CASE("outcome: a value may be changed in place and moved out", "[api][outcome]") {
  sheaf::outcome<std::unique_ptr<int>> o(std::make_unique<int>(1));
  *o.value() = 2;
  const std::unique_ptr<int> out = std::move(o).value();
  CHECK(*out == 2);
  CHECK(o.has_value());  // NOLINT: moved from, it is still a value
  CHECK(o.value() == nullptr);
}

TEST_CASE("outcome: it is copied as its value is", "[api][outcome]") {
  counted::reset();
  {
    const sheaf::outcome<counted> a{counted(1)};
    const sheaf::outcome<counted> b = a;  // NOLINT: the copy is the question
    CHECK(b.value().value == 1);
    CHECK(counted::copies == 1);
    CHECK(counted::alive == 2);
  }
  CHECK(counted::alive == 0);
}

// ---- as_outcome --------------------------------------------------------------------------

namespace {

sheaf::coro<int> give(int v) { co_return v; }
sheaf::coro<int> give_later(int v) {
  co_await sheaf::sleep(1h);
  co_return v;
}
sheaf::coro<int> fail(std::exception_ptr e) {
  std::rethrow_exception(e);
  co_return 0;
}
sheaf::coro<> fail_void() {
  throw std::runtime_error("void");
  co_return;
}
sheaf::coro<> nothing() { co_return; }

std::string text(const sheaf::outcome<int>& o) {
  if (o.is_cancelled()) return "cancelled";
  return o.has_value() ? std::to_string(o.value()) : sheaf::describe(o.error());
}

sheaf::coro<> collect(event_log& log) {
  log.push_back(text(co_await sheaf::as_outcome(give(1))));
  log.push_back(text(co_await sheaf::as_outcome(fail(boom()))));
  const auto ended = co_await sheaf::as_outcome(nothing());
  log.push_back(ended.has_value() ? "void" : "no value");
  const auto failed = co_await sheaf::as_outcome(fail_void());
  log.push_back(sheaf::describe(failed.error()));
  log.push_back(text(co_await sheaf::as_outcome(
      fail(std::make_exception_ptr(sheaf::cancelled("of its own"))))));
}

sheaf::coro<> collect_tasks(event_log& log) {
  auto good = sheaf::create_task(give_later(1));
  auto bad = sheaf::create_task(fail(boom()));
  auto gone = sheaf::create_task(give_later(2));
  gone.cancel();
  log.push_back(text(co_await sheaf::as_outcome(good)));
  log.push_back(text(co_await sheaf::as_outcome(bad)));
  log.push_back(text(co_await sheaf::as_outcome(gone)));
  log.push_back(text(co_await sheaf::as_outcome(good)));  // again, and it is done
}

}  // namespace

TEST_CASE("as_outcome: a coroutine's value, exception or cancellation, never thrown",
          "[api][outcome]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(collect(log));
  CHECK(log == event_log{"1", "std::runtime_error: boom", "void",
                         "std::runtime_error: void", "cancelled"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("as_outcome: a task's value, exception or cancellation, never thrown",
          "[api][outcome]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(collect_tasks(log));
  CHECK(log == event_log{"1", "std::runtime_error: boom", "cancelled", "1"});
  CHECK(l.exceptions_reported() == 0);  // the error was looked at
}

namespace {

sheaf::coro<std::exception_ptr> error_of(std::exception_ptr e) {
  const auto o = co_await sheaf::as_outcome(fail(e));
  co_return o.error();
}

sheaf::coro<> note_own_cancellation(event_log& log) {
  const auto o = co_await sheaf::as_outcome(give_later(1));
  log.push_back(text(o));
  co_await sheaf::sleep(1h);
  log.push_back("went on");
}

sheaf::coro<> note_own_cancellation_of(sheaf::future<int> f, event_log& log) {
  const auto o = co_await sheaf::as_outcome(f);
  log.push_back(text(o));
}

}  // namespace

TEST_CASE("as_outcome: the exception is the object that was thrown", "[api][outcome]") {
  sheaf::loop l(virtual_clock());
  const auto e = boom();
  CHECK(l.run_until_complete(error_of(e)) == e);
}

namespace {

sheaf::coro<> collect_limited(event_log& log) {
  log.push_back(text(co_await sheaf::as_outcome(sheaf::wait_for(give_later(1), 2h))));
  const auto late = co_await sheaf::as_outcome(sheaf::wait_for(sheaf::sleep(1h), 1s));
  CHECK_THROWS_AS(late.value(), sheaf::timeout_error);
  log.push_back(text(
      co_await sheaf::as_outcome(sheaf::uncancel, sheaf::wait_for(give_later(2), 2h))));
}

}  // namespace

TEST_CASE("as_outcome: of what has a time limit", "[api][outcome]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  l.run_until_complete(collect_limited(log));
  CHECK(log == event_log{"1", "2"});
}

TEST_CASE("as_outcome: a cancellation of the awaiting task is swallowed, and seen",
          "[api][outcome]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto t = l.create_task(note_own_cancellation(log));
  l.turn();
  t.cancel();
  l.run_until_complete(t);
  CHECK(log == event_log{"cancelled", "went on"});
}

TEST_CASE("as_outcome: a cancellation wins over a value not seen yet [CANCEL-7]",
          "[api][outcome][CANCEL-7]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto t = l.create_task(note_own_cancellation_of(p.get_future(), log));
  l.turn();
  p.set_value(1);
  t.cancel();
  l.run_until_complete(t);
  CHECK(log == event_log{"cancelled"});
  CHECK(p.get_future().result() == 1);
}

namespace {

sheaf::coro<counted> give_counted() { co_return counted(1); }
sheaf::coro<int> outcome_of_counted() {
  const auto o = co_await sheaf::as_outcome(give_counted());
  co_return o.value().value;
}

sheaf::coro<std::unique_ptr<int>> give_owner() { co_return std::make_unique<int>(8); }
sheaf::coro<int> outcome_of_owner() {
  auto o = co_await sheaf::as_outcome(give_owner());
  co_return *o.value();
}

}  // namespace

TEST_CASE("as_outcome: a coroutine's value is moved, not copied", "[api][outcome]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(outcome_of_counted()) == 1);
  CHECK(counted::copies == 0);
  CHECK(counted::alive == 0);
  CHECK(l.run_until_complete(outcome_of_owner()) == 8);
}

TEST_CASE("as_outcome: the move-only result of a task is handed over", "[api][outcome]") {
  const auto make = []() -> sheaf::coro<std::unique_ptr<int>> {
    co_return std::make_unique<int>(7);
  };
  const auto main = [](auto made) -> sheaf::coro<int> {
    auto got = co_await sheaf::as_outcome(sheaf::create_task(made()));
    co_return got.has_value() ? *std::move(got).value() : 0;
  };
  CHECK(sheaf::run(main(make)) == 7);
}
