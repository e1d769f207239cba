#include <sheaf/runtime/interrupt_watch.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/signal.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/counted.hpp"
#include "support/disposition.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using sheaf::runtime::interrupt_watch;
using sheaf::runtime::loop;
using sheaf::runtime::sigpipe_guard;
using test::counted;
using test::disposition;
using test::event_log;
using handle = sheaf::runtime::signal;

// ---- the handle ------------------------------------------------------------------------

TEST_CASE(
    "signal: the callback gets the signal, on the loop's thread, any number of times",
    "[runtime][signal]") {
  loop l;
  std::vector<int> got;
  handle s(l, [&](int signum) {
    CHECK(&loop::current() == &l);
    got.push_back(signum);
  });
  CHECK(s.signum() == 0);
  s.start(SIGUSR1);
  CHECK(s.signum() == SIGUSR1);
  for (int i = 0; i < 3; ++i) {
    ::raise(SIGUSR1);
    CHECK(got.size() == static_cast<std::size_t>(i));  // not in the signal's context
    l.turn();
  }
  CHECK(got == std::vector<int>{SIGUSR1, SIGUSR1, SIGUSR1});
}

TEST_CASE("signal: oneshot is called once, and the default is restored",
          "[runtime][signal]") {
  loop l;
  int called = 0;
  handle s(l, [&](int) { ++called; });
  s.start_oneshot(SIGUSR1);
  ::raise(SIGUSR1);
  ::raise(SIGUSR1);
  l.turn();
  CHECK(called == 1);
  CHECK(disposition::of(SIGUSR1) == SIG_DFL);
  CHECK(s.signum() == 0);
  CHECK_FALSE(s.active());
}

TEST_CASE("signal: start after start_oneshot of the same signal stays started",
          "[runtime][signal]") {
  loop l;
  int called = 0;
  handle s(l, [&](int) { ++called; });
  s.start_oneshot(SIGUSR1);
  s.start(SIGUSR1);
  for (int i = 0; i < 2; ++i) {
    ::raise(SIGUSR1);
    l.turn();
  }
  CHECK(called == 2);
  s.start_oneshot(SIGUSR1);
  ::raise(SIGUSR1);
  l.turn();
  CHECK(called == 3);
  CHECK_FALSE(s.active());
}

TEST_CASE("signal: a start replaces the one before", "[runtime][signal]") {
  loop l;
  std::vector<int> got;
  handle s(l, [&](int signum) { got.push_back(signum); });
  s.start(SIGUSR1);
  s.start(SIGUSR2);
  CHECK(disposition::of(SIGUSR1) == SIG_DFL);
  ::raise(SIGUSR2);
  l.turn();
  CHECK(got == std::vector<int>{SIGUSR2});
}

TEST_CASE("signal: stop() silences one that came, and restores the default",
          "[runtime][signal]") {
  loop l;
  int called = 0;
  handle s(l, [&](int) { ++called; });
  s.start(SIGUSR1);
  ::raise(SIGUSR1);
  s.stop();
  s.stop();
  CHECK(disposition::of(SIGUSR1) == SIG_DFL);
  l.turn();
  CHECK(called == 0);
}

TEST_CASE("signal: all that wait for it are called, in any loop", "[runtime][signal]") {
  loop one, other;
  int called = 0;
  handle a(one, [&](int) { ++called; });
  handle b(one, [&](int) { ++called; });
  handle c(other, [&](int) { ++called; });
  a.start(SIGUSR1);
  b.start(SIGUSR1);
  c.start(SIGUSR1);
  ::raise(SIGUSR1);
  one.turn();
  CHECK(called == 2);
  other.turn();
  CHECK(called == 3);
}

TEST_CASE("signal: what is no signal, or cannot be caught, is an uv_error",
          "[runtime][signal]") {
  loop l;
  handle s(l, [](int) {});
  for (const int bad : {0, -1, 1000, SIGKILL, SIGSTOP}) {
    CHECK_THROWS_AS(s.start(bad), sheaf::uv_error);
    CHECK_THROWS_AS(s.start_oneshot(bad), sheaf::uv_error);
  }
  CHECK_FALSE(s.active());
}

// ---- add_signal_handler ----------------------------------------------------------------

