#include <sheaf/future.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/report_log.hpp"

using namespace std::chrono_literals;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

std::exception_ptr error(const char* text) {
  return std::make_exception_ptr(std::runtime_error(text));
}

std::string reason_of(const sheaf::future<int>& f) {
  try {
    f.result();
  } catch (const sheaf::cancelled& c) {
    return c.reason();
  }
  return "not cancelled";
}

}  // namespace

// A handle is one pointer, and only that.
static_assert(sizeof(sheaf::future<std::string>) == sizeof(void*));
static_assert(sizeof(sheaf::promise<std::string>) == sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<sheaf::future<std::string>>);
static_assert(std::is_copy_constructible_v<sheaf::future<std::unique_ptr<int>>>);
static_assert(!std::is_copy_constructible_v<sheaf::promise<int>>);

// What an lvalue gives cannot be written to: others read it too (FUT-15).
static_assert(
    std::is_same_v<decltype(std::declval<sheaf::future<int>>().result()), const int&>);
static_assert(std::is_void_v<decltype(std::declval<sheaf::future<>>().result())>);

TEST_CASE("future: a new one is pending [FUT-1]", "[api][future][FUT-1]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  CHECK_FALSE(f.done());
  CHECK_FALSE(f.cancelled());
  CHECK_THROWS_AS(f.result(), sheaf::invalid_state);
  CHECK_THROWS_AS(f.exception(), sheaf::invalid_state);
  CHECK_THROWS_AS(f.outcome(), sheaf::invalid_state);
}

TEST_CASE("future: a value makes it done, and is given as often as asked [FUT-2]",
          "[api][future][FUT-2]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  p.set_value(42);
  CHECK(f.done());
  CHECK_FALSE(f.cancelled());
  CHECK(f.result() == 42);
  CHECK(f.result() == 42);
  CHECK(&f.result() == &f.result());
  CHECK(f.exception() == nullptr);
}

TEST_CASE("future: one of void has a result too [FUT-2]", "[api][future][FUT-2]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<> p(l);
  const sheaf::future<> f = p.get_future();
  CHECK_THROWS_AS(f.result(), sheaf::invalid_state);
  p.set_value();
  CHECK_NOTHROW(f.result());
  CHECK(f.exception() == nullptr);
  CHECK(f.outcome().has_value());
}

TEST_CASE("future: an exception makes it done, and is the same object each time [FUT-3]",
          "[api][future][FUT-3]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  const auto e = error("boom");
  p.set_exception(e);
  CHECK(f.done());
  CHECK_FALSE(f.cancelled());
  CHECK(f.exception() == e);
  for (int i = 0; i < 2; ++i) {
    try {
      f.result();
      FAIL("result() gave a value");
    } catch (const std::runtime_error& caught) {
      CHECK(std::current_exception() == e);
      CHECK(std::string(caught.what()) == "boom");
    }
  }
}

TEST_CASE("future: cancel() on a pending one ends it at once [FUT-4]",
          "[api][future][FUT-4]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  CHECK(f.cancel());
  CHECK(f.done());
  CHECK(f.cancelled());
  CHECK(p.done());
  CHECK_THROWS_AS(f.result(), sheaf::cancelled);
  CHECK_THROWS_AS(f.exception(), sheaf::cancelled);
  CHECK(f.outcome().is_cancelled());
}

TEST_CASE("future: one with a value never changes [FUT-5]", "[api][future][FUT-5]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  p.set_value(1);
  CHECK_THROWS_AS(p.set_value(2), sheaf::invalid_state);
  CHECK_THROWS_AS(p.set_exception(error("late")), sheaf::invalid_state);
  CHECK_FALSE(f.cancel());
  CHECK_FALSE(f.cancelled());
  CHECK(f.result() == 1);
}

TEST_CASE("future: one with an exception never changes [FUT-5]", "[api][future][FUT-5]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  const auto e = error("first");
  p.set_exception(e);
  CHECK_THROWS_AS(p.set_value(2), sheaf::invalid_state);
  CHECK_THROWS_AS(p.set_exception(error("late")), sheaf::invalid_state);
  CHECK_FALSE(f.cancel());
  CHECK_FALSE(f.cancelled());
  CHECK(f.exception() == e);
}

