#include <sheaf/hedge.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/context_var.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::reluctant;
using test::said;
using test::text;
using test::virtual_loop;

namespace {

/// Takes as long as it is told at each call, in turn; fails where that is negative.
struct server {
  std::vector<int> takes;
  event_log log;
  std::size_t calls = 0;
};

coro<int> ask(server* s, int question) {
  const auto number = static_cast<int>(s->calls++);
  const int ms = s->takes.at(static_cast<std::size_t>(number));
  s->log.push_back("call " + std::to_string(number));
  try {
    co_await sleep(std::abs(ms) * 1ms);
  } catch (const cancelled&) {
    s->log.push_back("cancelled " + std::to_string(number));
    throw;
  }
  if (ms < 0) throw test::failure("call " + std::to_string(number));
  co_return question + number;
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

TEST_CASE("hedge: one attempt that is quick is the only one", "[api][hedge]") {
  server s{{5}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to, virtual_loop& clock) -> coro<> {
    auto [attempt, value] = co_await hedge(10ms, ask, to, 100);
    CHECK(attempt == 0);
    CHECK(value == 100);
    CHECK(clock.elapsed_ms() == 5);
    CHECK(loop::current().core().timers() == 0);
  }(&s, l));
  CHECK(s.log == event_log{"call 0"});
}

TEST_CASE("hedge: a slow attempt gets another beside it, and the first value wins",
          "[api][hedge]") {
  server s{{50, 5}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to, virtual_loop& clock) -> coro<> {
    const auto got = co_await hedge(10ms, ask, to, 100);
    CHECK(got == race_result<int>{1, 101});
    CHECK(clock.elapsed_ms() == 15);
    CHECK(all_tasks().size() == 1);
  }(&s, l));
  CHECK(s.log == event_log{"call 0", "call 1", "cancelled 0"});
}

TEST_CASE("hedge: the first may still win when the second has begun", "[api][hedge]") {
  server s{{15, 50}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to) -> coro<> {
    const auto got = co_await hedge(10ms, ask, to, 100);
    CHECK(got == race_result<int>{0, 100});
  }(&s));
  CHECK(s.log == event_log{"call 0", "call 1", "cancelled 1"});
}

TEST_CASE("hedge: calls as often as it is told, each a delay after the last",
          "[api][hedge]") {
  server s{{100, 100, 100, 1}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to, virtual_loop& clock) -> coro<> {
    const auto options = hedge_options().delay(10ms).attempts(4);
    const auto got = co_await hedge(options, ask, to, 0);
    CHECK(got.index == 3);
    CHECK(clock.elapsed_ms() == 31);
  }(&s, l));
  CHECK(s.calls == 4);
}

TEST_CASE("hedge: a failure makes the next attempt at once, and the delay counts from it",
          "[api][hedge]") {
  server s{{-3, 100, 1}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to, virtual_loop& clock) -> coro<> {
    const auto options = hedge_options().delay(10ms).attempts(3);
    const auto got = co_await hedge(options, ask, to, 0);
    CHECK(got.index == 2);
    CHECK(clock.elapsed_ms() == 14);  // 3 + 10 + 1
  }(&s, l));
}

TEST_CASE("hedge: when all have failed it throws a group", "[api][hedge]") {
  server s{{-1, -1, -1}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to, virtual_loop& clock) -> coro<> {
    const auto options = hedge_options().delay(10ms).attempts(3);
    const auto how = co_await as_outcome(hedge(options, ask, to, 0));
    CHECK(errors_in(how.error()) == 3);
    CHECK(said(how.error()).find("hedge: 3 of 3 failed") == 0);
    CHECK(clock.elapsed_ms() == 3);
    CHECK(loop::current().core().timers() == 0);
  }(&s, l));
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("hedge: of coros each is an attempt, and the rest never runs", "[api][hedge]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const auto got = co_await hedge(10ms, noted(seen, "a", 50ms),
                                    noted(seen, "b", 1ms, 2), noted(seen, "c", 1ms));
    CHECK(got == race_result<int>{1, 2});
    CHECK(clock.elapsed_ms() == 11);
    std::vector<coro<int>> all;
    all.push_back(fail("d"));
    all.push_back(noted(seen, "e", 1ms, 5));
    all.push_back(noted(seen, "f", 1ms));
    const auto second = co_await hedge(10ms, std::move(all));
    CHECK(second == race_result<int>{1, 5});
    const auto mixed = co_await hedge(1ms, give(1, 9ms), text("t", 1ms));
    CHECK(std::get<1>(mixed.value) == "t");
  }(log, l));
  CHECK(log == event_log{"a begins", "b begins", "b ends", "a is cancelled", "e begins",
                         "e ends"});
}

