#include <sheaf/gather.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::said;
using test::virtual_loop;

// ---- failure ---------------------------------------------------------------------------

TEST_CASE(
    "gather: the first failure stops the others, which are awaited, and is thrown "
    "[GATHER-5]",
    "[api][gather][GATHER-5]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto whole = gather(test::reluctant(seen, "a", 50ms, 5ms),
                              fail("b failed", 10ms), noted(seen, "c", 50ms));
    const auto how = co_await as_outcome(whole);
    seen.push_back(said(how.error()) + " at " + std::to_string(clock.elapsed_ms()));
  }(log, l));
  CHECK(log ==
        event_log{"c begins", "c is cancelled", "a has cleaned up", "b failed at 15"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("gather: leave_running gives the first failure at once [GATHER-5]",
          "[api][gather][GATHER-5]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto whole =
        gather(leave_running, noted(seen, "a", 20ms), fail("b failed", 10ms));
    const auto how = co_await as_outcome(whole);
    seen.push_back(said(how.error()) + " at " + std::to_string(clock.elapsed_ms()));
    co_await sleep(20ms);
  }(log, l));
  CHECK(log == event_log{"a begins", "b failed at 10", "a ends"});
}

TEST_CASE("gather: the exception thrown is the child's own object [GATHER-5]",
          "[api][gather][GATHER-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto child = create_task(fail("x"));
    const auto whole = gather(child, give(1));
    const auto asyncio = gather(leave_running, child, give(1));
    co_await as_outcome(whole);
    co_await as_outcome(asyncio);
    CHECK(whole.exception() == child.exception());
    CHECK(asyncio.exception() == child.exception());
  }());
}

TEST_CASE(
    "gather: the first failure is the first in time, not in the arguments [GATHER-5]",
    "[api][gather][GATHER-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = gather(fail("late", 20ms), fail("early", 10ms));
    const auto asyncio = gather(leave_running, fail("late", 20ms), fail("early", 10ms));
    const auto how = co_await as_outcome(whole);
    const auto its = co_await as_outcome(asyncio);
    CHECK(said(how.error()) == "early");
    CHECK(said(its.error()) == "early");
  }());
}

TEST_CASE("gather: siblings are told by whom and why they are cancelled [GATHER-6]",
          "[api][gather][GATHER-6]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto sibling = create_task(give(1, 50ms));
    const auto culprit = create_task(fail("x", 10ms));
    co_await as_outcome(gather(sibling, culprit));
    CHECK(sibling.cancelled());
    const auto how = sibling.outcome();
    try {
      how.value();
    } catch (const cancelled& c) {
      CHECK(c.reason() == "a sibling failed");
      CHECK(c.by() == culprit.id());
    }
  }());
}

TEST_CASE("gather: later failures stay in the handles, unreported [GATHER-6]",
          "[api][gather][GATHER-6]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    {
      const auto a = create_task(fail("a", 10ms));
      const auto b = create_task(fail("b", 10ms));
      const auto how = co_await as_outcome(gather(a, b));
      CHECK(said(how.error()) == "a");
      CHECK(said(b.exception()) == "b");
    }
    co_await as_outcome(gather(fail("a", 10ms), fail("b", 10ms)));
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("gather: leave_running lets siblings go on, their ends unreported [GATHER-6]",
          "[api][gather][GATHER-6]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    co_await as_outcome(gather(leave_running, fail("first", 10ms), noted(seen, "a", 20ms),
                               fail("later", 30ms)));
    seen.push_back("failed");
    co_await sleep(30ms);
  }(log));
  CHECK(log == event_log{"a begins", "failed", "a ends"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("gather: a child that had failed before the call fails it at once [GATHER-20]",
          "[api][gather][GATHER-20]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto failed = create_task(fail("x"));
    const auto sibling = create_task(noted(seen, "sibling", 5ms));
    co_await sleep(0ms);
    CHECK(gather(leave_running, failed, sibling).done());
    CHECK(sibling.cancelling() == 0);
    const auto structured = gather(failed, sibling);
    CHECK_FALSE(structured.done());
    CHECK(sibling.cancelling() == 1);
    const auto how = co_await as_outcome(structured);
    CHECK(said(how.error()) == "x");
  }(log));
  CHECK(log == event_log{"sibling begins", "sibling is cancelled"});
}

// ---- return_exceptions -----------------------------------------------------------------

