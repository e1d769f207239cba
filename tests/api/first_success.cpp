#include <sheaf/first_success.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/promise.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::boxed;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::nothing;
using test::reluctant;
using test::said;
using test::text;
using test::virtual_loop;

namespace {

/// What a group holds, in its order.
event_log said_by(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const exception_group& g) {
    event_log all;
    for (const auto& each : g.exceptions()) all.push_back(said(each));
    return all;
  } catch (...) {
    return {"no group: " + said(std::current_exception())};
  }
}

}  // namespace

TEST_CASE("first_success: passes over failures and gives the first value",
          "[api][first_success]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    auto [index, value] =
        co_await first_success(fail("a", 1ms), give(20, 3ms), give(30, 9ms), fail("d"));
    CHECK(index == 1);
    CHECK(value == 20);
    CHECK(clock.elapsed_ms() == 3);
    CHECK(all_tasks().size() == 1);
  }(l));
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("first_success: of a range, of void, of move-only and of mixed types",
          "[api][first_success]") {
  STATIC_REQUIRE(std::is_same_v<decltype(first_success(give(1), text("", 1ms))),
                                future<race_result<int, std::string>>>);
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::vector<coro<int>> coros;
    coros.push_back(fail("a"));
    coros.push_back(give(2, 2ms));
    coros.push_back(give(3, 1ms));
    const auto of_range = co_await first_success(std::move(coros));
    CHECK(of_range == race_result<int>{2, 3});
    const auto of_void = co_await first_success(nothing(2ms), nothing(1ms));
    CHECK(of_void.index == 1);
    auto of_boxes = co_await first_success(boxed(1, 1ms), boxed(2, 2ms));
    CHECK(*of_boxes.value == 1);
    const auto of_both = co_await first_success(fail("x"), text("yes", 1ms));
    CHECK(std::get<1>(of_both.value) == "yes");
  }());
}

TEST_CASE("first_success: when all fail it throws a group, in the order of time",
          "[api][first_success][R5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto how = co_await as_outcome(
        first_success(fail("a", 3ms), fail("b", 1ms), fail("c", 2ms)));
    CHECK(said_by(how.error()) == event_log{"b", "c", "a"});
    CHECK(said(how.error()).find("first_success: 3 of 3 failed") == 0);
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("first_success: one that fails alone is still a group",
          "[api][first_success]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto how = co_await as_outcome(first_success(fail("a")));
    CHECK(said_by(how.error()) == event_log{"a"});
  }());
}

TEST_CASE("first_success: a cancelled child is passed over, and is no error of the group",
          "[api][first_success]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = create_task(give(1, 9ms));
    const auto b = create_task(give(2, 9ms));
    const auto one = first_success(a, give(3, 5ms));
    const auto both = first_success(a, fail("x", 5ms));
    const auto none = first_success(a, b);
    co_await sleep(1ms);
    a.cancel("a goes");
    b.cancel("b goes");
    const auto value = co_await one;
    CHECK(value == race_result<int>{1, 3});
    const auto group = co_await as_outcome(both);
    CHECK(said_by(group.error()) == event_log{"x"});
    const auto all = co_await as_outcome(none);
    CHECK(said(all.error()) == "cancelled: b goes");
  }());
}

TEST_CASE("first_success: of values in one batch the first in time wins",
          "[api][first_success][R5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b, c;
    const auto whole = first_success(a.get_future(), b.get_future(), c.get_future());
    c.set_exception(std::make_exception_ptr(test::failure("c")));
    b.set_value(2);
    a.set_value(1);
    const auto got = co_await whole;
    CHECK(got == race_result<int>{1, 2});
  }());
}

TEST_CASE("first_success: done ones decide at the call", "[api][first_success]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> good, bad;
    good.set_value(1);
    bad.set_exception(std::make_exception_ptr(test::failure("bad")));
    const auto got = first_success(bad.get_future(), good.get_future());
    CHECK(got.done());
    CHECK(got.result().index == 1);
    const auto none = first_success(bad.get_future(), bad.get_future());
    CHECK(none.done());
    CHECK(said_by(none.exception()) == event_log{"bad", "bad"});
    co_return;
  }());
}

TEST_CASE("first_success: with limit(1) each is tried when the one before has failed",
          "[api][first_success]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto tried = [](event_log& all, std::string name, bool good) -> coro<int> {
      all.push_back(name);
      co_await sleep(2ms);
      if (!good) throw test::failure(name);
      co_return 1;
    };
    const auto got =
        co_await first_success(limit(1), tried(seen, "a", false), tried(seen, "b", true),
                               tried(seen, "c", true));
    CHECK(got.index == 1);
    CHECK(clock.elapsed_ms() == 4);

    std::vector<coro<int>> two;
    two.push_back(tried(seen, "d", false));
    two.push_back(tried(seen, "e", false));
    const auto how = co_await as_outcome(first_success(limit(1), std::move(two)));
    CHECK(said_by(how.error()) == event_log{"d", "e"});
  }(log, l));
  CHECK(log == event_log{"a", "b", "d", "e"});
}

TEST_CASE("first_success: losers are cancelled and awaited, what is kept runs on",
          "[api][first_success][R4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    auto kept = create_task(noted(seen, "kept", 30ms));
    co_await first_success(reluctant(seen, "a", 1h, 10ms), kept, give(1, 2ms));
    CHECK(clock.elapsed_ms() == 12);
    CHECK_FALSE(kept.state().watched());
    co_await kept;
  }(log, l));
  CHECK(log == event_log{"kept begins", "a has cleaned up", "kept ends"});
}

TEST_CASE("first_success: cancelled after a failure it is cancelled, not failed",
          "[api][first_success]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = first_success(fail("a", 1ms), give(1, 9ms));
    co_await sleep(3ms);
    CHECK(whole.cancel("enough"));
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: enough");
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("first_success: what fails after it was passed over is no report",
          "[api][first_success][R10]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto got = co_await first_success(give(1, 1ms), fail("same batch", 1ms));
    CHECK(got.index == 0);
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("first_success: an empty range is an argument error", "[api][first_success]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    CHECK_THROWS_AS(first_success(std::vector<coro<int>>()), std::invalid_argument);
    co_return;
  }());
}

TEST_CASE("first_success: in any order of what is ready a value comes out",
          "[api][first_success]") {
  test::for_seeds([]() -> coro<> {
    const auto got =
        co_await first_success(fail("a", 1ms), give(1, 1ms), fail("b"), give(2, 1ms));
    CHECK((got == race_result<int>{1, 1} || got == race_result<int>{3, 2}));
    const auto how = co_await as_outcome(first_success(fail("a", 1ms), fail("b", 1ms)));
    const auto all = said_by(how.error());
    CHECK((all == event_log{"a", "b"} || all == event_log{"b", "a"}));
  });
}
