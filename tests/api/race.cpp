#include <sheaf/race.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/shield.hpp>

#include <list>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::reluctant;
using test::said;
using test::stubborn;
using test::virtual_loop;

namespace {

coro<int> fails_to_stop(std::chrono::milliseconds d) {
  try {
    co_await sleep(d);
  } catch (const cancelled&) {
    throw test::failure("while it stopped");
  }
  co_return 0;
}

template <class T>
using awaited = typename T::value_type;
using test::boxed;
using test::nothing;
using test::text;

std::vector<task<int>> two_tasks() {
  std::vector<task<int>> all;
  all.push_back(create_task(give(1, 1ms)));
  all.push_back(create_task(give(2, 9ms)));
  return all;
}

template <class... Args>
concept raceable = requires(Args&&... args) { race(std::forward<Args>(args)...); };

}  // namespace

// ---- the result ------------------------------------------------------------------------

TEST_CASE("race: the types of its results", "[api][race]") {
  using one_type = decltype(race(give(1), give(2)));
  using mixed = decltype(race(give(1), nothing(1ms), give(2), text("", 1ms)));
  using voids = decltype(race(nothing(1ms), nothing(1ms)));
  using of_range = decltype(race(std::vector<coro<int>>()));
  using of_voids = decltype(race(std::vector<coro<>>()));
  STATIC_REQUIRE(std::is_same_v<awaited<one_type>, race_result<int>>);
  STATIC_REQUIRE(std::is_same_v<awaited<one_type>, indexed<int>>);
  STATIC_REQUIRE(
      std::is_same_v<awaited<mixed>,
                     indexed<std::variant<int, std::monostate, int, std::string>>>);
  STATIC_REQUIRE(std::is_same_v<awaited<voids>, indexed<std::monostate>>);
  STATIC_REQUIRE(std::is_same_v<awaited<of_range>, indexed<int>>);
  STATIC_REQUIRE(std::is_same_v<awaited<of_voids>, indexed<std::monostate>>);
}

TEST_CASE("race: takes what can be awaited, at least one, and nothing else",
          "[api][race]") {
  STATIC_REQUIRE(raceable<coro<int>, task<int>&, const future<int>&, coro<>>);
  STATIC_REQUIRE(raceable<std::vector<coro<int>>>);
  STATIC_REQUIRE(raceable<std::vector<task<int>>&>);
  STATIC_REQUIRE_FALSE(raceable<>);
  STATIC_REQUIRE_FALSE(raceable<int>);
  STATIC_REQUIRE_FALSE(raceable<coro<int>&>);
  STATIC_REQUIRE_FALSE(raceable<std::vector<coro<int>>&>);
}

TEST_CASE("race: gives the value of the first that settles, and its index",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    auto [index, value] = co_await race(give(10, 3ms), give(20, 1ms), give(30, 2ms));
    CHECK(index == 1);
    CHECK(value == 20);
    CHECK(clock.elapsed_ms() == 1);
  }(l));
}

TEST_CASE("race: of different types gives a variant by position", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = co_await race(text("a", 9ms), give(7, 1ms), nothing(5ms));
    CHECK(a.index == 1);
    CHECK(a.value.index() == 1);
    CHECK(std::get<1>(a.value) == 7);
    const auto b = co_await race(text("a", 9ms), give(7, 8ms), nothing(5ms));
    CHECK(b.index == 2);
    CHECK(std::holds_alternative<std::monostate>(b.value));
  }());
}

TEST_CASE("race: of a range, of whatever kind", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::list<coro<int>> coros;
    for (const int i : {3, 1, 2}) coros.push_back(give(i, i * 1ms));
    const auto got = co_await race(std::move(coros));
    CHECK(got == race_result<int>{1, 1});

    std::vector<coro<>> voids;
    voids.push_back(nothing(2ms));
    voids.push_back(nothing(1ms));
    const auto first = co_await race(std::move(voids));
    CHECK(first.index == 1);

    auto tasks = two_tasks();
    const auto even = [n = 0](const task<int>&) mutable { return n++ % 2 == 0; };
    const auto some = co_await race(tasks | std::views::filter(even));
    CHECK(some.value == 1);
  }());
}