TEST_CASE("gather: return_exceptions puts errors in their slots [GATHER-7]",
          "[api][gather][GATHER-7]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const auto [a, b, c] =
        co_await gather(return_exceptions, give(1, 30ms), fail("b", 10ms), give(3));
    CHECK(a.value() == 1);
    CHECK(said(b.error()) == "b");
    CHECK(c.value() == 3);
    CHECK(clock.elapsed_ms() == 30);
    std::vector<coro<int>> range;
    range.push_back(fail("x"));
    range.push_back(give(2));
    const auto all = co_await gather(return_exceptions, std::move(range));
    CHECK(said(all[0].error()) == "x");
    CHECK(all[1].value() == 2);
  }(l));
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "gather: return_exceptions gives a vector of outcomes for children of void "
    "[GATHER-7]",
    "[api][gather][GATHER-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::vector<coro<>> range;
    range.push_back([]() -> coro<> { co_return; }());
    range.push_back([]() -> coro<> {
      co_await sleep(0ms);
      throw test::failure("x");
    }());
    const auto all = co_await gather(return_exceptions, std::move(range));
    CHECK(all[0].has_value());
    CHECK(said(all[1].error()) == "x");
  }());
}

TEST_CASE("gather: return_exceptions puts a cancellation in its slot [GATHER-9]",
          "[api][gather][GATHER-9]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto victim = create_task(give(1, 50ms));
    const auto whole = gather(return_exceptions, victim, give(2, 20ms));
    co_await sleep(0ms);
    victim.cancel("enough");
    const auto [a, b] = co_await whole;
    CHECK(a.is_cancelled());
    CHECK(said(a.error()) == "cancelled: enough");
    CHECK(b.value() == 2);
  }());
}

// ---- a child is cancelled --------------------------------------------------------------

TEST_CASE(
    "gather: a cancelled child is a failure, the whole is not in the cancelled state "
    "[GATHER-8]",
    "[api][gather][GATHER-8]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto victim = create_task(give(1, 50ms));
    const auto whole = gather(victim, noted(seen, "sibling", 20ms));
    co_await sleep(0ms);
    victim.cancel("enough");
    const auto how = co_await as_outcome(whole);
    CHECK_FALSE(whole.cancelled());
    CHECK(said(whole.exception()) == "cancelled: enough");
    CHECK(how.is_cancelled());
  }(log));
  CHECK(log == event_log{"sibling begins", "sibling is cancelled"});
}

TEST_CASE("gather: leave_running goes on when a child is cancelled [GATHER-8]",
          "[api][gather][GATHER-8]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> a;
    const auto whole =
        gather(leave_running, a.get_future(), noted(seen, "sibling", 20ms));
    co_await sleep(0ms);
    a.get_future().cancel("enough");
    co_await as_outcome(whole);
    CHECK_FALSE(whole.cancelled());
    CHECK(said(whole.exception()) == "cancelled: enough");
    seen.push_back("whole has failed");
    co_await sleep(30ms);
  }(log));
  CHECK(log == event_log{"sibling begins", "whole has failed", "sibling ends"});
}

// ---- cancelling the whole --------------------------------------------------------------

namespace {

/// How a gather ends that is cancelled at 5 ms, and when.
template <class Future>
coro<std::string> cancelled_at_5(Future whole, virtual_loop& l) {
  co_await sleep(5ms);
  CHECK(whole.cancel("stop"));
  CHECK_FALSE(whole.done());
  const auto how = co_await as_outcome(whole);
  CHECK_FALSE(whole.cancelled());
  co_return said(how.error()) + " at " + std::to_string(l.elapsed_ms());
}

}  // namespace

TEST_CASE(
    "gather: cancel asks every unfinished child and does not end the whole [GATHER-10]",
    "[api][gather][GATHER-10]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto ended = create_task(give(1));
    const auto a = create_task(give(1, 50ms));
    const auto b = create_task(give(1, 50ms));
    const auto whole = gather(ended, a, b);
    co_await sleep(1ms);
    CHECK(whole.cancel("stop"));
    CHECK_FALSE(whole.done());
    CHECK(ended.cancelling() == 0);
    CHECK(a.cancelling() == 1);
    CHECK(b.cancelling() == 1);
    co_await as_outcome(whole);
    CHECK(a.cancelled());
    CHECK(b.cancelled());
  }());
}

TEST_CASE("gather: cancelling who awaits it cancels the children [GATHER-10]",
          "[api][gather][GATHER-10]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto parent = create_task([](event_log& s) -> coro<> {
      co_await gather(noted(s, "a", 50ms), noted(s, "b", 50ms));
    }(seen));
    co_await sleep(1ms);
    parent.cancel();
    co_await as_outcome(parent);
    CHECK(parent.cancelled());
  }(log));
  CHECK(log == event_log{"a begins", "b begins", "a is cancelled", "b is cancelled"});
}

