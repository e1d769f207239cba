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

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

using namespace std::chrono_literals;
using test::counted;
using test::event_log;
using int_future = sheaf::future<int>;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

std::exception_ptr boom() { return std::make_exception_ptr(std::runtime_error("boom")); }

sheaf::coro<int> twice_later(int v) {
  co_await sheaf::sleep(1h);
  co_return 2 * v;
}

sheaf::coro<> fail_later() {
  co_await sheaf::sleep(1h);
  throw std::runtime_error("later");
}

template <class F>
using then_of = decltype(std::declval<int_future>().then(std::declval<F>()));

}  // namespace

// A future, task or coro that the continuation returns is waited for, not nested.
static_assert(std::is_same_v<then_of<std::string (*)(int)>, sheaf::future<std::string>>);
static_assert(std::is_same_v<then_of<void (*)(int)>, sheaf::future<>>);
static_assert(std::is_same_v<then_of<sheaf::coro<int> (*)(int)>, sheaf::future<int>>);
static_assert(std::is_same_v<then_of<sheaf::task<> (*)(int)>, sheaf::future<>>);
static_assert(std::is_same_v<then_of<int (*)(const int_future&)>, sheaf::future<int>>);

TEST_CASE("then: it gives a future of what the continuation returns", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto text = p.get_future().then([](int v) { return std::to_string(v); });
  l.call_soon([&p] { p.set_value(42); });
  CHECK(l.run_until_complete(text) == "42");
}

TEST_CASE("then: a chain passes values along", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto end = p.get_future()
                 .then([](int v) { return v + 1; })
                 .then([](int v) { return v * 10; })
                 .then([](const int& v) { return std::to_string(v); });
  p.set_value(1);
  CHECK(l.run_until_complete(end) == "20");
}

TEST_CASE("then: the continuation runs as a done callback, never at once",
          "[api][then]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.set_value(1);
  l.call_soon([&log] { log.push_back("before"); });
  auto end = p.get_future().then([&log](int) { log.push_back("continuation"); });
  log.push_back("then() returned");
  l.run_until_complete(end);
  CHECK(log == event_log{"then() returned", "before", "continuation"});
}

TEST_CASE("then: of void, it takes no argument", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<> p(l);
  auto end = p.get_future().then([] { return 3; });
  p.set_value();
  CHECK(l.run_until_complete(end) == 3);
}