TEST_CASE("race: of move-only values moves the winner's", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto [index, value] = co_await race(boxed(1, 2ms), boxed(2, 1ms));
    CHECK(index == 1);
    CHECK(*value == 2);
    auto mixed = co_await race(boxed(1, 1ms), give(2, 2ms));
    CHECK(*std::get<0>(mixed.value) == 1);
  }());
}

TEST_CASE("race: copies no value that it was handed alone", "[api][race]") {
  using test::counted;
  counted::reset();
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = [](int v, std::chrono::milliseconds d) -> coro<counted> {
      co_await sleep(d);
      co_return counted(v);
    };
    const auto got = co_await race(make(1, 1ms), make(2, 2ms));
    CHECK(got.value.value == 1);
  }());
  CHECK(counted::copies == 0);
  CHECK(counted::alive == 0);
}

TEST_CASE("race: an empty range is an argument error", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    CHECK_THROWS_AS(race(std::vector<coro<int>>()), std::invalid_argument);
    std::vector<task<int>> none;
    CHECK_THROWS_AS(race(none), std::invalid_argument);
    co_return;
  }());
}

TEST_CASE("race: needs a loop, and one for all", "[api][race]") {
  CHECK_THROWS_AS(race(give(1), give(2)), invalid_state);
  virtual_loop l, other;
  promise<int> ours(l), there(other);
  CHECK_THROWS_AS(race(ours.get_future(), there.get_future()), std::invalid_argument);
  event_log log;
  l.run_until_complete([](event_log& seen, future<int> foreign) -> coro<> {
    promise<int> here;
    CHECK_THROWS_AS(race(noted(seen, "a", 1ms), here.get_future(), foreign),
                    std::invalid_argument);
    CHECK(all_tasks().size() == 1);
    co_await sleep(2ms);
  }(log, there.get_future()));
  CHECK(log.empty());  // what was made before the refusal does not run
}

// ---- who wins --------------------------------------------------------------------------

TEST_CASE("race: an error that comes first is thrown", "[api][race][R5]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto how = co_await as_outcome(race(noted(seen, "a", 9ms), fail("x", 1ms)));
    CHECK(said(how.error()) == "x");
    CHECK(all_tasks().size() == 1);
  }(log));
  CHECK(log == event_log{"a begins", "a is cancelled"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("race: a cancellation that comes first is thrown, the race is not cancelled",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = create_task(give(1, 9ms));
    const auto whole = race(a, give(2, 9ms));
    co_await sleep(1ms);
    a.cancel("by hand");
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: by hand");
    CHECK_FALSE(whole.cancelled());
  }());
}

TEST_CASE("race: of two in one batch the first in time wins", "[api][race][R5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b, c;
    const auto whole = race(a.get_future(), b.get_future(), c.get_future());
    b.set_exception(std::make_exception_ptr(test::failure("b")));
    a.set_value(1);
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "b");

    promise<int> d, e;
    const auto other = race(d.get_future(), e.get_future());
    e.set_value(5);
    d.set_exception(std::make_exception_ptr(test::failure("d")));
    const auto won = co_await other;
    CHECK(won == race_result<int>{1, 5});
  }());
}

TEST_CASE("race: one that is done at the call wins, and no coro runs", "[api][race]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> p;
    p.set_value(7);
    const auto got = co_await race(noted(seen, "a", 1ms), p.get_future());
    CHECK(got == race_result<int>{1, 7});
    CHECK(all_tasks().size() == 1);
    const std::vector<future<int>> done{p.get_future(), p.get_future()};
    const auto all = race(done);
    CHECK(all.done());  // nothing had to be stopped
    CHECK(all.result().index == 0);
  }(log));
  CHECK(log.empty());
}

TEST_CASE("race: the same future twice counts as its first place", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto f = p.get_future();
    const auto whole = race(give(1, 9ms), f, f);
    p.set_value(3);
    const auto got = co_await whole;
    CHECK(got == race_result<int>{1, 3});
    CHECK_FALSE(f.state().watched());
  }());
}

// ---- the losers ------------------------------------------------------------------------