TEST_CASE("gather: cancelled, it ends when all children have [GATHER-11]",
          "[api][gather][GATHER-11]") {
  event_log log;
  virtual_loop l;
  const auto structured = [](event_log& seen, virtual_loop& clock) -> coro<std::string> {
    co_return co_await cancelled_at_5(
        gather(give(1, 50ms), test::reluctant(seen, "a", 50ms, 10ms)), clock);
  };
  CHECK(l.run_until_complete(structured(log, l)) == "cancelled: stop at 15");
  const auto tolerant = [](event_log& seen, virtual_loop& clock) -> coro<std::string> {
    co_return co_await cancelled_at_5(
        gather(return_exceptions, give(1, 50ms), test::reluctant(seen, "b", 50ms, 10ms)),
        clock);
  };
  CHECK(l.run_until_complete(tolerant(log, l)) == "cancelled: stop at 30");
  CHECK(log == event_log{"a has cleaned up", "b has cleaned up"});
}

TEST_CASE(
    "gather: leave_running, cancelled, ends with the first child that does [GATHER-11]",
    "[api][gather][GATHER-11]") {
  event_log log;
  virtual_loop l;
  const auto body = [](event_log& seen, virtual_loop& clock) -> coro<std::string> {
    co_return co_await cancelled_at_5(
        gather(leave_running, give(1, 50ms), test::reluctant(seen, "a", 50ms, 10ms)),
        clock);
  };
  CHECK(l.run_until_complete(body(log, l)) == "cancelled: stop at 5");
  CHECK(log.empty());
  l.run_until_complete([]() -> coro<> { co_await sleep(20ms); }());
  CHECK(log == event_log{"a has cleaned up"});
}

TEST_CASE(
    "gather: a cancel that children took is not lost if all end with values [GATHER-12]",
    "[api][gather][GATHER-12]") {
  virtual_loop l;
  const auto body = [](auto policy, virtual_loop& clock) -> coro<std::string> {
    co_return co_await cancelled_at_5(
        gather(policy, test::stubborn(1, 50ms), test::stubborn(2, 50ms)), clock);
  };
  CHECK(l.run_until_complete(body(return_exceptions, l)) == "cancelled: stop at 5");
  CHECK(l.run_until_complete(body(leave_running, l)) == "cancelled: stop at 10");
  CHECK(l.run_until_complete(body(limit(2), l)) == "cancelled: stop at 15");
}

TEST_CASE("gather: cancel is refused when all children are done [GATHER-13]",
          "[api][gather][GATHER-13]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b;
    const auto whole = gather(a.get_future(), b.get_future());
    a.set_value(1);
    b.set_value(2);
    CHECK_FALSE(whole.done());
    CHECK_FALSE(whole.cancel());
    const auto got = co_await whole;
    CHECK(got == std::tuple(1, 2));
    CHECK_FALSE(whole.cancel());
    CHECK(whole.result() == std::tuple(1, 2));
  }());
}

TEST_CASE("gather: cancel of one that has failed touches no child [GATHER-13]",
          "[api][gather][GATHER-13]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto sibling = create_task(give(1, 20ms));
    const auto whole = gather(leave_running, fail("x"), sibling);
    co_await as_outcome(whole);
    CHECK_FALSE(whole.cancel());
    CHECK(sibling.cancelling() == 0);
    const int value = co_await sibling;
    CHECK(value == 1);
  }());
}

TEST_CASE(
    "gather: gives values in the order of the arguments, in whatever order they come "
    "[GATHER-2]",
    "[api][gather][GATHER-2]") {
  test::for_seeds([]() -> coro<> {
    for (const std::size_t most : {1U, 2U, 9U}) {
      std::vector<coro<int>> children;
      for (int i = 0; i < 6; ++i)
        children.push_back(give(i, std::chrono::milliseconds(i % 2)));
      const auto values = co_await gather(limit(most), std::move(children));
      CHECK(values == std::vector<int>{0, 1, 2, 3, 4, 5});
    }
  });
}

TEST_CASE(
    "gather: ends when all children have, in whatever order the one that fails comes",
    "[api][gather]") {
  test::for_seeds([]() -> coro<> {
    int ended = 0;
    const auto lingers = [](int& n) -> coro<int> {
      bool asked = false;
      try {
        co_await sleep(1ms);
      } catch (const cancelled&) {
        asked = true;
      }
      if (asked) co_await sleep(1ms);
      ++n;
      co_return 1;
    };
    std::string error;
    try {
      co_await gather(lingers(ended), fail("x", 1ms), lingers(ended), lingers(ended));
    } catch (const test::failure& e) {
      error = e.what();
    }
    CHECK(error == "x");
    CHECK(ended == 3);
  });
}