TEST_CASE("then: an error passes by a continuation of the value", "[api][then]") {
  bool called = false;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto e = boom();
  auto end = p.get_future().then([&called](int) { called = true; }).then([&called] {
    called = true;
  });
  p.set_exception(e);
  l.run_forever();
  CHECK_FALSE(called);
  CHECK(end.exception() == e);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("then: a cancellation passes by a continuation of the value", "[api][then]") {
  bool called = false;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto end = p.get_future().then([&called](int) { called = true; });
  p.get_future().cancel("why");
  l.run_forever();
  CHECK_FALSE(called);
  REQUIRE(end.cancelled());
  try {
    end.result();
  } catch (const sheaf::cancelled& c) {
    CHECK(c.reason() == "why");
  }
}

TEST_CASE("then: a continuation of the future sees errors and cancellations",
          "[api][then]") {
  sheaf::loop l(virtual_clock());
  const auto seen = [&l](auto settle) {
    sheaf::promise<int> p(l);
    auto end = p.get_future().then([](const int_future& f) -> std::string {
      if (f.cancelled()) return "cancelled";
      return f.exception() ? "failed" : std::to_string(f.result());
    });
    settle(p);
    return l.run_until_complete(end);
  };
  CHECK(seen([](auto& p) { p.set_value(1); }) == "1");
  CHECK(seen([](auto& p) { p.set_exception(boom()); }) == "failed");
  CHECK(seen([](auto& p) { p.get_future().cancel(); }) == "cancelled");
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("then: what the continuation throws fails its future", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto end = p.get_future().then([](int) -> int { throw std::runtime_error("inside"); });
  p.set_value(1);
  CHECK_THROWS_AS(l.run_until_complete(end), std::runtime_error);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("then: a continuation that ends with `cancelled` cancels its future",
          "[api][then]") {
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<int> p(l);
    auto end = p.get_future().then([](const int_future& f) { return f.result() + 1; });
    p.get_future().cancel("passed on");
    l.run_forever();
    CHECK(end.cancelled());
    CHECK_THROWS_AS(end.result(), sheaf::cancelled);
  }
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("then: a coro that the continuation returns is waited for", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto end = p.get_future().then(twice_later).then(twice_later);
  p.set_value(3);
  CHECK(l.run_until_complete(end) == 12);
}

TEST_CASE("then: a future that the continuation returns is waited for", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  sheaf::promise<std::string> q(l);
  auto end = p.get_future().then([&q](int) { return q.get_future(); });
  p.set_value(3);
  l.run_forever();
  CHECK_FALSE(end.done());
  q.set_value("inner");
  CHECK(l.run_until_complete(end) == "inner");
}

TEST_CASE("then: the error of what the continuation returned is passed on",
          "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<> p(l);
  auto end = p.get_future().then(fail_later);
  p.set_value();
  CHECK_THROWS_AS(l.run_until_complete(end), std::runtime_error);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "then: cancelling its future leaves the source alone and the continuation uncalled",
    "[api][then]") {
  bool called = false;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto end = p.get_future().then([&called](int) { called = true; });
  CHECK(end.cancel());
  CHECK_FALSE(p.done());
  p.set_value(1);
  l.run_forever();
  CHECK_FALSE(called);
  CHECK(end.cancelled());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("then: an error that arrives for a cancelled future is not lost",
          "[api][then]") {
  test::report_log reports;
  sheaf::loop l(virtual_clock());
  reports.listen(l);
  sheaf::promise<> p(l);
  auto end = p.get_future().then(fail_later);
  p.set_value();
  l.call_later(1min, [&end] { end.cancel(); });
  l.run_forever();
  CHECK(end.cancelled());
  CHECK(reports.messages() == event_log{"the exception of a task was never retrieved"});
}

TEST_CASE("then: a source that can never settle breaks its future", "[api][then]") {
  sheaf::loop l(virtual_clock());
  auto p = std::make_unique<sheaf::promise<int>>(l);
  auto end = p->get_future().then([](int v) { return v; });
  p.reset();
  l.run_forever();
  REQUIRE(end.done());
  CHECK_THROWS_AS(end.result(), sheaf::broken_promise);
}

TEST_CASE("then: an error nobody retrieves at the end of a chain is reported once",
          "[api][then]") {
  test::report_log reports;
  sheaf::loop l(virtual_clock());
  reports.listen(l);
  {
    sheaf::promise<int> p(l);
    static_cast<void>(
        p.get_future().then([](int v) { return v; }).then([](int v) { return v; }));
    p.set_exception(boom());
  }
  l.run_forever();
  CHECK(reports.size() == 1);
}

TEST_CASE("then: the value is lent to the continuation, not copied", "[api][then]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<counted> p(l);
    auto end = p.get_future().then([](const counted& c) { return c.value; });
    p.set_value(9);
    CHECK(l.run_until_complete(end) == 9);
  }
  CHECK(counted::copies == 0);
  CHECK(counted::alive == 0);
}

TEST_CASE("then: the continuation is moved in and dies when it has run", "[api][then]") {
  counted::reset();
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  auto end = p.get_future().then([c = counted(1)](int v) { return v + c.value; });
  CHECK(counted::alive == 1);
  CHECK(counted::copies == 0);
  p.set_value(1);
  CHECK(l.run_until_complete(end) == 2);
  CHECK(counted::alive == 0);
}

TEST_CASE("then: after the loop is closed it is an error", "[api][then]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  l.close();
  CHECK_THROWS_AS(p.get_future().then([](int v) { return v; }), sheaf::invalid_state);
}
