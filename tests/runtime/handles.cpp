#include <sheaf/runtime/async.hpp>
#include <sheaf/runtime/check.hpp>
#include <sheaf/runtime/idle.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/poll.hpp>
#include <sheaf/runtime/prepare.hpp>
#include <sheaf/runtime/signal.hpp>
#include <sheaf/runtime/timer.hpp>

#include <uv.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/handle_table.hpp"
#include "support/pipe.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::arm;
using test::callback;
using test::event_log;
using test::kind;

namespace {

template <class H>
constexpr bool move_only =
    std::is_nothrow_move_constructible_v<H> && std::is_nothrow_move_assignable_v<H> &&
    !std::is_copy_constructible_v<H> && !std::is_copy_assignable_v<H>;
static_assert(move_only<timer> && move_only<idle> && move_only<async> && move_only<poll>);
static_assert(move_only<prepare> && move_only<check>);
static_assert(move_only<sheaf::runtime::signal>);

// Readable, and left so: a poll on it is due in every turn.
test::pipe& full_pipe(int which) {
  static test::pipe pipes[3];
  static const bool full = [] {
    for (const test::pipe& p : pipes) p.put();
    return true;
  }();
  static_cast<void>(full);
  return pipes[which];
}

const kind kinds[] = {
    {"timer",
     [](loop& l, callback f, int) {
       return arm(timer(l, std::move(f)), [](timer& t) { t.start(0ms); });
     }},
    {"repeating timer",
     [](loop& l, callback f, int) {
       return arm(timer(l, std::move(f)), [](timer& t) { t.start(0ms, 1ms); });
     }},
    {"idle", [](loop& l, callback f,
                int) { return arm(idle(l, std::move(f)), [](idle& i) { i.start(); }); }},
    {"prepare",
     [](loop& l, callback f, int) {
       return arm(prepare(l, std::move(f)), [](prepare& p) { p.start(); });
     }},
    {"check",
     [](loop& l, callback f, int) {
       // The idle keeps the poll from blocking: a check comes after it.
       auto turning = std::make_unique<idle>(l, [] {});
       return arm(check(l, std::move(f)), std::move(turning),
                  [](check& c, const std::unique_ptr<idle>& i) {
                    c.start();
                    i->start();
                  });
     }},
    {"async",
     [](loop& l, callback f, int) {
       return arm(async(l, std::move(f)), [](async& a) { a.send(); });
     }},
    {"poll",
     [](loop& l, callback f, int which) {
       auto ready = [f = std::move(f)](poll_events, std::error_code) mutable { f(); };
       return arm(poll(l, full_pipe(which).reading(), std::move(ready)),
                  [](poll& p) { p.start(poll_events::readable); });
     }},
    {"signal",
     [](loop& l, callback f, int which) {
       static constexpr int signals[] = {SIGUSR1, SIGUSR2, SIGWINCH};
       auto came = [f = std::move(f)](int) mutable { f(); };
       return arm(sheaf::runtime::signal(l, std::move(came)),
                  [signum = signals[which]](sheaf::runtime::signal& s) {
                    s.start(signum);
                    ::raise(signum);
                  });
     }},
};

}  // namespace

TEST_CASE(
    "handles: destroyed at any moment, nothing fires afterwards and nothing leaks [R7] "
    "(LOOP-20, LOOP-29)",
    "[runtime][handles][R7][LOOP-20][LOOP-29]") {
  full_pipe(0);  // opens them all, before descriptors are counted
  test::play_all(kinds);
}

TEST_CASE("handles: one that is assigned to closes what it had", "[runtime][handles]") {
  loop l;
  event_log log;
  timer a(l, [&] { log.push_back("a"); });
  timer b(l, [&] { log.push_back("b"); });
  a.start(0ms);
  b.start(0ms);
  a = std::move(b);
  l.run_forever();
  CHECK(log == event_log{"b"});
}

TEST_CASE("handles: a loop that is closed takes no more of them",
          "[runtime][handles][LOOP-28]") {
  loop l;
  timer t(l, [] {});
  idle i(l, [] {});
  async a(l, [] {});
  poll p(l, full_pipe(0).reading(), [](poll_events, std::error_code) {});
  sheaf::runtime::signal s(l, [](int) {});
  l.close();
  CHECK_THROWS_AS(timer(l, [] {}), sheaf::invalid_state);
  CHECK_THROWS_AS(idle(l, [] {}), sheaf::invalid_state);
  CHECK_THROWS_AS(async(l, [] {}), sheaf::invalid_state);
  CHECK_THROWS_AS(poll(l, full_pipe(0).reading(), [](poll_events, std::error_code) {}),
                  sheaf::invalid_state);
  CHECK_THROWS_AS(t.start(0ms), sheaf::invalid_state);
  CHECK_THROWS_AS(t.again(), sheaf::invalid_state);
  CHECK_THROWS_AS(i.start(), sheaf::invalid_state);
  CHECK_THROWS_AS(p.start(poll_events::readable), sheaf::invalid_state);
  CHECK_THROWS_AS(sheaf::runtime::signal(l, [](int) {}), sheaf::invalid_state);
  CHECK_THROWS_AS(s.start(SIGUSR1), sheaf::invalid_state);
  CHECK_THROWS_AS(s.start_oneshot(SIGUSR1), sheaf::invalid_state);
  s.stop();
  CHECK(s.signum() == 0);
  CHECK_FALSE(a.send());
  t.stop();
  i.stop();
  p.stop();
  t.ref();
  t.unref();
  CHECK_FALSE(t.has_ref());
  CHECK(t.due_in() == 0ns);
}