TEST_CASE("race: losers are cancelled and awaited before it returns", "[api][race][R4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto got = co_await race(reluctant(seen, "a", 50ms, 20ms), give(1, 5ms));
    CHECK(got.index == 1);
    CHECK(clock.elapsed_ms() == 25);
    CHECK(all_tasks().size() == 1);
  }(log, l));
  CHECK(log == event_log{"a has cleaned up"});
}

TEST_CASE("race: a loser is told who was first", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto winner = create_task(give(1, 1ms));
    const auto asked = [](std::string& why, std::uint64_t& by) -> coro<int> {
      try {
        co_await sleep(1h);
      } catch (const cancelled& c) {
        why = c.reason();
        by = c.by();
        throw;
      }
      co_return 0;
    };
    std::string why;
    std::uint64_t by = 0;
    co_await race(asked(why, by), winner);
    CHECK(why == "a sibling was first");
    CHECK(by == winner.id());
  }());
}

TEST_CASE("race: a loser that goes on regardless is waited for and its value dropped",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto got = co_await race(stubborn(1, 50ms), give(2, 1ms));
    CHECK(got == race_result<int>{1, 2});
  }());
}

TEST_CASE("race: tasks handed over are cancelled and awaited, tasks kept run on",
          "[api][race]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto kept = create_task(noted(seen, "kept", 9ms, 1));
    auto given = create_task(noted(seen, "given", 9ms, 2));
    const auto watch = given;
    const auto got = co_await race(kept, std::move(given), give(3, 1ms));
    CHECK(got.index == 2);
    CHECK(watch.cancelled());
    CHECK_FALSE(kept.done());
    CHECK(kept.cancelling() == 0);
    CHECK_FALSE(kept.state().watched());
    const int value = co_await kept;
    CHECK(value == 1);
  }(log));
  CHECK(log ==
        event_log{"kept begins", "given begins", "given is cancelled", "kept ends"});
}

TEST_CASE("race: a range of tasks is kept as an lvalue, and handed over as an rvalue",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto kept = two_tasks();
    co_await race(kept);
    CHECK_FALSE(kept[1].done());

    const auto given = two_tasks();
    auto copies = given;
    co_await race(std::move(copies));
    CHECK(given[1].cancelled());

    // A view owns nothing, and here its size is not known.
    auto again = two_tasks();
    co_await race(again | std::views::filter([](const auto&) { return true; }));
    CHECK_FALSE(again[1].done());
    const auto same = [](const task<int>& t) { return t; };
    co_await race(again | std::views::transform(same));  // handles made for the call
    CHECK(again[1].cancelled());
  }());
}

TEST_CASE("race: the future of a promise is let go, however it was given",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<> stop;
    for (int i = 0; i < 3; ++i) co_await race(stop.get_future(), give(1, 1ms));
    CHECK_FALSE(stop.done());
    stop.set_value();
    const auto got = co_await race(give(1, 1ms), stop.get_future());
    CHECK(got.index == 1);
  }());
}

TEST_CASE("race: a gather and a shield that were handed over are ended", "[api][race]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    co_await race(gather(noted(seen, "a", 9ms), noted(seen, "b", 9ms)), give(1, 1ms));
    CHECK(all_tasks().size() == 1);
    auto inner = create_task(noted(seen, "c", 9ms));
    co_await race(shield(inner), give(1, 1ms));
    CHECK_FALSE(inner.state().watched());
    const int value = co_await inner;
    CHECK(value == 0);
  }(log));
  CHECK(log == event_log{"a begins", "b begins", "a is cancelled", "b is cancelled",
                         "c begins", "c ends"});
}

TEST_CASE("race: an error that a loser throws when it is told to stop is reported once",
          "[api][race][R10]") {
  test::report_log reports;
  virtual_loop l;
  reports.listen(l);
  l.run_until_complete([]() -> coro<> {
    const auto got = co_await race(fails_to_stop(9ms), give(1, 1ms));
    CHECK(got.index == 1);
  }());
  REQUIRE(reports.size() == 1);
  CHECK(said(reports[0].exception) == "while it stopped");
}

