#include <sheaf/sleep.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>

#include <limits>
#include <memory>
#include <stdexcept>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::noted;
using test::virtual_loop;

TEST_CASE("sleep: resumes when its time has come, not earlier [SLEEP-1]",
          "[api][sleep][SLEEP-1]") {
  event_log log;
  loop l(loop_options().manual_time());
  const auto t = l.create_task(noted(log, "a", 10ms));
  l.turn();
  l.advance(10ms - 1ns);
  for (int i = 0; i < 5; ++i) l.turn();
  CHECK(log == event_log{"a begins"});
  l.advance(1ns);
  l.turn();
  CHECK(log == event_log{"a begins", "a ends"});
}

TEST_CASE("sleep: in real time it is never early [SLEEP-1]", "[api][sleep][SLEEP-1]") {
  loop l;
  const auto early = l.run_until_complete([]() -> coro<int> {
    int found = 0;
    for (int i = 0; i < 20; ++i) {
      const auto d = i * 97us;
      const auto began = loop::current().time();
      co_await sleep(d);
      if (loop::current().time() - began < d) ++found;
    }
    co_return found;
  }());
  CHECK(early == 0);
}

TEST_CASE("sleep: gives its optional value [SLEEP-1]", "[api][sleep][SLEEP-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const int got = co_await sleep(10ms, 42);
    CHECK(got == 42);
    auto owned = std::make_unique<int>(7);
    const auto back = co_await sleep(0ms, std::move(owned));
    CHECK(*back == 7);
  }());
  CHECK(l.elapsed_ms() == 10);
}

TEST_CASE("sleep: zero gives way for exactly one batch [SLEEP-2]",
          "[api][sleep][SLEEP-2]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto& here = loop::current();
    here.call_soon([&] {
      seen.push_back("queued before");
      here.call_soon([&seen] { seen.push_back("queued by that"); });
    });
    const auto before = here.ticks();
    co_await sleep(0ms);
    CHECK(here.ticks() == before + 1);
    seen.push_back("resumed");
    co_await sleep(0ms);
  }(log));
  CHECK(log == event_log{"queued before", "resumed", "queued by that"});
}

TEST_CASE("sleep: a negative delay is as zero [SLEEP-2]", "[api][sleep][SLEEP-2]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto before = loop::current().ticks();
    co_await sleep(-1h);
    co_await sleep(-0.5s);
    co_await sleep(std::chrono::nanoseconds::min());
    CHECK(loop::current().ticks() == before + 3);
  }());
  CHECK(l.elapsed_ms() == 0);
}

TEST_CASE("sleep: two that give way take turns [SLEEP-2]", "[api][sleep][SLEEP-2]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto child = [](event_log& s, const char* name) -> coro<> {
      for (int i = 0; i < 3; ++i) {
        s.push_back(name);
        co_await sleep(0ms);
      }
    };
    co_await gather(child(seen, "a"), child(seen, "b"));
  }(log));
  CHECK(log == event_log{"a", "b", "a", "b", "a", "b"});
}

TEST_CASE("sleep: cancelling it cancels its timer at once [SLEEP-3]",
          "[api][sleep][SLEEP-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto sleeper = create_task([]() -> coro<> { co_await sleep(1h); }());
    co_await sleep(0ms);
    CHECK(loop::current().core().timers() == 1);
    sleeper.cancel();
    CHECK(loop::current().core().timers() == 0);
    co_await as_outcome(sleeper);
    CHECK(sleeper.cancelled());
  }());
  CHECK(l.elapsed_ms() == 0);
}

TEST_CASE(
    "sleep: cancelled when its deadline has passed already, it is cancelled [SLEEP-3]",
    "[api][sleep][SLEEP-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto sleeper = create_task([]() -> coro<> { co_await sleep(5ms); }());
    loop::current().call_later(5ms, [sleeper] { CHECK(sleeper.cancel()); });
    co_await as_outcome(sleeper);
    CHECK(sleeper.cancelled());
  }());
}

TEST_CASE("sleep: one that was interrupted may be followed by another [SLEEP-3]",
          "[api][sleep][SLEEP-3]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const auto sleeper = create_task(test::reluctant(seen, "sleeper", 1h, 3ms));
    co_await sleep(2ms);
    sleeper.cancel();
    co_await as_outcome(sleeper);
  }(log));
  CHECK(log == event_log{"sleeper has cleaned up"});
  CHECK(l.elapsed_ms() == 5);
}

TEST_CASE("sleep: in sequence they add up [SLEEP-4]", "[api][sleep][SLEEP-4]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    co_await sleep(10ms);
    co_await sleep(20ms);
    co_await sleep(0.03s);
  }());
  CHECK(l.elapsed_ms() == 60);
}

TEST_CASE("sleep: side by side they overlap [SLEEP-4]", "[api][sleep][SLEEP-4]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    co_await gather(test::give(1, 10ms), test::give(2, 30ms), test::give(3, 20ms));
  }());
  CHECK(l.elapsed_ms() == 30);
}

TEST_CASE("sleep: not a number is an argument error [SLEEP-5]", "[api][sleep][SLEEP-5]") {
  const std::chrono::duration<double> nan(std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS_AS(sleep(nan), std::invalid_argument);
  CHECK_THROWS_AS(sleep(nan, 1), std::invalid_argument);
}

TEST_CASE("sleep: delays beyond all measure are for ever, in either direction",
          "[api][sleep]") {
  using seconds = std::chrono::duration<double>;
  using hours = std::chrono::duration<long long, std::ratio<3600>>;
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const double infinite = std::numeric_limits<double>::infinity();
    co_await sleep(seconds(-infinite));
    const auto forever = [](auto d) -> coro<> { co_await sleep(d); };
    const auto a = create_task(forever(seconds(infinite)));
    const auto b = create_task(forever(hours::max()));
    const auto c = create_task(forever(std::chrono::nanoseconds::max()));
    co_await sleep(24h * 365);
    CHECK_FALSE((a.done() || b.done() || c.done()));
    a.cancel();
    b.cancel();
    c.cancel();
    co_await gather(return_exceptions, a, b, c);
  }());
}

TEST_CASE("sleep: a fraction of a nanosecond rounds up", "[api][sleep]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto began = loop::current().time();
    co_await sleep(std::chrono::duration<double, std::nano>(0.25));
    CHECK(loop::current().time() - began == 1ns);
    co_await sleep(std::chrono::duration<long, std::pico>(1500));
    CHECK(loop::current().time() - began == 3ns);
  }());
}

TEST_CASE("sleep_until: resumes at that time", "[api][sleep]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto when = loop::current().time() + 25ms;
    co_await sleep_until(when);
    CHECK(loop::current().time() == when);
  }());
}

TEST_CASE("sleep_until: a time that has passed gives way for one batch", "[api][sleep]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    co_await sleep(1ms);
    const auto now = loop::current().time();
    const auto before = loop::current().ticks();
    co_await sleep_until(now - 1h);
    CHECK(loop::current().ticks() <= before + 2);
    CHECK(loop::current().time() == now);
  }());
}

TEST_CASE("sleep_until: the clock's first instant has long passed", "[api][sleep]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    co_await sleep_until(std::chrono::steady_clock::time_point());
    co_await sleep_until(std::chrono::steady_clock::time_point::min());
  }());
  CHECK(l.elapsed_ms() == 0);
}