TEST_CASE("handles: an empty callback is refused", "[runtime][handles]") {
  loop l;
  CHECK_THROWS_AS(timer(l, callback()), sheaf::invalid_state);
  CHECK_THROWS_AS(idle(l, nullptr), sheaf::invalid_state);
  CHECK_THROWS_AS(async(l, nullptr), sheaf::invalid_state);
  CHECK_THROWS_AS(poll(l, full_pipe(0).reading(), nullptr), sheaf::invalid_state);
  CHECK_THROWS_AS(sheaf::runtime::signal(l, nullptr), sheaf::invalid_state);
}

TEST_CASE("handles: unref() lets the loop end", "[runtime][handles]") {
  loop l;
  int fired = 0;
  async a(l, [&] { ++fired; });
  timer far(l, [&] { ++fired; });
  far.start(1h);
  CHECK(a.has_ref());
  CHECK(far.has_ref());
  a.unref();
  far.unref();
  CHECK_FALSE(far.has_ref());
  CHECK(far.active());
  l.run_forever();  // would wait for an hour, or for ever
  CHECK(fired == 0);
}

// ---- timer -----------------------------------------------------------------------------

TEST_CASE("timer: fires once per start", "[runtime][handles][timer]") {
  loop l;
  int fired = 0;
  timer t(l, [&] { ++fired; });
  t.start(1h);  // replaced: were it kept, the run would not end
  CHECK(t.active());
  t.start(-1ms);
  CHECK(t.due_in() == 0ns);
  l.run_forever();
  CHECK(fired == 1);
  CHECK_FALSE(t.active());
}

TEST_CASE("timer: is never early, however old the loop's time is",
          "[runtime][handles][timer]") {
  loop l;
  uv_update_time(l.uv());
  const auto stale = l.time() + 3ms;
  while (l.time() < stale) {
  }
  const auto due = l.time() + 2ms;
  bool early = true;
  timer t(l, [&] { early = l.time() < due; });
  t.start(2ms);
  CHECK(t.due_in() > 0ns);
  l.run_forever();
  CHECK_FALSE(early);
}

TEST_CASE("timer: stop() silences one that is due", "[runtime][handles][timer]") {
  loop l;
  int fired = 0;
  timer t(l, [&] { ++fired; });
  t.start(0ms);
  t.stop();
  t.stop();
  CHECK_FALSE(t.active());
  l.run_forever();
  CHECK(fired == 0);
}

TEST_CASE("timer: repeats until it is stopped, a fraction of a millisecond as a whole",
          "[runtime][handles][timer]") {
  loop l;
  int fired = 0;
  std::optional<timer> t;
  t.emplace(l, [&] {
    if (++fired == 3) t->stop();
  });
  t->start(0ms, 1ns);
  l.run_forever();
  CHECK(fired == 3);
}

TEST_CASE("timer: again() starts a whole repeat, and is refused before start()",
          "[runtime][handles][timer]") {
  loop l;
  timer t(l, [] {});
  CHECK_THROWS_AS(t.again(), sheaf::uv_error);
  t.start(0ms, 1h);
  CHECK(t.due_in() == 0ns);
  t.again();
  CHECK(t.due_in() > 59min);
  t.start(1h);
  t.stop();
  t.again();  // it does not repeat
  CHECK_FALSE(t.active());
}

TEST_CASE("timer: a repeat that is changed holds from the next firing on",
          "[runtime][handles][timer]") {
  loop l;
  int fired = 0;
  std::optional<timer> t;
  t.emplace(l, [&] {
    // Once a day from now on: the one of the start is under way, and the last.
    if (++fired == 1) t->set_repeat(24h);
    if (fired == 2) t->stop();
  });
  CHECK(t->repeat() == 0ns);
  t->start(0ms, 1ns);
  CHECK(t->repeat() == 1ms);
  l.run_forever();
  CHECK(fired == 2);
  CHECK(t->repeat() == 24h);
  t->set_repeat(-1ns);
  CHECK(t->repeat() == 0ns);
}

// ---- idle ------------------------------------------------------------------------------

