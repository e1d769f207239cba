#include <sheaf/runtime/idle.hpp>
#include <sheaf/runtime/loop.hpp>

#include <uv.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::counted;
using test::event_log;

static_assert(!std::is_copy_constructible_v<loop> && !std::is_move_constructible_v<loop>);
// What is not callable is refused when compiling: LOOP-18.
template <class F>
concept taken_by_call_soon = requires(loop& l, F f) { l.call_soon(f); };
static_assert(taken_by_call_soon<void (*)()>);
static_assert(!taken_by_call_soon<int>);
static_assert(!taken_by_call_soon<void (*)(int)>);

namespace {

auto note(event_log& log, std::string what) {
  return [&log, what] { log.push_back(what); };
}

/// A handle that is active and referenced, and is due never.
struct busy_handle {
  explicit busy_handle(loop& l) {
    REQUIRE(uv_timer_init(l.uv(), &timer) == 0);
    uv_timer_start(&timer, [](uv_timer_t*) {}, 1'000'000'000, 0);
  }
  void close() { uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr); }
  uv_timer_t timer;
};

}  // namespace

// ---- clocks ----------------------------------------------------------------------------

TEST_CASE("clock: the real one is uv_hrtime and never goes back [LOOP-10]",
          "[runtime][scheduler][LOOP-10]") {
  loop l;
  const std::uint64_t before = uv_hrtime();
  const auto a = l.time();
  const auto b = l.time();
  CHECK(static_cast<std::uint64_t>(a.time_since_epoch().count()) >= before);
  CHECK(b >= a);
  CHECK(static_cast<std::uint64_t>(b.time_since_epoch().count()) <= uv_hrtime());
  CHECK_THROWS_AS(l.advance(1s), sheaf::invalid_state);
}