TEST_CASE("hedge: losers are awaited", "[api][hedge][R4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    co_await hedge(10ms, reluctant(seen, "a", 1h, 20ms), give(1, 1ms));
    CHECK(clock.elapsed_ms() == 31);
  }(log, l));
  CHECK(log == event_log{"a has cleaned up"});
}

TEST_CASE("hedge: no attempt is an argument error, no loop invalid_state",
          "[api][hedge]") {
  server s;
  CHECK_THROWS_AS(hedge(1ms, ask, &s, 0), invalid_state);
  virtual_loop l;
  l.run_until_complete([](server* to) -> coro<> {
    CHECK_THROWS_AS(hedge(hedge_options().attempts(0), ask, to, 0),
                    std::invalid_argument);
    CHECK_THROWS_AS(hedge(1ms, std::vector<coro<int>>()), std::invalid_argument);
    co_return;
  }(&s));
}

TEST_CASE("hedge: a function that throws is a failed attempt", "[api][hedge]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    int calls = 0;
    const auto throws_first = [](int* n) -> coro<int> {
      if (++*n == 1) throw test::failure("no connection");
      return give(7, 1ms);
    };
    const auto got = co_await hedge(10ms, throws_first, &calls);
    CHECK(got == race_result<int>{1, 7});
    CHECK(clock.elapsed_ms() == 1);
  }(l));
}

TEST_CASE("hedge: function and arguments live until the last attempt has ended",
          "[api][hedge]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto by_reference = [](const std::string& s,
                                 const int& ms) -> coro<std::string> {
      co_await sleep(ms * 1ms);
      co_return s;
    };
    std::weak_ptr<int> alive;
    future<race_result<std::string>> whole;
    {
      const auto token = std::make_shared<int>(1);
      alive = token;
      const auto holds = [token, by_reference](const std::string& s, const int& ms) {
        return by_reference(s, ms);
      };
      whole = hedge(1ms, holds, std::string(100, 'x'), 20);
    }
    co_await sleep(5ms);
    CHECK_FALSE(alive.expired());
    const auto got = co_await whole;
    CHECK(got.value == std::string(100, 'x'));
    CHECK(alive.expired());  // though the future is kept
  }());
}

TEST_CASE("hedge: cancelled it makes no more attempts and ends when they have",
          "[api][hedge]") {
  server s{{100, 100, 100}, {}};
  virtual_loop l;
  l.run_until_complete([](server* to, virtual_loop& clock) -> coro<> {
    const auto options = hedge_options().delay(10ms).attempts(3);
    const auto whole = hedge(options, ask, to, 0);
    co_await sleep(15ms);
    CHECK(whole.cancel("enough"));
    const auto how = co_await as_outcome(whole);
    CHECK(said(how.error()) == "cancelled: enough");
    CHECK(clock.elapsed_ms() == 15);
    CHECK(loop::current().core().timers() == 0);
  }(&s, l));
  CHECK(s.log == event_log{"call 0", "call 1", "cancelled 0", "cancelled 1"});
}

TEST_CASE("hedge: later attempts run in the context of the call", "[api][hedge]") {
  static context_var<int> user(0);
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto who = [](int* calls) -> coro<int> {
      const bool first = ++*calls == 1;
      co_await sleep(first ? 1h : 1ms);
      co_return user.get();
    };
    int calls = 0;
    user.set(7);
    const auto whole = hedge(1ms, who, &calls);
    user.set(8);
    const auto got = co_await whole;
    CHECK(got == race_result<int>{1, 7});
  }());
}

TEST_CASE("hedge: in any order of what is ready one value comes out", "[api][hedge]") {
  test::for_seeds([]() -> coro<> {
    const auto options = hedge_options().delay(1ms).attempts(3);
    const auto slow = [](int* n) -> coro<int> {
      const int mine = (*n)++;
      co_await sleep(2ms);
      if (mine == 0) throw test::failure("x");
      co_return mine;
    };
    int calls = 0;
    const auto got = co_await hedge(options, slow, &calls);
    CHECK(static_cast<int>(got.index) == got.value);
    CHECK(all_tasks().size() == 1);
  });
}
