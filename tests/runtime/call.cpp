#include <sheaf/runtime/call.hpp>
#include <sheaf/runtime/loop.hpp>

#include <array>
#include <memory>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::counted;
using test::event_log;

static_assert(std::is_nothrow_move_constructible_v<call_handle>);
static_assert(std::is_copy_constructible_v<call_handle>);
static_assert(std::is_base_of_v<call_handle, timer_handle>);
static_assert(noexcept(std::declval<call_handle&>().cancel()));

namespace {

struct way {
  const char* name;
  call_handle (*make)(loop&, unique_function<void()>);
};

const way ways[] = {
    {"call_soon",
     [](loop& l, unique_function<void()> f) { return l.call_soon(std::move(f)); }},
    {"call_later",
     [](loop& l, unique_function<void()> f) -> call_handle {
       return l.call_later(10s, std::move(f));
     }},
    {"call_later, due at once",
     [](loop& l, unique_function<void()> f) -> call_handle {
       return l.call_later(0s, std::move(f));
     }},
    {"call_at",
     [](loop& l, unique_function<void()> f) -> call_handle {
       return l.call_at(l.time() + 10s, std::move(f));
     }},
    {"call_soon_threadsafe",
     [](loop& l, unique_function<void()> f) {
       return l.call_soon_threadsafe(std::move(f));
     }},
};

void run(loop& l) {
  for (int i = 0; i < 5; ++i) l.turn();
}

}  // namespace

TEST_CASE(
    "call_handle: cancelled before, the callback never runs and dies at once "
    "[LOOP-7] [LOOP-8]",
    "[runtime][call][LOOP-7][LOOP-8]") {
  for (const way& w : ways) {
    INFO(w.name);
    counted::reset();
    loop l{clock_kind::manual};
    int ran = 0;
    call_handle h = w.make(l, [&ran, held = counted()] { ++ran; });
    CHECK_FALSE(h.cancelled());
    CHECK(counted::alive == 1);
    h.cancel();
    CHECK(h.cancelled());
    CHECK(counted::alive == 0);  // not only when it would have been due
    h.cancel();
    CHECK(h.cancelled());
    l.advance(1min);
    run(l);
    CHECK(ran == 0);
    h.cancel();
    CHECK(h.cancelled());
  }
}

TEST_CASE("call_handle: cancel() after it ran has no effect [LOOP-7]",
          "[runtime][call][LOOP-7]") {
  for (const way& w : ways) {
    INFO(w.name);
    counted::reset();
    loop l{clock_kind::manual};
    int ran = 0;
    call_handle h = w.make(l, [&ran, held = counted()] { ++ran; });
    run(l);  // takes what came by the inbox
    l.advance(1min);
    run(l);
    CHECK(ran == 1);
    CHECK(counted::alive == 0);  // although the handle lives
    h.cancel();
    CHECK_FALSE(h.cancelled());
  }
}

TEST_CASE("call_handle: cancel() inside its own callback has no effect [LOOP-7]",
          "[runtime][call][LOOP-7]") {
  loop l;
  call_handle h;
  int ran = 0;
  h = l.call_soon([&, held = counted()] {
    const int alive = counted::alive;
    h.cancel();
    CHECK(counted::alive == alive);
    ++ran;
  });
  l.run_forever();
  CHECK(ran == 1);
  CHECK_FALSE(h.cancelled());
}

TEST_CASE("call_handle: one callback of a batch cancels a later one of it [LOOP-7]",
          "[runtime][call][LOOP-7]") {
  loop l{clock_kind::manual};
  event_log log;
  call_handle soon;
  timer_handle due;
  l.call_soon([&] {
    soon.cancel();
    due.cancel();
  });
  soon = l.call_soon([&] { log.push_back("soon"); });
  due = l.call_later(0s, [&] { log.push_back("due"); });
  l.call_soon([&] { log.push_back("last"); });
  run(l);
  CHECK(log == event_log{"last"});
  CHECK(soon.cancelled());
  CHECK(due.cancelled());
}

TEST_CASE("call_handle: dropping it cancels nothing", "[runtime][call]") {
  for (const way& w : ways) {
    counted::reset();
    loop l{clock_kind::manual};
    int ran = 0;
    static_cast<void>(w.make(l, [&ran, held = counted()] { ++ran; }));
    run(l);
    l.advance(1min);
    run(l);
    CHECK(ran == 1);
    CHECK(counted::alive == 0);
  }
}

TEST_CASE("call_handle: one that refers to nothing is harmless", "[runtime][call]") {
  call_handle h;
  h.cancel();
  CHECK_FALSE(h.cancelled());
  CHECK_FALSE(timer_handle().cancelled());
}

TEST_CASE("call_handle: outlives its loop, which has dropped the callback [LOOP-28]",
          "[runtime][call][LOOP-28]") {
  for (const way& w : ways) {
    INFO(w.name);
    counted::reset();
    call_handle h;
    int ran = 0;
    {
      loop l{clock_kind::manual};
      h = w.make(l, [&ran, held = counted()] { ++ran; });
    }
    CHECK(ran == 0);
    CHECK(counted::alive == 0);
    CHECK(h.cancelled());
    h.cancel();
  }
}

TEST_CASE("timer_handle: tells its deadline [LOOP-9]", "[runtime][call][LOOP-9]") {
  loop l{clock_kind::manual};
  const auto now = l.time();
  CHECK(l.call_later(5s, [] {}).when() == now + 5s);
  CHECK(l.call_at(now + 7s, [] {}).when() == now + 7s);
  CHECK(l.call_later(-5ms, [] {}).when() == now - 5ms);
}

TEST_CASE("call: any callable will do, of any size, copied or moved in",
          "[runtime][call]") {
  loop l;
  int sum = 0;
  auto by_copy = [&sum, n = 1] { sum += n; };
  l.call_soon(by_copy);
  l.call_soon(std::as_const(by_copy));
  l.call_soon([&sum, p = std::make_unique<int>(10)] { sum += *p; });
  std::array<int, 1'000> large{};
  large[999] = 100;
  l.call_soon([&sum, large] { sum += large[999]; });
  l.call_soon([&sum]() mutable { return ++sum; });  // what it returns is dropped
  static int* target;
  target = &sum;
  l.call_soon(+[] { *target += 1'000; });
  l.run_forever();
  CHECK(sum == 1'113);
}

TEST_CASE("call: what a dying callback owns may queue and cancel others",
          "[runtime][call]") {
  struct at_death {
    unique_function<void()> f;
    explicit at_death(unique_function<void()> g) : f(std::move(g)) {}
    at_death(at_death&&) = default;
    ~at_death() {
      if (f) f();
    }
    void operator()() const {}
  };
  event_log log;
  loop l;
  call_handle other = l.call_later(1h, [] {});
  call_handle h = l.call_soon(at_death([&] {
    other.cancel();
    l.call_soon([&] { log.push_back("queued by a destructor"); });
  }));
  h.cancel();
  l.run_forever();
  CHECK(log == event_log{"queued by a destructor"});
  // At close there is nobody left to run it.
  l.call_soon(at_death([&] {
    try {
      l.call_soon([] {});
    } catch (const sheaf::invalid_state&) {
      log.push_back("refused");
    }
  }));
  l.close();
  CHECK(log == event_log{"queued by a destructor", "refused"});
}
