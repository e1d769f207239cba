#include <sheaf/map.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/context_var.hpp>
#include <sheaf/promise.hpp>

#include <algorithm>
#include <forward_list>
#include <numeric>
#include <sstream>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::noted;
using test::reluctant;
using test::said;
using test::virtual_loop;

namespace {

coro<int> doubled(int i) {
  co_await sleep((i * 7 % 13) * 1ms);
  co_return 2 * i;
}

coro<int> fails_at(int i, int bad) {
  co_await sleep(1ms);
  if (i == bad) throw test::failure("at " + std::to_string(i));
  co_return i;
}

/// How many live at a time.
struct crowd {
  int now = 0;
  int most = 0;
  int made = 0;
};

coro<int> member(int i, crowd* c) {
  const struct presence {
    crowd& in;
    explicit presence(crowd& all) : in(all) {
      in.most = std::max(in.most, ++in.now);
      ++in.made;
    }
    ~presence() { --in.now; }
  } here(*c);
  co_await sleep((i % 5) * 1ms);
  co_return i;
}

std::vector<int> up_to(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

TEST_CASE("map: the types of its results", "[api][map]") {
  const auto work = [](int) -> coro<> { co_return; };
  const std::vector<int> v;
  STATIC_REQUIRE(std::is_same_v<decltype(map(v, doubled)), future<std::vector<int>>>);
  STATIC_REQUIRE(std::is_same_v<decltype(map(v, work, limit(2))), future<void>>);
  STATIC_REQUIRE(std::is_same_v<decltype(map(return_exceptions, v, doubled, limit(2))),
                                future<std::vector<outcome<int>>>>);
  STATIC_REQUIRE(std::is_same_v<decltype(map(return_exceptions, v, work)),
                                future<std::vector<outcome<void>>>>);
}

TEST_CASE("map: results are in the order of the elements", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto in = up_to(100);
    std::vector<int> expected;
    for (const int i : in) expected.push_back(2 * i);
    const auto unlimited = co_await map(in, doubled);
    CHECK(unlimited == expected);
    for (const std::size_t n : {1U, 2U, 8U, 100U, 1000U}) {
      const auto limited = co_await map(in, doubled, limit(n));
      CHECK(limited == expected);
    }
  }());
}

TEST_CASE("map: at most n coros exist at a time, and n do", "[api][map]") {
  virtual_loop l;
  crowd c;
  l.run_until_complete([](crowd* all) -> coro<> {
    const auto in = up_to(1000);
    const auto out = co_await map(in, member, limit(8), all);
    CHECK(out == in);
    CHECK(all_tasks().size() == 1);
  }(&c));
  CHECK(c.most == 8);
  CHECK(c.made == 1000);
  CHECK(c.now == 0);
}

TEST_CASE("map: makes the first n at the call and the next when one has ended",
          "[api][map]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto fn = [](int i, event_log* to) -> coro<int> {
      to->push_back("made " + std::to_string(i));
      return noted(*to, std::to_string(i), 1ms);
    };
    const auto in = up_to(3);
    const auto whole = map(in, fn, limit(2), &seen);
    seen.push_back("called");
    co_await whole;
  }(log));
  CHECK(log == event_log{"made 0", "made 1", "called", "0 begins", "1 begins", "0 ends",
                         "1 ends", "made 2", "2 begins", "2 ends"});
}

TEST_CASE("map: of nothing is done with nothing", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto none = map(std::vector<int>(), doubled, limit(3));
    CHECK(none.done());
    CHECK(none.result().empty());
    std::istringstream empty;
    const auto read = map(std::views::istream<int>(empty), doubled, limit(3));
    CHECK(read.done());
    const auto got = co_await read;
    CHECK(got.empty());
  }());
}