TEST_CASE("race: how a loser ended by itself, in the winner's batch, does not matter",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto got = co_await race(give(1, 1ms), fail("x", 1ms));
    CHECK(got.index == 0);
  }());
  CHECK(l.exceptions_reported() == 0);
}

// ---- cancelling it ---------------------------------------------------------------------

TEST_CASE(
    "race: cancelled, it cancels and awaits what is its own and lets go of the rest",
    "[api][race]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    auto kept = create_task(give(1, 30ms));
    const auto whole = race(reluctant(seen, "a", 50ms, 10ms), kept);
    co_await sleep(1ms);
    CHECK(whole.cancel("enough"));
    CHECK_FALSE(whole.done());
    CHECK_FALSE(kept.state().watched());
    const auto how = co_await as_outcome(whole);
    CHECK_FALSE(whole.cancelled());  // it failed, with a cancellation, as gather does
    CHECK(said(how.error()) == "cancelled: as asked");
    CHECK(clock.elapsed_ms() == 11);
    CHECK(kept.cancelling() == 0);
    co_await kept;
  }(log, l));
  CHECK(log == event_log{"a has cleaned up"});
}

TEST_CASE("race: of futures that are all kept ends at once when it is cancelled",
          "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b;
    const auto whole = race(a.get_future(), b.get_future());
    CHECK(whole.cancel("enough"));
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: enough");
    CHECK_FALSE(a.done());
    CHECK_FALSE(b.done());
  }());
}

TEST_CASE("race: cancelled while its losers clean up, it ends cancelled when they have",
          "[api][race]") {
  virtual_loop l;
  const auto cleanup = [](bool& ended) -> coro<int> {
    bool asked = false;
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      asked = true;
    }
    while (asked) {
      try {
        co_await sleep(20ms);
        asked = false;
      } catch (const cancelled&) {  // asked again: it still needs its time
      }
    }
    ended = true;
    co_return 0;
  };
  bool ended = false;
  const auto body = [](coro<int> slow) -> coro<int> {
    const auto got = co_await race(std::move(slow), give(1, 1ms));
    co_return got.value;
  };
  const auto t = l.create_task(body(cleanup(ended)));
  l.run_until_complete([](task<int> race_in, bool& has_ended) -> coro<> {
    co_await sleep(5ms);
    CHECK(race_in.cancel("stop"));
    CHECK_FALSE(race_in.done());
    const auto how = co_await as_outcome(race_in);
    CHECK(said(how.error()) == "cancelled: stop");
    CHECK(has_ended);
  }(t, ended));
  CHECK(l.elapsed_ms() == 25);
}

TEST_CASE("race: cancel after everything is over is refused", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto whole = race(give(1, 1ms), give(2, 2ms));
    co_await whole;
    CHECK_FALSE(whole.cancel());
    CHECK(whole.result().value == 1);
  }());
}

TEST_CASE("race: dropped without being awaited it runs to its end", "[api][race]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    static_cast<void>(race(noted(seen, "a", 1ms), noted(seen, "b", 9ms)));
    co_await sleep(20ms);
  }(log));
  CHECK(log == event_log{"a begins", "b begins", "a ends", "b is cancelled"});
}

// ---- at scale, and in any order ----------------------------------------------------------

TEST_CASE("race: of a hundred thousand leaves one task", "[api][race]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::vector<coro<int>> all;
    constexpr int n = 100'000;
    for (int i = 0; i < n; ++i) all.push_back(give(i, (n - i) * 1ms));
    const auto got = co_await race(std::move(all));
    CHECK(got.index == n - 1);
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("race: in any order of what is ready one wins and all end", "[api][race]") {
  test::for_seeds([]() -> coro<> {
    int alive = 0;
    const auto child = [](int& count, int i) -> coro<int> {
      ++count;
      const struct guard {
        int& n;
        ~guard() { --n; }
      } leave{count};
      co_await sleep(1ms);
      co_return i;
    };
    const auto got = co_await race(child(alive, 0), child(alive, 1), child(alive, 2));
    CHECK(got.value == static_cast<int>(got.index));
    CHECK(alive == 0);
  });
}
