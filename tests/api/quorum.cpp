#include <sheaf/quorum.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/promise.hpp>

#include <algorithm>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::reluctant;
using test::said;
using test::virtual_loop;

namespace {

using votes = std::vector<race_result<int>>;
using test::boxed;
using test::nothing;
using test::text;

std::vector<coro<int>> reads() {
  std::vector<coro<int>> all;
  all.push_back(give(10, 5ms));
  all.push_back(fail("b", 1ms));
  all.push_back(give(30, 2ms));
  all.push_back(give(40, 9ms));
  return all;
}

std::size_t errors_in(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const exception_group& g) {
    return g.exceptions().size();
  } catch (...) {
    return 0;
  }
}

}  // namespace

TEST_CASE("quorum: gives k values with their indices, in the order in which they came",
          "[api][quorum]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto got = co_await quorum(2, reads());
    CHECK(got == votes{{2, 30}, {0, 10}});
    CHECK(clock.elapsed_ms() == 5);
    CHECK(all_tasks().size() == 1);
    const auto pack = co_await quorum(1, noted(seen, "a", 9ms), give(1, 1ms));
    CHECK(pack == votes{{1, 1}});
  }(log, l));
  CHECK(log == event_log{"a begins", "a is cancelled"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("quorum: of void, of move-only and of mixed types", "[api][quorum]") {
  STATIC_REQUIRE(
      std::is_same_v<decltype(quorum(1, give(1), text("", 1ms))),
                     future<std::vector<indexed<std::variant<int, std::string>>>>>);
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto voids = co_await quorum(2, nothing(3ms), nothing(1ms), nothing(2ms));
    CHECK(voids.size() == 2);
    CHECK(voids[0].index == 1);
    CHECK(voids[1].index == 2);
    auto boxes = co_await quorum(2, boxed(1, 2ms), boxed(2, 1ms));
    CHECK(*boxes[0].value == 2);
    CHECK(*boxes[1].value == 1);
    const auto both = co_await quorum(2, text("t", 1ms), give(1, 2ms));
    CHECK(std::get<0>(both[0].value) == "t");
    CHECK(std::get<1>(both[1].value) == 1);
  }());
}

TEST_CASE("quorum: fails as soon as k is out of reach, and not before", "[api][quorum]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto how = co_await as_outcome(
        quorum(2, fail("a", 3ms), fail("b", 1ms), noted(seen, "c", 9ms), fail("d", 9ms)));
    // b at 1 ms left three for two values, a at 3 ms two.
    CHECK(clock.elapsed_ms() == 9);
    CHECK(errors_in(how.error()) == 3);
    const auto all =
        co_await as_outcome(quorum(2, fail("x", 1ms), noted(seen, "y", 50ms)));
    CHECK(clock.elapsed_ms() == 10);
    CHECK(errors_in(all.error()) == 1);
    CHECK(said(all.error()).find("quorum: 1 of 2 failed") == 0);
  }(log, l));
  CHECK(log == event_log{"c begins", "c ends", "y begins", "y is cancelled"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("quorum: of all is all, of more or of none an argument error",
          "[api][quorum]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto all = co_await quorum(2, give(1, 2ms), give(2, 1ms));
    CHECK(all == votes{{1, 2}, {0, 1}});
    CHECK_THROWS_AS(quorum(0, give(1)), std::invalid_argument);
    CHECK_THROWS_AS(quorum(2, give(1)), std::invalid_argument);
    CHECK_THROWS_AS(quorum(0, reads()), std::invalid_argument);
    CHECK_THROWS_AS(quorum(5, reads()), std::invalid_argument);
    CHECK_THROWS_AS(quorum(1, std::vector<coro<int>>()), std::invalid_argument);
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("quorum: of more values in one batch it takes the first k", "[api][quorum]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b, c;
    const auto whole = quorum(2, a.get_future(), b.get_future(), c.get_future());
    c.set_value(3);
    a.set_value(1);
    b.set_value(2);
    const auto got = co_await whole;
    CHECK(got == votes{{2, 3}, {0, 1}});
  }());
}

TEST_CASE("quorum: done ones count at the call, the same twice counts twice",
          "[api][quorum]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> p;
    p.set_value(7);
    const auto f = p.get_future();
    const auto got = co_await quorum(2, f, noted(seen, "a", 1ms), f);
    CHECK(got == votes{{0, 7}, {2, 7}});
  }(log));
  CHECK(log.empty());
}

TEST_CASE("quorum: under a limit a failure makes room for the next", "[api][quorum]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto got =
        co_await quorum(2, limit(2), fail("a", 1ms), noted(seen, "b", 3ms, 2),
                        noted(seen, "c", 1ms, 3), noted(seen, "d", 1ms, 4));
    CHECK(got.size() == 2);
    std::vector<coro<int>> all;
    all.push_back(give(1, 1ms));
    all.push_back(give(2, 1ms));
    const auto one_by_one = co_await quorum(2, limit(1), std::move(all));
    CHECK(one_by_one == votes{{0, 1}, {1, 2}});
  }(log));
  CHECK(log[0] == "b begins");
  CHECK(log[1] == "c begins");
}

TEST_CASE("quorum: losers are cancelled and awaited, what is kept is let go",
          "[api][quorum][R4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto kept = create_task(give(1, 50ms));
    const auto got =
        co_await quorum(1, reluctant(seen, "a", 1h, 10ms), kept, give(3, 2ms));
    CHECK(got == votes{{2, 3}});
    CHECK(clock.elapsed_ms() == 12);
    CHECK_FALSE(kept.done());
    CHECK_FALSE(kept.state().watched());
    kept.cancel();
  }(log, l));
  CHECK(log == event_log{"a has cleaned up"});
}

TEST_CASE("quorum: cancelled, it ends cancelled when its own have ended",
          "[api][quorum]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto whole =
        quorum(2, give(1, 1ms), fail("b", 1ms), reluctant(seen, "c", 1h, 10ms));
    co_await sleep(3ms);
    CHECK(whole.cancel("enough"));
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: enough");
    CHECK(clock.elapsed_ms() == 13);
  }(log, l));
  CHECK(log == event_log{"c has cleaned up"});
}

TEST_CASE("quorum: of a hundred thousand", "[api][quorum]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    constexpr std::size_t n = 100'000;
    std::vector<coro<int>> all;
    for (std::size_t i = 0; i < n; ++i)
      all.push_back(give(1, std::chrono::milliseconds(n - i)));
    const auto got = co_await quorum(n / 2 + 1, std::move(all));
    CHECK(got.size() == n / 2 + 1);
    CHECK(got.front().index == n - 1);
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("quorum: in any order of what is ready k come out", "[api][quorum]") {
  test::for_seeds([]() -> coro<> {
    auto got =
        co_await quorum(2, give(0, 1ms), fail("b", 1ms), give(2, 1ms), give(3, 1ms));
    CHECK(got.size() == 2);
    for (const auto& [index, value] : got) CHECK(static_cast<int>(index) == value);
    CHECK(got[0].index != got[1].index);
  });
}