TEST_CASE("map: ranges that are read once, generated, or not sized", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::istringstream text("1 2 3 4 5");
    const auto once = co_await map(std::views::istream<int>(text), doubled, limit(2));
    CHECK(once == std::vector<int>{2, 4, 6, 8, 10});
    const auto counted = co_await map(std::views::iota(1, 4), doubled, limit(2));
    CHECK(counted == std::vector<int>{2, 4, 6});
    const auto endless =
        co_await map(std::views::iota(1) | std::views::take(3), doubled, limit(2));
    CHECK(endless == std::vector<int>{2, 4, 6});
    const std::forward_list<int> list{1, 2, 3};
    const auto all = co_await map(list, doubled);
    CHECK(all == std::vector<int>{2, 4, 6});
    const std::vector<bool> bits{true, false};
    const auto from_bit = [](bool b) { return give(b ? 1 : 0); };
    const auto proxies = co_await map(bits, from_bit, limit(1));
    CHECK(proxies == std::vector<int>{1, 0});
  }());
}

TEST_CASE("map: void gives nothing, and move-only values are moved", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::vector<int> seen;
    const auto note = [](int i, std::vector<int>* to) -> coro<> {
      co_await sleep(1ms);
      to->push_back(i);
    };
    const auto in = up_to(4);
    co_await map(in, note, limit(2), &seen);
    CHECK(seen == in);
    const auto box = [](int i) -> coro<std::unique_ptr<int>> {
      co_await sleep((5 - i) * 1ms);
      co_return std::make_unique<int>(i);
    };
    const auto boxes = co_await map(in, box, limit(2));
    REQUIRE(boxes.size() == 4);
    CHECK(*boxes[3] == 3);
  }());
}

TEST_CASE("map: a container given as an rvalue is moved in, and its elements out",
          "[api][map]") {
  using test::counted;
  counted::reset();
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto take = [](counted c) -> coro<int> {
      co_await sleep(1ms);
      co_return c.value;
    };
    future<std::vector<int>> whole;
    {
      std::vector<counted> in;
      in.reserve(3);
      for (int i = 0; i < 3; ++i) in.emplace_back(i);
      whole = map(std::move(in), take, limit(1));
    }
    const auto got = co_await whole;
    CHECK(got == std::vector<int>{0, 1, 2});
    CHECK(counted::alive == 0);  // though the future is kept
  }());
  CHECK(counted::copies == 0);
}

TEST_CASE("map: what a child takes by reference lives until the child has ended",
          "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto by_reference = [](const std::string& s,
                                 const std::string& t) -> coro<int> {
      co_await sleep(static_cast<int>(s.size()) * 1ms);
      co_return static_cast<int>(s.size() + t.size());
    };
    // Elements made as they are read, an argument that is gone, and a container moved in.
    const auto grown = [](int i) {
      return std::string(static_cast<std::size_t>(i), 'x');
    };
    const auto of_view = map(std::views::iota(20, 30) | std::views::transform(grown),
                             by_reference, limit(3), std::string(50, 'y'));
    std::vector<std::string> words{std::string(20, 'a'), std::string(30, 'b')};
    const auto of_words =
        map(std::move(words), by_reference, limit(2), std::string(50, 'y'));
    const auto a = co_await of_view;
    CHECK(a.front() == 70);
    CHECK(a.back() == 79);
    const auto b = co_await of_words;
    CHECK(b == std::vector<int>{70, 80});
  }());
}

TEST_CASE("map: fn may give tasks and futures", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto as_task = [](int i) { return create_task(doubled(i)); };
    const auto got = co_await map(up_to(5), as_task, limit(2));
    CHECK(got == std::vector<int>{0, 2, 4, 6, 8});
    const auto ready = [](int i) {
      promise<int> p;
      p.set_value(i);
      return p.get_future();
    };
    const auto all = co_await map(up_to(1000), ready, limit(2));
    CHECK(all == up_to(1000));
  }());
}

// ---- failure ---------------------------------------------------------------------------