TEST_CASE("future: a cancelled one never changes [FUT-5]", "[api][future][FUT-5]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  f.cancel("the first reason");
  CHECK_THROWS_AS(p.set_value(2), sheaf::invalid_state);
  CHECK_THROWS_AS(p.set_exception(error("late")), sheaf::invalid_state);
  CHECK_FALSE(f.cancel("another"));
  CHECK(f.cancelled());
  CHECK(reason_of(f) == "the first reason");
}

TEST_CASE("future: a promise needs a loop, given or running [FUT-17]",
          "[api][future][FUT-17]") {
  CHECK_THROWS_AS(sheaf::promise<int>(), sheaf::invalid_state);

  sheaf::loop l(virtual_clock());
  CHECK_NOTHROW(sheaf::promise<int>(l));
  CHECK_THROWS_AS(sheaf::promise<int>(), sheaf::invalid_state);  // it does not run

  bool made = false;
  l.call_soon([&made] {
    const sheaf::promise<int> p;
    made = !p.done();
  });
  l.run_forever();
  CHECK(made);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("future: a pending one is destroyed in silence [FUT-18]",
          "[api][future][FUT-18]") {
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<int> p(l);
    const sheaf::future<int> f = p.get_future();
  }
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("future: one whose value nobody read is destroyed in silence [FUT-18]",
          "[api][future][FUT-18]") {
  test::counted::reset();
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<test::counted> p(l);
    p.set_value(1);
    CHECK(test::counted::alive == 1);
  }
  CHECK(test::counted::alive == 0);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("future: an exception nobody retrieved is reported once [FUT-19]",
          "[api][future][FUT-19]") {
  test::report_log reports;
  sheaf::loop l(virtual_clock());
  reports.listen(l);
  const auto e = error("lost");
  sheaf::promise<int> p(l);
  {
    const sheaf::future<int> f = p.get_future();
    const sheaf::future<int> copy = f;
    p.set_exception(e);
  }
  CHECK(reports.size() == 0);  // a handle is left
  {
    const auto last = std::move(p);
  }
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].message == "the exception of a future was never retrieved");
  CHECK(reports[0].exception == e);
}

TEST_CASE("future: result(), exception() and outcome() retrieve for all owners [FUT-20]",
          "[api][future][FUT-20]") {
  sheaf::loop l(virtual_clock());
  const auto dropped_after = [&l](auto look) {
    sheaf::promise<int> p(l);
    const sheaf::future<int> other = p.get_future();
    p.set_exception(error("seen"));
    look(p.get_future());
  };
  dropped_after([](const sheaf::future<int>& f) { CHECK_THROWS(f.result()); });
  dropped_after([](const sheaf::future<int>& f) { CHECK(f.exception()); });
  dropped_after([](const sheaf::future<int>& f) { CHECK(f.outcome().error()); });
  CHECK(l.exceptions_reported() == 0);
}

namespace {

sheaf::coro<> await_and_catch(sheaf::future<int> f) {
  try {
    co_await f;
  } catch (const std::runtime_error&) {
  }
}

}  // namespace

TEST_CASE("future: an await retrieves for all owners [FUT-20]", "[api][future][FUT-20]") {
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<int> p(l);
    const sheaf::future<int> other = p.get_future();
    auto waiting = l.create_task(await_and_catch(p.get_future()));
    p.set_exception(error("seen"));
    l.run_until_complete(waiting);
  }
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("future: done() alone retrieves nothing [FUT-20]", "[api][future][FUT-20]") {
  test::report_log reports;
  sheaf::loop l(virtual_clock());
  reports.listen(l);
  {
    sheaf::promise<int> p(l);
    const sheaf::future<int> f = p.get_future();
    p.set_exception(error("unseen"));
    CHECK(f.done());
    CHECK_FALSE(f.cancelled());
  }
  CHECK(reports.size() == 1);
}