TEST_CASE(
    "loop: a signal handler runs in the queue, never in the signal's context "
    "[SIGNAL-1]",
    "[runtime][signal][SIGNAL-1]") {
  loop l;
  event_log log;
  l.add_signal_handler(SIGUSR1, [&] {
    CHECK(&loop::current() == &l);
    log.push_back("handler");
    l.call_soon([&] { log.push_back("queued by it"); });
    l.stop();
  });
  l.call_soon([&] {
    ::raise(SIGUSR1);
    log.push_back("raised");
  });
  l.run_forever();
  l.turn();
  CHECK(log == event_log{"raised", "handler", "queued by it"});
}

TEST_CASE("loop: a signal wakes a loop that sleeps in its poll [SIGNAL-1]",
          "[runtime][signal][SIGNAL-1]") {
  loop l;
  bool called = false;
  l.add_signal_handler(SIGUSR1, [&] {
    called = true;
    l.stop();
  });
  const pthread_t self = ::pthread_self();
  std::thread sender([self] { ::pthread_kill(self, SIGUSR1); });
  l.run_forever();  // for ever, were it not for the signal
  sender.join();
  CHECK(called);
}

TEST_CASE("loop: a signal handler has what was bound to it [SIGNAL-2]",
          "[runtime][signal][SIGNAL-2]") {
  loop l;
  event_log log;
  const auto note = [&log](const std::string& a, int b) {
    log.push_back(a + std::to_string(b));
  };
  l.add_signal_handler(SIGUSR1, std::bind_front(note, "x", 7));
  ::raise(SIGUSR1);
  l.turn();
  l.turn();
  CHECK(log == event_log{"x7"});
}

TEST_CASE(
    "loop: one handler for each signal: a second replaces it, and stays "
    "[SIGNAL-3]",
    "[runtime][signal][SIGNAL-3]") {
  loop l;
  event_log log;
  const auto logs = [&log](const char* what) {
    return [&log, what] { log.push_back(what); };
  };
  l.add_signal_handler(SIGUSR1, logs("first"));
  l.add_signal_handler(SIGUSR2, logs("other"));
  l.add_signal_handler(SIGUSR1, logs("second"));
  for (int i = 0; i < 2; ++i) {
    ::raise(SIGUSR1);
    l.turn();
    l.turn();
  }
  ::raise(SIGUSR2);
  l.turn();
  l.turn();
  CHECK(log == event_log{"second", "second", "other"});
}

TEST_CASE(
    "loop: a handler that is replaced is destroyed, and at no time the default holds "
    "[SIGNAL-3]",
    "[runtime][signal][SIGNAL-3]") {
  counted::reset();
  loop l;
  l.add_signal_handler(SIGUSR1, [held = counted()] {});
  CHECK(counted::alive == 1);
  void (*during)(int) = nullptr;
  struct looks {
    void (**at)(int);
    ~looks() { *at = disposition::of(SIGUSR1); }
    void operator()() const {}
  };
  l.add_signal_handler(SIGUSR1, looks{&during});
  CHECK(counted::alive == 0);
  l.add_signal_handler(SIGUSR1, [] {});
  CHECK(during != SIG_DFL);
}

TEST_CASE(
    "loop: removing tells whether there was one, and restores the default "
    "[SIGNAL-4]",
    "[runtime][signal][SIGNAL-4]") {
  loop l;
  CHECK_FALSE(l.remove_signal_handler(SIGUSR1));
  CHECK_FALSE(l.has_signal_handler(SIGUSR1));
  l.add_signal_handler(SIGUSR1, [] {});
  CHECK(l.has_signal_handler(SIGUSR1));
  CHECK(disposition::of(SIGUSR1) != SIG_DFL);
  CHECK(l.remove_signal_handler(SIGUSR1));
  CHECK(disposition::of(SIGUSR1) == SIG_DFL);
  CHECK_FALSE(l.remove_signal_handler(SIGUSR1));
  CHECK_FALSE(l.remove_signal_handler(12345));
}

