#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/timer.hpp>

#include <uv.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/host.hpp"

using namespace std::chrono_literals;
using sheaf::borrowed;
using sheaf::runtime::loop;
using test::counted;
using test::event_log;
using test::host;

namespace {

auto note(event_log& log, std::string what) {
  return [&log, what] { log.push_back(what); };
}

/// A timer of the host's own.
struct host_timer {
  host_timer(host& h, event_log& l, std::string n, unsigned ms, unsigned repeats)
      : log(l), name(std::move(n)), left(repeats) {
    REQUIRE(uv_timer_init(h.get(), &timer) == 0);
    timer.data = this;
    uv_timer_start(&timer, on_timer, ms, 1);
  }
  static void on_timer(uv_timer_t* t) {
    auto& self = *static_cast<host_timer*>(t->data);
    self.log.push_back(self.name);
    if (--self.left == 0) uv_close(reinterpret_cast<uv_handle_t*>(t), nullptr);
  }
  uv_timer_t timer;
  event_log& log;
  std::string name;
  unsigned left;
};

}  // namespace

TEST_CASE("borrowed: callbacks run in the host's uv_run, which ends by itself",
          "[runtime][borrowed]") {
  host h;
  loop l(h.get(), borrowed);
  CHECK(l.uv() == h.get());
  event_log log;
  l.call_soon([&] {
    log.push_back("soon");
    CHECK(&loop::current() == &l);
    l.call_soon(note(log, "next"));
    l.call_later(1ms, note(log, "later"));
  });
  CHECK(log.empty());
  CHECK(h.run());
  CHECK(log == event_log{"soon", "next", "later"});
  CHECK_FALSE(loop::has_current());
}

TEST_CASE("borrowed: with nothing to do it does not keep the host alive",
          "[runtime][borrowed]") {
  host h;
  const loop l(h.get(), borrowed);
  CHECK(uv_loop_alive(h.get()) == 0);
  CHECK_FALSE(h.turn());
  CHECK(h.run());
}

TEST_CASE("borrowed: a cancelled deadline does not keep the host alive",
          "[runtime][borrowed][LOOP-14]") {
  host h;
  loop l(h.get(), borrowed);
  auto a = l.call_later(1h, [] {});
  auto b = l.call_later(1h + 1ns, [] {});
  CHECK(uv_loop_alive(h.get()) != 0);
  a.cancel();
  b.cancel();
  CHECK(uv_loop_alive(h.get()) == 0);
}

TEST_CASE("borrowed: the host's timers go on beside it", "[runtime][borrowed]") {
  host h;
  loop l(h.get(), borrowed);
  event_log log;
  host_timer t(h, log, "host", 0, 3);
  l.call_later(1h, note(log, "never")).cancel();
  l.call_soon(note(log, "sheaf"));
  CHECK(h.run());
  CHECK(log.size() == 4);
  CHECK(std::count(log.begin(), log.end(), "host") == 3);
}

TEST_CASE("borrowed: a chain of callbacks does not starve the host",
          "[runtime][borrowed]") {
  host h;
  loop l(h.get(), borrowed);
  event_log log;
  host_timer t(h, log, "host", 1, 1);
  bool go_on = true;
  std::function<void()> endless = [&] {
    if (log.empty()) l.call_soon(endless);
    go_on = log.empty();
  };
  endless();
  CHECK(h.run());
  CHECK_FALSE(go_on);
  CHECK(log == event_log{"host"});
}

TEST_CASE("borrowed: it cannot be run or stopped from here, only by its host",
          "[runtime][borrowed]") {
  host h;
  loop l(h.get(), borrowed);
  CHECK_THROWS_AS(l.run_forever(), sheaf::invalid_state);
  CHECK_THROWS_AS(l.turn(), sheaf::invalid_state);
  CHECK_THROWS_AS(l.stop(), sheaf::invalid_state);
  event_log log;
  l.call_soon([&] {
    try {
      l.stop();
    } catch (const sheaf::invalid_state&) {
      log.push_back("refused");
    }
    l.call_soon(note(log, "goes on"));
  });
  CHECK(h.run());
  CHECK(log == event_log{"refused", "goes on"});
}

TEST_CASE("borrowed: without a uv_loop_t it is refused", "[runtime][borrowed]") {
  CHECK_THROWS_AS(loop(nullptr, borrowed), sheaf::invalid_state);
}

TEST_CASE("borrowed: errors and a system_exit are reported, the host runs on",
          "[runtime][borrowed][LOOP-17]") {
  host h;
  loop l(h.get(), borrowed);
  event_log log;
  l.set_exception_handler([&](const sheaf::exception_context& c) {
    log.push_back(sheaf::describe(c.exception));
  });
  l.call_soon([] { throw std::runtime_error("boom"); });
  l.call_soon([] { throw sheaf::system_exit(1); });
  l.call_soon(note(log, "next"));
  CHECK(h.run());
  CHECK(log == event_log{"std::runtime_error: boom", "sheaf::system_exit", "next"});
}