TEST_CASE("future: cancel() on a failed one gives false and retrieves [FUT-21]",
          "[api][future][FUT-21]") {
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<int> p(l);
    const sheaf::future<int> f = p.get_future();
    p.set_exception(error("dropped on purpose"));
    CHECK_FALSE(f.cancel());
  }
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("future: the reason given to cancel() is in the error [FUT-22]",
          "[api][future][FUT-22]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  const auto line = std::source_location::current().line() + 1;
  f.cancel("not needed");
  CHECK(reason_of(f) == "not needed");
  try {
    f.exception();
    FAIL("exception() gave something");
  } catch (const sheaf::cancelled& c) {
    CHECK(c.reason() == "not needed");
    CHECK(c.at().line() == line);
    CHECK(c.by() == 0);  // no task asked
  }
}

TEST_CASE("future: without a reason the error has an empty one [FUT-22]",
          "[api][future][FUT-22]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  f.cancel();
  CHECK(reason_of(f).empty());
}

TEST_CASE("future: setting it unless it is cancelled is no error [FUT-23]",
          "[api][future][FUT-23]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const sheaf::future<int> f = p.get_future();
  f.cancel("no");
  CHECK_FALSE(p.try_set_value(1));
  CHECK_FALSE(p.try_set_exception(error("late")));
  CHECK(f.cancelled());

  sheaf::promise<int> q(l);
  CHECK(q.try_set_value(1));
  CHECK_FALSE(q.try_set_value(2));
  CHECK(q.get_future().result() == 1);

  sheaf::promise<int> r(l);
  CHECK(r.try_set_exception(error("now")));
  CHECK_THROWS_AS(r.get_future().result(), std::runtime_error);
}

TEST_CASE("future: copying a state copies value, error and cancellation [FUT-24]",
          "[api][future][FUT-24]") {
  sheaf::loop l(virtual_clock());
  const auto copied = [&l](auto settle) {
    sheaf::promise<int> from(l);
    sheaf::promise<int> to(l);
    settle(from);
    to.copy_state(from.get_future());
    return to.get_future();
  };
  const auto e = error("copied");
  CHECK(copied([](auto& p) { p.set_value(7); }).result() == 7);
  CHECK(copied([&e](auto& p) { p.set_exception(e); }).exception() == e);
  CHECK(reason_of(copied([](auto& p) { p.get_future().cancel("why"); })) == "why");
  CHECK(l.exceptions_reported() == 0);  // the error of the source is in the copy now
}

TEST_CASE("future: a state is not copied over a cancelled one [FUT-24]",
          "[api][future][FUT-24]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> from(l);
  sheaf::promise<int> to(l);
  from.set_value(7);
  const sheaf::future<int> f = to.get_future();
  f.cancel("first");
  CHECK_NOTHROW(to.copy_state(from.get_future()));
  CHECK(reason_of(f) == "first");
}

TEST_CASE("future: a pending state cannot be copied [FUT-24]", "[api][future][FUT-24]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> from(l);
  sheaf::promise<int> to(l);
  CHECK_THROWS_AS(to.copy_state(from.get_future()), sheaf::invalid_state);
  CHECK_FALSE(to.done());
}

TEST_CASE("future: copies of a handle are equal, and read one value", "[api][future]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<std::string> p(l);
  const sheaf::future<std::string> a = p.get_future();
  const sheaf::future<std::string> b = a;
  CHECK(a == b);
  CHECK_FALSE(a == sheaf::promise<std::string>(l).get_future());
  p.set_value("one");
  CHECK(&a.result() == &b.result());
}

TEST_CASE("future: one that refers to nothing says so", "[api][future]") {
  sheaf::loop l(virtual_clock());
  const sheaf::future<int> none;
  CHECK_FALSE(none.valid());
  CHECK_THROWS_AS(none.done(), sheaf::invalid_state);
  CHECK_THROWS_AS(none.result(), sheaf::invalid_state);
  CHECK_THROWS_AS(none.cancel(), sheaf::invalid_state);
  CHECK_THROWS_AS(none.add_done_callback([](const sheaf::future<int>&) {}),
                  sheaf::invalid_state);
  CHECK_THROWS_AS(none.remove_done_callback(sheaf::callback_id{1}), sheaf::invalid_state);

  sheaf::promise<int> p(l);
  sheaf::future<int> f = p.get_future();
  const sheaf::future<int> g = std::move(f);
  CHECK(g.valid());
  CHECK_FALSE(f.valid());  // NOLINT: that is the question
  CHECK_THROWS_AS(f.done(), sheaf::invalid_state);
}