TEST_CASE(
    "loop: no signal is an argument error, one that cannot be caught the system's "
    "[SIGNAL-5]",
    "[runtime][signal][SIGNAL-5]") {
  loop l;
  for (const int bad : {0, -1, 1000}) {
    CHECK_THROWS_AS(l.add_signal_handler(bad, [] {}), std::invalid_argument);
  }
  CHECK_THROWS_AS(l.add_signal_handler(SIGKILL, [] {}), sheaf::uv_error);
  CHECK_THROWS_AS(l.add_signal_handler(SIGSTOP, [] {}), sheaf::uv_error);
  CHECK_FALSE(l.has_signal_handler(SIGKILL));
  CHECK_THROWS_AS(l.add_signal_handler(SIGUSR1, nullptr), sheaf::invalid_state);
}

TEST_CASE(
    "loop: on a closed loop adding a handler is an error, removing gives false "
    "[SIGNAL-6] [LOOP-28]",
    "[runtime][signal][SIGNAL-6][LOOP-28]") {
  counted::reset();
  loop l;
  l.add_signal_handler(SIGUSR1, [held = counted()] {});
  l.close();
  CHECK(counted::alive == 0);  // closing removes all
  CHECK(disposition::of(SIGUSR1) == SIG_DFL);
  CHECK_THROWS_AS(l.add_signal_handler(SIGUSR1, [] {}), sheaf::invalid_state);
  CHECK_FALSE(l.remove_signal_handler(SIGUSR1));
  CHECK_FALSE(l.has_signal_handler(SIGUSR1));
}

TEST_CASE("loop: any thread's loop may handle signals, which asyncio refuses [SIGNAL-6]",
          "[runtime][signal][SIGNAL-6]") {
  bool called = false;
  std::thread([&] {
    loop l;
    l.add_signal_handler(SIGUSR1, [&] {
      called = true;
      l.stop();
    });
    l.call_soon([] { ::raise(SIGUSR1); });
    l.run_forever();
  }).join();
  CHECK(called);
}

TEST_CASE("loop: a signal whose handler was removed meanwhile is ignored [SIGNAL-7]",
          "[runtime][signal][SIGNAL-7]") {
  for (const bool queued : {false, true}) {
    loop l;
    int called = 0;
    l.add_signal_handler(SIGUSR1, [&] { ++called; });
    // One turn polls, which queues the handler; it runs in the next.
    ::raise(SIGUSR1);
    if (queued) l.turn();
    l.remove_signal_handler(SIGUSR1);
    l.turn();
    l.turn();
    CHECK(called == 0);
  }
}

TEST_CASE("loop: a signal handler may remove itself, and is destroyed when it returns",
          "[runtime][signal]") {
  counted::reset();
  loop l;
  int called = 0;
  l.add_signal_handler(SIGUSR1, [&l, &called, held = counted()] {
    CHECK(l.remove_signal_handler(SIGUSR1));
    CHECK(counted::alive == 1);
    ++called;
  });
  ::raise(SIGUSR1);
  l.turn();
  l.turn();
  CHECK(called == 1);
  CHECK(counted::alive == 0);
}

TEST_CASE("loop: a handler whose destructor adds another keeps the table sound",
          "[runtime][signal]") {
  loop l;
  struct adds {
    loop* l;
    explicit adds(loop* where) : l(where) {}
    adds(adds&& from) noexcept : l(std::exchange(from.l, nullptr)) {}
    ~adds() {
      if (l) l->add_signal_handler(SIGUSR2, [] {});
    }
    void operator()() const {}
  };
  l.add_signal_handler(SIGUSR1, adds(&l));
  l.add_signal_handler(SIGUSR1, [] {});
  CHECK(l.has_signal_handler(SIGUSR2));
  l.remove_signal_handler(SIGUSR2);
  l.add_signal_handler(SIGUSR1, adds(&l));
  CHECK(l.remove_signal_handler(SIGUSR1));
  CHECK(l.has_signal_handler(SIGUSR2));
}

TEST_CASE("loop: what a signal handler throws is reported", "[runtime][signal]") {
  loop l;
  event_log log;
  l.set_exception_handler(
      [&](const sheaf::exception_context& c) { log.push_back(c.message); });
  l.add_signal_handler(SIGUSR1, [] { throw std::runtime_error("x"); });
  ::raise(SIGUSR1);
  l.turn();
  l.turn();
  CHECK(log == event_log{"exception in signal handler"});
}

// ---- interrupt_watch -------------------------------------------------------------------