TEST_CASE("clock: a real deadline is never early [LOOP-9]",
          "[runtime][scheduler][LOOP-9]") {
  loop l;
  std::vector<std::chrono::nanoseconds> early;
  for (const std::chrono::nanoseconds delay :
       {1ns, 999'999ns, 1'000'000ns, 1'000'001ns, 1'500'000ns, 2'300'000ns}) {
    const auto due = l.time() + delay;
    l.call_later(delay, [&, due] { early.push_back(std::max(due - l.time(), 0ns)); });
  }
  l.run_forever();
  CHECK(early == std::vector<std::chrono::nanoseconds>(6));
}

TEST_CASE(
    "clock: a callback that takes long does not make the next deadline early [LOOP-9]",
    "[runtime][scheduler][LOOP-9]") {
  loop l;
  bool early = true;
  l.call_soon([&] {
    const auto until = l.time() + 3ms;  // longer than what is armed next
    while (l.time() < until) {
    }
    const auto due = l.time() + 2ms;
    l.call_later(2ms, [&, due] { early = l.time() < due; });
  });
  l.run_forever();
  CHECK_FALSE(early);
}

TEST_CASE("clock: a manual one moves only by hand", "[runtime][scheduler]") {
  loop l{clock_kind::manual};
  event_log log;
  const auto start = l.time();
  l.call_later(5s, note(log, "five"));
  l.turn();
  CHECK(l.time() == start);
  l.advance(5s - 1ns);
  l.turn();
  CHECK(log.empty());
  l.advance(-1h);  // it never goes back
  CHECK(l.time() == start + 5s - 1ns);
  l.advance(1ns);
  l.turn();
  CHECK(log == event_log{"five"});
  CHECK(l.time() == start + 5s);
}

TEST_CASE("clock: a manual loop with nothing due ends its run", "[runtime][scheduler]") {
  loop l{clock_kind::manual};
  event_log log;
  l.call_later(5s, note(log, "five"));
  l.run_forever();
  CHECK(log.empty());
  l.call_soon([&] { l.advance(5s); });
  l.run_forever();
  CHECK(log == event_log{"five"});
}

TEST_CASE("clock: virtual time jumps to the next deadline", "[runtime][scheduler]") {
  loop l{clock_kind::virtual_};
  const auto start = l.time();
  std::vector<std::chrono::nanoseconds> at;
  const auto now = [&] { at.push_back(l.time() - start); };
  l.call_later(24h, now);
  l.call_later(1ns, now);
  l.call_later(90min, now);
  l.run_forever();
  CHECK(at == std::vector<std::chrono::nanoseconds>{1ns, 90min, 24h});
}

TEST_CASE("clock: virtual time stands while something is ready", "[runtime][scheduler]") {
  loop l{clock_kind::virtual_};
  const auto start = l.time();
  int left = 10'000;  // more than a budget, so that it is polled in between
  bool moved = false;
  std::function<void()> again = [&] {
    moved = moved || l.time() != start;
    if (--left > 0) l.call_soon(again);
  };
  int left_at_deadline = -1;
  l.call_later(1ns, [&] { left_at_deadline = left; });
  l.call_soon(again);
  l.run_forever();
  CHECK_FALSE(moved);
  CHECK(left_at_deadline == 0);
}

TEST_CASE("clock: virtual time stands while another referenced handle is active",
          "[runtime][scheduler]") {
  loop l{clock_kind::virtual_};
  event_log log;
  busy_handle busy(l);
  l.call_later(1h, note(log, "an hour later"));
  for (int i = 0; i < 5; ++i) CHECK(l.turn());
  CHECK(log.empty());
  uv_unref(reinterpret_cast<uv_handle_t*>(&busy.timer));
  l.run_forever();
  CHECK(log == event_log{"an hour later"});
  busy.close();
}

TEST_CASE("clock: waits shorter than its resolution do not make the loop spin [LOOP-16]",
          "[runtime][scheduler][LOOP-16]") {
  loop l;
  const std::chrono::nanoseconds waits[] = {10ms, 100us, 1us, 10ns, 1ns};
  std::size_t next = 0;
  std::function<void()> wait = [&] {
    if (next < std::size(waits)) l.call_later(waits[next++], wait);
  };
  const std::uint64_t before = l.ticks();
  wait();
  l.run_forever();
  CHECK(next == std::size(waits));
  CHECK(l.ticks() - before <= 20);
}

// ---- order -----------------------------------------------------------------------------

TEST_CASE("loop: callbacks run once each, in order [LOOP-1]",
          "[runtime][scheduler][LOOP-1]") {
  loop l;
  std::vector<int> ran, expected;
  for (int i = 0; i < 1'000; ++i) {
    l.call_soon([&ran, i] { ran.push_back(i); });
    expected.push_back(i);
  }
  l.run_forever();
  CHECK(ran == expected);
  l.run_forever();
  CHECK(ran == expected);
}

TEST_CASE("loop: call_soon() runs nothing inside the call [LOOP-2]",
          "[runtime][scheduler][LOOP-2]") {
  loop l;
  event_log log;
  l.call_soon([&] {
    log.push_back("outer");
    l.call_soon(note(log, "inner"));
    l.call_later(0s, note(log, "timer"));
    log.push_back("outer ends");
  });
  CHECK(log.empty());
  l.run_forever();
  CHECK(log == event_log{"outer", "outer ends", "inner", "timer"});
}

TEST_CASE("loop: a tick runs what was ready when it began [LOOP-4]",
          "[runtime][scheduler][LOOP-4]") {
  loop l;
  event_log log;
  const auto with_tick = [&](const char* name) {
    return [&, name] { log.push_back(name + std::to_string(l.ticks())); };
  };
  l.call_soon([&] {
    with_tick("a")();
    l.call_soon(with_tick("c"));
  });
  l.call_soon(with_tick("b"));
  l.run_forever();
  CHECK(log == event_log{"a0", "b0", "c1"});
}

TEST_CASE("loop: due timers come after what was ready, in the same tick [LOOP-5]",
          "[runtime][scheduler][LOOP-5]") {
  loop l{clock_kind::manual};
  event_log log;
  l.call_later(1s, note(log, "timer 1s"));
  l.call_later(0s, note(log, "timer 0s"));
  l.call_soon(note(log, "ready"));
  l.advance(1s);
  l.run_forever();
  CHECK(log == event_log{"ready", "timer 0s", "timer 1s"});
  CHECK(l.ticks() == 1);
}

TEST_CASE("loop: a chain of call_soon() does not keep timers from coming [LOOP-6]",
          "[runtime][scheduler][LOOP-6]") {
  loop l;
  std::function<void()> endless = [&] { l.call_soon(endless); };
  endless();
  bool came = false;
  l.call_later(1ms, [&] {
    came = true;
    l.stop();
  });
  l.run_forever();
  CHECK(came);
}

TEST_CASE(
    "loop: zero and negative delays are due in the next tick, by deadline "
    "[LOOP-11] [LOOP-12]",
    "[runtime][scheduler][LOOP-11][LOOP-12]") {
  loop l{clock_kind::manual};
  l.advance(1h);  // away from the clock's zero
  event_log log;
  l.call_soon([&] {
    l.call_later(0s, note(log, "0"));
    l.call_later(-1s, note(log, "-1"));
    l.call_later(-2s, note(log, "-2"));
    l.call_at(loop::time_point(-5s), note(log, "long ago"));
    l.call_later(std::chrono::nanoseconds::min(), note(log, "longest ago"));
  });
  l.run_forever();
  // Two deadlines lie before the clock's zero: equal, so in the order they were armed.
  CHECK(log == event_log{"long ago", "longest ago", "-2", "-1", "0"});
  CHECK(l.ticks() == 2);
}

TEST_CASE("loop: timers of one tick run in the order of their deadlines [LOOP-12]",
          "[runtime][scheduler][LOOP-12]") {
  loop l{clock_kind::manual};
  std::vector<int> ran;
  for (const int s : {5, 1, 400, 3, 2, 100, 4}) {
    l.call_later(std::chrono::seconds(s), [&ran, s] { ran.push_back(s); });
  }
  l.advance(1'000s);
  l.run_forever();
  CHECK(ran == std::vector<int>{1, 2, 3, 4, 5, 100, 400});
  CHECK(l.ticks() == 1);
}

TEST_CASE(
    "loop: equal deadlines run in the order they were armed, unlike asyncio's [LOOP-13]",
    "[runtime][scheduler][LOOP-13]") {
  loop l{clock_kind::virtual_};
  const auto when = l.time() + 10min;
  std::vector<int> ran;
  for (int i = 0; i < 4; ++i) {
    l.call_at(when, [&ran, i] { ran.push_back(i); });
  }
  l.call_later(5min, [&] {  // now the same deadline is on another level of the wheel
    for (int i = 4; i < 8; ++i) l.call_at(when, [&ran, i] { ran.push_back(i); });
  });
  l.run_forever();
  CHECK(ran == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("loop: call_later() is call_at(time() + d) [LOOP-10]",
          "[runtime][scheduler][LOOP-10]") {
  loop l{clock_kind::virtual_};
  event_log log;
  const auto t = l.time();
  l.call_at(t + 2s, note(log, "at"));
  l.call_later(2s, note(log, "later"));
  l.call_later(2s - 1ns, note(log, "before"));
  l.run_forever();
  CHECK(log == event_log{"before", "at", "later"});
}

TEST_CASE("loop: a delay too long for the clock is never due", "[runtime][scheduler]") {
  loop l{clock_kind::manual};
  int ran = 0;
  l.call_later(std::chrono::nanoseconds::max(), [&] { ++ran; });
  l.call_at(loop::time_point::max(), [&] { ++ran; });
  l.advance(24h * 365 * 100);
  l.run_forever();
  CHECK(ran == 0);
}

// ---- cancelled timers ------------------------------------------------------------------

TEST_CASE("loop: a cancelled timer does not wake the loop [LOOP-14]",
          "[runtime][scheduler][LOOP-14]") {
  loop l;
  auto far = l.call_later(1h, [] {});
  far.cancel();
  l.run_forever();  // would wait for an hour
  CHECK(l.ticks() == 0);
  // Two in one slot of the wheel, the later removed last.
  auto first = l.call_later(1h, [] {});
  auto second = l.call_later(1h + 1ns, [] {});
  first.cancel();
  second.cancel();
  l.run_forever();
  CHECK(l.ticks() == 0);
}

TEST_CASE("loop: time goes to the earliest timer that lives [LOOP-14]",
          "[runtime][scheduler][LOOP-14]") {
  loop l{clock_kind::virtual_};
  const auto start = l.time();
  auto head = l.call_later(1s, [] {});
  std::chrono::nanoseconds at{};
  l.call_later(1h, [&] { at = l.time() - start; });
  head.cancel();
  l.turn();
  CHECK(l.time() == start + 1h);
  l.run_forever();
  CHECK(at == 1h);
}

TEST_CASE("loop: cancelled timers do not accumulate [LOOP-15]",
          "[runtime][scheduler][LOOP-15]") {
  counted::reset();
  loop l{clock_kind::manual};
  int ran = 0;
  for (int i = 0; i < 1'000; ++i) {
    auto h = l.call_later(1h, [&ran, held = counted()] { ++ran; });
    if (i % 10 != 0) h.cancel();
  }
  CHECK(counted::alive == 100);
  CHECK(l.core().timers() == 100);
  l.advance(1h);
  l.run_forever();
  CHECK(ran == 100);
}

// ---- budget ----------------------------------------------------------------------------

namespace {

/// How many ticks of an endless chain run between two polls.
std::vector<std::uint64_t> ticks_between_polls(batch_budget budget) {
  loop l;
  l.set_budget(budget);
  std::function<void()> endless = [&] { l.call_soon(endless); };
  endless();
  std::vector<std::uint64_t> counts;
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t before = l.ticks();
    l.turn();  // a turn polls once
    counts.push_back(l.ticks() - before);
  }
  return counts;
}

using counts = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("budget: {1, 0ns} polls after each batch, as asyncio [LOOP-4]",
          "[runtime][scheduler][LOOP-4]") {
  CHECK(ticks_between_polls({1, 0ns}) == counts{1, 1, 1, 1});
}

TEST_CASE("budget: so many callbacks run between two polls", "[runtime][scheduler]") {
  CHECK(ticks_between_polls({7, 1h}) == counts{7, 7, 7, 7});
  CHECK(ticks_between_polls({1'000'000, 0ns}) == counts{1, 1, 1, 1});
}

TEST_CASE("budget: a batch is never cut", "[runtime][scheduler]") {
  loop l;
  l.set_budget({1, 0ns});
  int ran = 0;
  for (int i = 0; i < 1'000; ++i) l.call_soon([&] { ++ran; });
  l.turn();
  CHECK(ran == 1'000);
}

TEST_CASE("budget: it does not change the order", "[runtime][scheduler]") {
  const auto run = [](batch_budget b) {
    loop l{clock_kind::virtual_};
    l.set_budget(b);
    event_log log;
    for (int i = 0; i < 20; ++i) {
      l.call_soon([&, i] {
        log.push_back("soon" + std::to_string(i));
        l.call_later(std::chrono::nanoseconds(i % 3),
                     note(log, "later" + std::to_string(i)));
        l.call_soon(note(log, "next" + std::to_string(i)));
      });
    }
    l.run_forever();
    return log;
  };
  CHECK(run({1, 0ns}) == run({1'000'000, 1h}));
}

// ---- run, stop, turn, close ------------------------------------------------------------

TEST_CASE("run: ends by itself when nothing can happen any more",
          "[runtime][scheduler]") {
  loop l;
  l.run_forever();
  event_log log;
  l.call_soon([&] { l.call_later(1ms, note(log, "timer")); });
  l.run_forever();
  CHECK(log == event_log{"timer"});
}

TEST_CASE(
    "stop: the batch under way finishes, what it queued stays for the next run [LOOP-26]",
    "[runtime][scheduler][LOOP-26]") {
  loop l;
  event_log log;
  l.call_soon([&] {
    l.stop();
    log.push_back("stops");
    l.call_soon(note(log, "queued by it"));
  });
  l.call_soon(note(log, "rest of the batch"));
  l.run_forever();
  CHECK(log == event_log{"stops", "rest of the batch"});
  l.run_forever();
  CHECK(log == event_log{"stops", "rest of the batch", "queued by it"});
}

TEST_CASE("stop: before run_forever() it gives exactly one tick [LOOP-27]",
          "[runtime][scheduler][LOOP-27]") {
  loop l;
  event_log log;
  busy_handle busy(l);  // a poll that blocked would block for days
  l.call_soon([&] {
    log.push_back("one");
    l.call_soon(note(log, "two"));
  });
  l.stop();
  l.run_forever();
  CHECK(log == event_log{"one"});
  l.stop();
  l.run_forever();
  CHECK(log == event_log{"one", "two"});
  l.stop();
  l.run_forever();  // nothing is ready: it does not block either
  busy.close();
}

TEST_CASE("stop: from a handle's callback and from another callback are the same",
          "[runtime][scheduler][LOOP-26]") {
  loop l;
  std::optional<idle> i;
  int turns = 0;
  i.emplace(l, [&] {
    if (++turns == 3) l.stop();
  });
  i->start();
  l.run_forever();
  CHECK(turns == 3);
}

TEST_CASE("turn: runs what can run and does not block", "[runtime][scheduler]") {
  loop l;
  event_log log;
  CHECK_FALSE(l.turn());
  l.call_later(1h, note(log, "an hour later"));
  CHECK(l.turn());
  l.call_soon(note(log, "soon"));
  CHECK(l.turn());
  CHECK(log == event_log{"soon"});
}

TEST_CASE("run: a loop that runs cannot be run again, nor another beside it [LOOP-25]",
          "[runtime][scheduler][LOOP-25]") {
  loop l, other;
  event_log log;
  const auto refused = [&](auto f, const char* what) {
    try {
      f();
    } catch (const sheaf::invalid_state&) {
      log.push_back(what);
    }
  };
  CHECK_FALSE(l.is_running());
  l.call_soon([&] {
    CHECK(l.is_running());
    refused([&] { l.run_forever(); }, "itself");
    refused([&] { l.turn(); }, "a turn");
    refused([&] { other.run_forever(); }, "another");
    refused([&] { other.turn(); }, "a turn of another");
  });
  l.run_forever();
  CHECK(log == event_log{"itself", "a turn", "another", "a turn of another"});
  CHECK_FALSE(l.is_running());
  other.run_forever();
}

TEST_CASE("run: two loops may run in two threads", "[runtime][scheduler]") {
  std::atomic<int> ran{0};
  const auto work = [&ran](loop& l) {
    for (int i = 0; i < 100; ++i) {
      l.call_soon([&ran, &l] {
        if (&loop::current() == &l) ++ran;
      });
    }
    // Not to its end: it would wait for the other thread, which might call.
    l.call_soon([&l] { l.stop(); });
    l.run_forever();
  };
  // Neither is closed while the other is made: the thread sanitizer does not see libuv close
  // a descriptor, and takes its next use for a race.
  loop one, two;
  std::thread a(work, std::ref(one)), b(work, std::ref(two));
  a.join();
  b.join();
  CHECK(ran == 200);
}

TEST_CASE("current: only while a loop runs here, and never made for you [LOOP-31]",
          "[runtime][scheduler][LOOP-31]") {
  CHECK_FALSE(loop::has_current());
  CHECK_THROWS_AS(loop::current(), sheaf::invalid_state);
  loop l;
  CHECK_THROWS_AS(loop::current(), sheaf::invalid_state);
  bool same = false, elsewhere = true;
  l.call_soon([&] {
    same = &loop::current() == &l;
    std::thread([&] { elsewhere = loop::has_current(); }).join();
  });
  l.run_forever();
  CHECK(same);
  CHECK_FALSE(elsewhere);
  CHECK_FALSE(loop::has_current());
}

TEST_CASE("messages come in while there is always a timer that is due",
          "[runtime][scheduler]") {
  for (const clock_kind clock : {clock_kind::real, clock_kind::virtual_}) {
    loop l{clock};
    int came = 0, left = 100;
    std::function<void()> again = [&] {
      l.call_soon_threadsafe([&came] { ++came; });
      if (--left > 0) l.call_later(0s, again);
      if (left == 1) CHECK(came > 90);  // each one in the next turn, or the one after
    };
    l.call_later(0s, again);
    l.run_forever();
    CHECK(came == 100);
  }
}

TEST_CASE("close: drops what is queued, twice is once, and then all is refused [LOOP-28]",
          "[runtime][scheduler][LOOP-28]") {
  counted::reset();
  int ran = 0;
  const auto f = [&ran, held = counted()] { ++ran; };
  loop l;
  l.call_soon(f);
  l.call_later(0s, f);
  l.call_later(1h, f);
  l.call_at(l.time() + 1h, f);
  l.call_soon_threadsafe(f);
  CHECK(counted::alive == 6);
  CHECK_FALSE(l.is_closed());
  l.close();
  l.close();
  CHECK(l.is_closed());
  CHECK(ran == 0);
  CHECK(counted::alive == 1);
  CHECK_THROWS_AS(l.run_forever(), sheaf::invalid_state);
  CHECK_THROWS_AS(l.turn(), sheaf::invalid_state);
  CHECK_THROWS_AS(l.call_soon(f), sheaf::invalid_state);
  CHECK_THROWS_AS(l.call_later(1s, f), sheaf::invalid_state);
  CHECK_THROWS_AS(l.call_at(l.time(), f), sheaf::invalid_state);
  CHECK_THROWS_AS(l.call_soon_threadsafe(f), sheaf::invalid_state);
  CHECK(counted::alive == 1);
  CHECK(l.time() > loop::time_point());
  l.stop();
  CHECK(l.is_closed());
}

TEST_CASE("close: is an error while the loop runs [LOOP-29]",
          "[runtime][scheduler][LOOP-29]") {
  loop l;
  int refused = 0;
  const auto try_it = [&] {
    try {
      l.close();
    } catch (const sheaf::invalid_state&) {
      ++refused;
    }
  };
  l.call_soon(try_it);
  l.run_forever();
  l.call_soon(try_it);
  l.turn();
  CHECK(refused == 2);
  CHECK_FALSE(l.is_closed());
}

TEST_CASE("close: a loop with libuv handles of others says so", "[runtime][scheduler]") {
  event_log log;
  static uv_timer_t forgotten;  // its loop is kept for it
  {
    loop l;
    l.set_exception_handler(
        [&](const sheaf::exception_context& c) { log.push_back(c.message); });
    uv_timer_init(l.uv(), &forgotten);
  }
  REQUIRE(log.size() == 1);
  CHECK(log[0].find("not sheaf's") != std::string::npos);
  uv_loop_t* const kept = forgotten.loop;
  uv_close(reinterpret_cast<uv_handle_t*>(&forgotten), nullptr);
  uv_run(kept, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(kept) == 0);
}

// ---- errors ----------------------------------------------------------------------------

TEST_CASE(
    "errors: one that leaves a callback goes to the handler, the loop goes on [LOOP-17]",
    "[runtime][scheduler][LOOP-17]") {
  loop l;
  event_log log;
  std::vector<unsigned> lines;
  l.set_exception_handler([&](const sheaf::exception_context& c) {
    log.push_back(c.message + ": " + sheaf::describe(c.exception));
    lines.push_back(c.created_at.line());
  });
  l.call_soon([] { throw std::runtime_error("one"); });
  l.call_soon(note(log, "next"));
  l.call_later(0s, [] { throw 2; });
  l.call_soon_threadsafe([] { throw std::logic_error("three"); });
  const unsigned last = __LINE__ - 1;
  l.run_forever();
  // One from another thread knows its place only in debug mode: it would cost it a cache line.
  CHECK(lines == std::vector<unsigned>{last - 3, 0, last - 1});
  CHECK(log == event_log{"exception in a callback: std::runtime_error: one", "next",
                         "exception in a callback: std::logic_error: three",
                         "exception in a callback: int"});
  CHECK(l.exceptions_reported() == 3);
}

TEST_CASE("errors: the handler is set, given back and reset [LOOP-18]",
          "[runtime][scheduler][LOOP-18]") {
  loop l;
  CHECK_FALSE(l.get_exception_handler());
  int first = 0, second = 0;
  loop* told = nullptr;
  l.set_exception_handler([&](const sheaf::exception_context&) { ++first; });
  CHECK(l.get_exception_handler());
  l.call_exception_handler({.message = "a"});
  l.set_exception_handler([&](loop& of, const sheaf::exception_context&) {
    ++second;
    told = &of;
  });
  l.call_exception_handler({.message = "b"});
  l.set_exception_handler(nullptr);
  CHECK_FALSE(l.get_exception_handler());
  CHECK(first == 1);
  CHECK(second == 1);
  CHECK(told == &l);
}

// Something not callable is refused when compiling: LOOP-18.
template <class H>
concept a_handler = requires(loop& l, H h) { l.set_exception_handler(h); };
static_assert(a_handler<void (*)(const sheaf::exception_context&)>);
static_assert(a_handler<void (*)(loop&, const sheaf::exception_context&)>);
static_assert(a_handler<std::nullptr_t>);
static_assert(!a_handler<int>);
static_assert(!a_handler<void (*)(int)>);

TEST_CASE("errors: a handler that throws does not end the loop [LOOP-19]",
          "[runtime][scheduler][LOOP-19]") {
  loop l;
  event_log log;
  l.set_exception_handler([&](const sheaf::exception_context& c) {
    log.push_back(c.message);
    throw std::runtime_error("the handler is broken");
  });
  l.call_soon([] { throw 1; });
  l.call_soon(note(log, "next"));
  l.run_forever();
  CHECK(log == event_log{"exception in a callback", "next"});
  CHECK(l.exceptions_reported() == 1);
}

TEST_CASE("errors: a handler may replace itself while it runs", "[runtime][scheduler]") {
  loop l;
  event_log log;
  l.set_exception_handler(
      [&, self = std::string("first")](const sheaf::exception_context&) {
        l.set_exception_handler(
            [&](const sheaf::exception_context&) { log.push_back("second"); });
        log.push_back(self);
      });
  l.call_exception_handler({.message = "x"});
  l.call_exception_handler({.message = "x"});
  CHECK(log == event_log{"first", "second"});
}

TEST_CASE("system_exit: leaves run() at once, the rest of the batch is kept [LOOP-20]",
          "[runtime][scheduler][LOOP-20]") {
  loop l;
  event_log log;
  l.set_exception_handler(
      [&](const sheaf::exception_context&) { log.push_back("reported"); });
  l.call_soon([&] {
    log.push_back("one");
    l.call_soon(note(log, "four"));
    throw sheaf::system_exit(7);
  });
  l.call_soon(note(log, "two"));
  l.call_later(0s, note(log, "three"));
  int code = 0;
  try {
    l.run_forever();
  } catch (const sheaf::system_exit& e) {
    code = e.code();
  }
  CHECK(code == 7);
  CHECK(log == event_log{"one"});
  CHECK_FALSE(l.is_running());
  CHECK_FALSE(loop::has_current());
  l.run_forever();
  CHECK(log == event_log{"one", "two", "three", "four"});
}

TEST_CASE("system_exit: several leave run() one after the other [LOOP-20]",
          "[runtime][scheduler][LOOP-20]") {
  loop l;
  for (int i = 1; i <= 3; ++i) l.call_soon([i] { throw sheaf::system_exit(i); });
  std::vector<int> codes;
  for (int i = 0; i < 3; ++i) {
    try {
      l.run_forever();
    } catch (const sheaf::system_exit& e) {
      codes.push_back(e.code());
    }
  }
  CHECK(codes == std::vector<int>{1, 2, 3});
  l.run_forever();
}

TEST_CASE("system_exit: what it kept from its turn is dropped by close() [LOOP-28]",
          "[runtime][scheduler][LOOP-28]") {
  counted::reset();
  {
    loop l;
    l.call_soon([] { throw sheaf::system_exit(1); });
    l.call_soon([held = counted()] { FAIL("dropped"); });
    CHECK_THROWS_AS(l.run_forever(), sheaf::system_exit);
    CHECK(counted::alive == 1);
  }
  CHECK(counted::alive == 0);
}

// ---- threads ---------------------------------------------------------------------------

TEST_CASE("call_soon_threadsafe: wakes a loop that waits [LOOP-3] [THREAD-1]",
          "[runtime][scheduler][LOOP-3][THREAD-1]") {
  loop l;
  std::thread::id where;
  l.call_soon([] {});
  std::thread other([&] {
    l.call_soon_threadsafe([&] {
      where = std::this_thread::get_id();
      l.stop();
    });
  });
  l.run_forever();  // waits, since there is a thread that could call
  other.join();
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("call_soon_threadsafe: of several threads each keeps its order [THREAD-1]",
          "[runtime][scheduler][LOOP-1][THREAD-1]") {
  constexpr int threads = 4, each = 5'000;
  loop l;
  std::vector<std::vector<int>> got(threads);
  int left = threads * each;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        l.call_soon_threadsafe([&, t, i] {
          got[static_cast<std::size_t>(t)].push_back(i);
          if (--left == 0) l.stop();
        });
      }
    });
  }
  l.run_forever();
  for (std::thread& t : all) t.join();
  std::vector<int> expected;
  for (int i = 0; i < each; ++i) expected.push_back(i);
  CHECK(got == std::vector<std::vector<int>>(threads, expected));
}

TEST_CASE(
    "call_soon_threadsafe: any thread may cancel; it runs or is cancelled, not both",
    "[runtime][scheduler][LOOP-7]") {
  loop l;
  std::atomic<int> ran{0};
  int cancelled = 0;
  constexpr int n = 5'000;
  std::thread other([&] {
    for (int i = 0; i < n; ++i) {
      call_handle h = l.call_soon_threadsafe([&ran] { ++ran; });
      if (i % 2) std::this_thread::yield();
      h.cancel();
      cancelled += h.cancelled();
    }
    l.call_soon_threadsafe([&l] { l.stop(); });
  });
  l.run_forever();
  other.join();
  CHECK(ran + cancelled == n);
}

TEST_CASE(
    "call_soon_threadsafe: threads that call while the loop closes get an error, and "
    "nothing leaks [LOOP-28]",
    "[runtime][scheduler][LOOP-28]") {
  for (int round = 0; round < 30; ++round) {
    auto held = std::make_shared<int>();
    std::atomic<int> refused{0};
    std::vector<std::thread> all;
    {
      loop l;
      std::atomic<int> calls{0};
      for (int t = 0; t < 3; ++t) {
        all.emplace_back([&] {
          try {
            for (;;) {
              l.call_soon_threadsafe([held] {});
              ++calls;
            }
          } catch (const sheaf::invalid_state&) {
            ++refused;
          }
        });
      }
      while (calls < 3) l.turn();
      l.close();
      for (std::thread& t : all) t.join();
    }
    CHECK(refused == 3);
    CHECK(held.use_count() == 1);
  }
}

TEST_CASE("call_soon_threadsafe: what comes all the time is taken every 2 us at most",
          "[runtime][scheduler]") {
  struct nothing final : ready_node {
    void run() noexcept override {}
  };
  nothing fillers[31];
  loop l;
  idle each_turn(l, [&] {
    for (nothing& n : fillers) l.core().post(n);
  });
  each_turn.start();
  std::vector<std::uint64_t> turns;
  std::function<void()> again = [&] {
    turns.push_back(l.core().batch_time());
    if (turns.size() == 1'000) return l.stop();
    l.call_soon_threadsafe([&again] { again(); });
  };
  l.call_soon(again);
  l.run_forever();
  // The first turn may have run one call only.
  std::uint64_t shortest = turns.back();
  for (std::size_t i = 2; i < turns.size(); ++i)
    shortest = std::min(shortest, turns[i] - turns[i - 1]);
  CHECK(shortest >= 2'000);
}

TEST_CASE(
    "call_soon_threadsafe: on the loop's own thread it comes in a later batch "
    "[THREAD-1]",
    "[runtime][scheduler][THREAD-1]") {
  loop l;
  event_log log;
  l.call_soon([&] {
    l.call_soon_threadsafe(note(log, "inbox"));
    log.push_back("caller");
  });
  l.call_soon(note(log, "batch"));
  l.run_forever();
  l.turn();
  CHECK(log == event_log{"caller", "batch", "inbox"});
}