TEST_CASE("map: the first failure ends the making, cancels and awaits the others",
          "[api][map][R4][R5]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto fn = [](int i, event_log* to) -> coro<int> {
      to->push_back("made " + std::to_string(i));
      if (i == 1) return fails_at(i, i);
      return reluctant(*to, std::to_string(i), 1h, 10ms);
    };
    const auto how = co_await as_outcome(map(up_to(9), fn, limit(2), &seen));
    CHECK(said(how.error()) == "at 1");
    CHECK(clock.elapsed_ms() == 11);
    CHECK(all_tasks().size() == 1);
  }(log, l));
  CHECK(log == event_log{"made 0", "made 1", "0 has cleaned up"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("map: with return_exceptions all are made and each is an outcome",
          "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto got = co_await map(return_exceptions, up_to(5), fails_at, limit(2), 3);
    REQUIRE(got.size() == 5);
    CHECK(got[2].value() == 2);
    CHECK(said(got[3].error()) == "at 3");
    CHECK(got[4].value() == 4);
    const auto none = [](int) -> coro<> {
      throw test::failure("no");
      co_return;
    };
    const auto voids = co_await map(return_exceptions, up_to(2), none);
    CHECK(said(voids[1].error()) == "no");
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("map: fn itself may throw, as its child might", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto fn = [](int i) -> coro<int> {
      if (i == 2) throw test::failure("no child for 2");
      return give(i, 1ms);
    };
    const auto whole = map(up_to(5), fn, limit(2));
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "no child for 2");
    const auto outcomes = co_await map(return_exceptions, up_to(5), fn, limit(2));
    CHECK(said(outcomes[2].error()) == "no child for 2");
    CHECK(outcomes[4].value() == 4);
  }());
}

TEST_CASE("map: a range that throws while it is read fails the whole", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto checked = [](int i) {
      if (i == 3) throw test::failure("unreadable");
      return true;
    };
    const auto in = up_to(9);
    const auto how = co_await as_outcome(
        map(return_exceptions, in | std::views::filter(checked) | std::views::take(9),
            doubled, limit(2)));
    CHECK(said(how.error()) == "unreadable");
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("map: cancelled, it makes no more and ends when its children have",
          "[api][map]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto fn = [](int i, event_log* to) {
      return reluctant(*to, std::to_string(i), 1h, 10ms);
    };
    const auto whole = map(up_to(9), fn, limit(2), &seen);
    co_await sleep(5ms);
    CHECK(whole.cancel("enough"));
    CHECK_FALSE(whole.done());
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: as asked");
    CHECK(clock.elapsed_ms() == 15);
  }(log, l));
  CHECK(log == event_log{"0 has cleaned up", "1 has cleaned up"});
}

TEST_CASE("map: a cancel between two elements is not lost", "[api][map]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> first;
    std::vector<future<int>> only{first.get_future(), first.get_future()};
    const auto same = [](const future<int>& f) { return f; };
    const auto whole = map(only, same, limit(1));
    first.set_value(1);
    CHECK(whole.cancel("enough"));  // its only child is done, and one is to come
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: enough");
  }());
}

TEST_CASE("map: an fn that cancels it has its child cancelled too", "[api][map]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    future<std::vector<int>> whole;
    const auto fn = [](int i, future<std::vector<int>>* all, event_log* to) -> coro<int> {
      if (i == 1) all->cancel("from within");
      return noted(*to, std::to_string(i), 1ms);
    };
    whole = map(up_to(3), fn, limit(1), &whole, &seen);
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: from within");
    CHECK(all_tasks().size() == 1);
  }(log));
  CHECK(log == event_log{"0 begins", "0 ends"});
}

TEST_CASE("map: needs a loop", "[api][map]") {
  CHECK_THROWS_AS(map(up_to(3), doubled), invalid_state);
}

TEST_CASE("map: later children are made in the context of the call", "[api][map]") {
  static context_var<int> user(0);
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto who = [](int) -> coro<int> {
      co_await sleep(1ms);
      co_return user.get();
    };
    user.set(7);
    const auto whole = map(up_to(3), who, limit(1));
    user.set(8);
    const auto got = co_await whole;
    CHECK(got == std::vector<int>{7, 7, 7});
  }());
}

TEST_CASE("map: a hundred thousand elements need the room of eight", "[api][map]") {
  virtual_loop l;
  crowd c;
  l.run_until_complete([](crowd* all) -> coro<> {
    const auto got = co_await map(std::views::iota(0, 100'000), member, limit(8), all);
    CHECK(got.size() == 100'000);
    CHECK(got.back() == 99'999);
  }(&c));
  CHECK(c.most == 8);
}

TEST_CASE("map: in any order of what is ready the results are in theirs", "[api][map]") {
  test::for_seeds([]() -> coro<> {
    crowd c;
    const auto in = up_to(20);
    const auto out = co_await map(in, member, limit(3), &c);
    CHECK(out == in);
    CHECK(c.most == 3);
  });
}