TEST_CASE("interrupt_watch: is for the main thread, where SIGINT has its default",
          "[runtime][signal]") {
  const disposition usual(SIGINT, SIG_DFL);
  CHECK(interrupt_watch::available());
  bool elsewhere = true;
  std::thread([&] { elsewhere = interrupt_watch::available(); }).join();
  CHECK_FALSE(elsewhere);
  const disposition own(SIGINT, [](int) {});
  CHECK_FALSE(interrupt_watch::available());
  const disposition ignored(SIGINT, SIG_IGN);
  CHECK_FALSE(interrupt_watch::available());
}

TEST_CASE(
    "interrupt_watch: is called on the loop, keeps it not running, and restores the "
    "default",
    "[runtime][signal]") {
  const disposition usual(SIGINT, SIG_DFL);
  loop l;
  int called = 0;
  {
    const interrupt_watch w(l, [&] { ++called; });
    CHECK_FALSE(interrupt_watch::available());
    l.call_soon([] { ::raise(SIGINT); });
    l.run_forever();
    CHECK(called == 1);
    l.call_soon([] { ::raise(SIGINT); });
    l.run_forever();
    CHECK(called == 2);
  }
  CHECK(disposition::of(SIGINT) == SIG_DFL);
}

TEST_CASE("interrupt_watch: leaves a handler alone that came after it",
          "[runtime][signal]") {
  const disposition usual(SIGINT, SIG_DFL);
  loop l;
  void (*const own)(int) = [](int) {};
  {
    const interrupt_watch w(l, [] {});
    ::signal(SIGINT, own);
  }
  CHECK(disposition::of(SIGINT) == own);
}

TEST_CASE("interrupt_watch: another that waits for SIGINT through libuv goes on",
          "[runtime][signal]") {
  const disposition usual(SIGINT, SIG_DFL);
  loop l;
  int called = 0;
  handle s(l, [&](int) { ++called; });
  {
    const interrupt_watch w(l, [] {});
    s.start(SIGINT);
  }
  ::raise(SIGINT);
  l.turn();
  CHECK(called == 1);
}

TEST_CASE(
    "interrupt_watch: the third signal that a busy loop does not see ends the "
    "program",
    "[runtime][signal]") {
  const auto end_after = [](int unseen) {
    return test::end_of_child([unseen] {
      ::signal(SIGINT, SIG_DFL);
      loop l;
      const interrupt_watch w(l, [] {});
      l.call_soon([unseen] {
        for (int i = 0; i < unseen; ++i) ::raise(SIGINT);
      });
      l.run_forever();
      l.call_soon([] { ::raise(SIGINT); });  // seen meanwhile: counted anew
      l.run_forever();
    });
  };
  CHECK(end_after(2).signal == 0);
  CHECK(end_after(2).code == 0);
  CHECK(end_after(3).signal == SIGINT);
}

// ---- sigpipe_guard ---------------------------------------------------------------------

TEST_CASE("sigpipe_guard: ignores SIGPIPE while one lives, and restores the default",
          "[runtime][signal]") {
  const disposition usual(SIGPIPE, SIG_DFL);
  auto a = std::make_unique<sigpipe_guard>();
  CHECK(disposition::of(SIGPIPE) == SIG_IGN);
  const auto b = std::make_unique<sigpipe_guard>();
  a.reset();
  CHECK(disposition::of(SIGPIPE) == SIG_IGN);
}

TEST_CASE("sigpipe_guard: restores the default with the last", "[runtime][signal]") {
  const disposition usual(SIGPIPE, SIG_DFL);
  {
    const sigpipe_guard a, b;
  }
  CHECK(disposition::of(SIGPIPE) == SIG_DFL);
}

TEST_CASE("sigpipe_guard: what the program has set it leaves alone",
          "[runtime][signal]") {
  void (*const own)(int) = [](int) {};
  const disposition before(SIGPIPE, own);
  {
    const sigpipe_guard g;
    CHECK(disposition::of(SIGPIPE) == own);
  }
  CHECK(disposition::of(SIGPIPE) == own);
  ::signal(SIGPIPE, SIG_DFL);
  {
    const sigpipe_guard g;
    ::signal(SIGPIPE, own);
  }
  CHECK(disposition::of(SIGPIPE) == own);
}