TEST_CASE("borrowed: a host that stops loses nothing", "[runtime][borrowed]") {
  host h;
  loop l(h.get(), borrowed);
  event_log log;
  l.call_soon([&] {
    uv_stop(h.get());
    log.push_back("one");
  });
  l.call_later(1ms, note(log, "two"));
  CHECK_FALSE(h.run());
  CHECK(log == event_log{"one"});
  CHECK(h.run());
  CHECK(log == event_log{"one", "two"});
}

TEST_CASE("borrowed: two of them in one host, each its own queue",
          "[runtime][borrowed]") {
  host h;
  loop a(h.get(), borrowed), b(h.get(), borrowed);
  event_log log;
  a.call_soon([&] {
    log.push_back(&loop::current() == &a ? "a" : "?");
    b.call_soon([&] { log.push_back(&loop::current() == &b ? "b" : "?"); });
  });
  CHECK(h.run());
  CHECK(log == event_log{"a", "b"});
}

TEST_CASE("borrowed: another thread may call while the host runs",
          "[runtime][borrowed]") {
  host h;
  loop l(h.get(), borrowed);
  event_log log;
  // The host is kept running by a handle of its own; the message ends that.
  uv_timer_t far;
  uv_timer_init(h.get(), &far);
  uv_timer_start(&far, [](uv_timer_t*) {}, 1'000'000'000, 0);
  std::thread other([&] {
    l.call_soon_threadsafe([&] {
      log.push_back("called");
      uv_close(reinterpret_cast<uv_handle_t*>(&far), nullptr);
    });
  });
  CHECK(h.run());
  other.join();
  CHECK(log == event_log{"called"});
}

TEST_CASE("borrowed: destroyed at any time, the host gets its handles back",
          "[runtime][borrowed][R7]") {
  counted::reset();
  event_log log;
  const auto busy = [&log](loop& l) {
    l.call_soon([&log, held = counted()] { log.push_back("soon"); });
    l.call_later(1h, [&log, held = counted()] { log.push_back("later"); });
    l.call_soon_threadsafe([&log, held = counted()] { log.push_back("threadsafe"); });
  };
  SECTION("before the host's first turn") {
    host h;  // checks at its end that all handles were closed
    loop l(h.get(), borrowed);
    busy(l);
  }
  SECTION("between two turns") {
    host h;
    std::optional<loop> l(std::in_place, h.get(), borrowed);
    h.turn();
    busy(*l);
    l.reset();
    CHECK(counted::alive == 0);
    h.turn();
    h.turn();
  }
  SECTION("after the host's last turn but one") {
    host h;
    loop l(h.get(), borrowed);
    h.run();
    busy(l);
  }
  SECTION("in a callback of the host") {
    host h;
    std::optional<loop> l(std::in_place, h.get(), borrowed);
    busy(*l);
    uv_idle_t idle;
    uv_idle_init(h.get(), &idle);
    idle.data = &l;
    // Begun after sheaf's, and libuv runs the youngest first.
    uv_idle_start(&idle, [](uv_idle_t* i) {
      static_cast<std::optional<loop>*>(i->data)->reset();
      uv_close(reinterpret_cast<uv_handle_t*>(i), nullptr);
    });
    h.turn();
    CHECK(counted::alive == 0);
  }
  SECTION("closed, then destroyed later") {
    host h;
    loop l(h.get(), borrowed);
    busy(l);
    l.close();
    h.turn();
    CHECK_THROWS_AS(l.call_soon([] {}), sheaf::invalid_state);
    CHECK_THROWS_AS(l.call_soon_threadsafe([] {}), sheaf::invalid_state);
  }
  CHECK(log.empty());
  CHECK(counted::alive == 0);
}

TEST_CASE("borrowed: it can be made again in the same host", "[runtime][borrowed]") {
  host h;
  event_log log;
  for (int i = 0; i < 3; ++i) {
    loop l(h.get(), borrowed);
    l.call_soon(note(log, std::to_string(i)));
    CHECK(h.run());
  }
  CHECK(log == event_log{"0", "1", "2"});
}

TEST_CASE("borrowed: the first delay counts from now, however old the host's time is",
          "[runtime][borrowed][LOOP-9]") {
  host h;
  loop l(h.get(), borrowed);
  const auto until = l.time() + 3ms;
  while (l.time() < until) {
  }
  const auto due = l.time() + 2ms;
  bool early = true;
  l.call_later(2ms, [&] { early = l.time() < due; });
  CHECK(h.run());
  CHECK_FALSE(early);
}