TEST_CASE("idle: runs once in each turn until it is stopped",
          "[runtime][handles][idle]") {
  loop l;
  event_log log;
  std::optional<idle> i;
  i.emplace(l, [&] {
    log.push_back("turn");
    if (log.size() == 3) i->stop();
  });
  i->start();
  i->start();
  l.run_forever();
  CHECK(log == event_log{"turn", "turn", "turn"});
  CHECK_FALSE(i->active());
  i->start();
  l.turn();
  CHECK(log.size() == 4);
}

// ---- async -----------------------------------------------------------------------------

TEST_CASE("async: sends coalesce", "[runtime][handles][async]") {
  loop l;
  int called = 0;
  async a(l, [&] { ++called; });
  l.turn();
  CHECK(called == 0);
  CHECK(a.send());
  CHECK(a.send());
  l.turn();
  CHECK(called == 1);
  l.turn();
  CHECK(called == 1);
}

TEST_CASE("async: any thread may send", "[runtime][handles][async]") {
  loop l;
  std::optional<async> a;
  std::thread::id where;
  a.emplace(l, [&] {
    where = std::this_thread::get_id();
    a.reset();
  });
  std::thread other([&] { a->send(); });
  l.run_forever();  // ends when the handle is gone: it keeps the loop
  other.join();
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("async: threads that send while the loop closes are refused, not lost in it",
          "[runtime][handles][async]") {
  for (int round = 0; round < 50; ++round) {
    loop l;
    async a(l, [] {});
    std::thread other([&] {
      while (a.send()) {
      }
    });
    l.turn();
    l.close();
    other.join();
    CHECK_FALSE(a.send());
  }
}

// ---- poll ------------------------------------------------------------------------------

static_assert((poll_events::readable | poll_events::writable) == poll_events{3});
static_assert(has(poll_events{3}, poll_events::writable));
static_assert(!has(poll_events{3}, poll_events::disconnect));

TEST_CASE("poll: tells again in each turn while the descriptor is ready",
          "[runtime][handles][poll]") {
  loop l;
  const test::pipe p;
  event_log log;
  poll reading(l, p.reading(), [&](poll_events e, std::error_code error) {
    log.push_back(e == poll_events::readable && !error ? "readable" : "?");
  });
  reading.start(poll_events::readable);
  l.turn();
  CHECK(log.empty());
  p.put();
  l.turn();
  l.turn();
  CHECK(log == event_log{"readable", "readable"});
  p.take();
  l.turn();
  CHECK(log.size() == 2);
  p.put();
  reading.stop();
  l.turn();
  CHECK(log.size() == 2);
  CHECK_FALSE(reading.active());
}

TEST_CASE("poll: a later start() replaces the events", "[runtime][handles][poll]") {
  loop l;
  int sockets[2];
  REQUIRE(uv_socketpair(SOCK_STREAM, 0, sockets, 0, 0) == 0);
  std::vector<poll_events> seen;
  {
    poll p(l, sockets[0], [&](poll_events e, std::error_code) { seen.push_back(e); });
    p.start(poll_events::readable);
    l.turn();
    p.start(poll_events::readable | poll_events::writable);
    l.turn();
    REQUIRE(write(sockets[1], "x", 1) == 1);
    l.turn();
    p.start(poll_events::readable);
    l.turn();
  }
  using enum poll_events;
  CHECK(seen == std::vector<poll_events>{writable, readable | writable, readable});
  close(sockets[0]);
  close(sockets[1]);
}

TEST_CASE("poll: an error comes as a code, and stops it", "[runtime][handles][poll]") {
  loop l;
  test::pipe p;
  std::vector<std::error_code> seen;
  poll writing(l, p.writing(), [&](poll_events e, std::error_code error) {
    CHECK(e == poll_events::none);
    seen.push_back(error);
  });
  writing.start(poll_events::writable);
  p.close_reading();
  l.turn();
  l.turn();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0] == std::errc::bad_file_descriptor);  // what libuv makes of EPOLLERR
  CHECK_FALSE(writing.active());
}

TEST_CASE("poll: what cannot be polled is an uv_error", "[runtime][handles][poll]") {
  loop l;
  const auto ignore = [](poll_events, std::error_code) {};
  const auto code = [&](int descriptor) {
    try {
      poll(l, descriptor, ignore);
    } catch (const sheaf::uv_error& e) {
      return e.code();
    }
    return std::error_code();
  };
  const test::pipe p;
  poll first(l, p.reading(), ignore);
  first.start(poll_events::readable);
  CHECK(code(p.reading()) == std::errc::file_exists);
  std::FILE* const file = std::tmpfile();
  CHECK(code(fileno(file)) == std::errc::operation_not_permitted);
  std::fclose(file);
  int closed;
  {
    const test::pipe gone;
    closed = gone.reading();
  }
  CHECK(code(closed) == std::errc::bad_file_descriptor);
}
