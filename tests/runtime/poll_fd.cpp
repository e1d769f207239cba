#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/runtime/timer.hpp>

#include <poll.h>
#include <uv.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/descriptors.hpp"
#include "support/event_log.hpp"
#include "support/host.hpp"
#include "support/pipe.hpp"

#ifdef __linux__

using namespace std::chrono_literals;
using sheaf::runtime::loop;
using test::event_log;

namespace {

/// A host that knows nothing of libuv: it waits for one descriptor with poll(2), taken once.
class polling_host {
 public:
  explicit polling_host(loop& l) : loop_(l), descriptor_(l.poll_fd()) {}

  bool readable(int ms = 0) const {
    pollfd p{descriptor_, POLLIN, 0};
    return ::poll(&p, 1, ms) == 1 && (p.revents & POLLIN) != 0;
  }
  /// Waits as long as it takes, but not for ever, and runs what is ready.
  bool turn() {
    REQUIRE(readable(20'000));
    ++turns_;
    return loop_.run_ready();
  }
  template <class Done>
  void until(Done done) {
    while (!done()) turn();
  }
  /// Turns until there is nothing to do at once.
  void settle() {
    while (readable()) {
      REQUIRE(turns_ < 1000);
      turn();
    }
  }
  int turns() const noexcept { return turns_; }

 private:
  loop& loop_;
  int descriptor_;
  int turns_ = 0;
};

}  // namespace

TEST_CASE("poll_fd: a loop that is run by turns, and has nothing to do, is not readable",
          "[runtime][poll_fd]") {
  loop l;
  const polling_host host(l);
  bool ran = false;
  l.call_soon([&ran] { ran = true; });
  for (int i = 0; i < 3; ++i) l.turn();
  CHECK(ran);
  CHECK_FALSE(host.readable());
  l.call_later(0s, [&ran] { ran = false; });
  while (ran) l.turn();
  l.turn();
  CHECK_FALSE(host.readable());
}

TEST_CASE("poll_fd: a loop with nothing to do is not readable", "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  h.settle();
  CHECK(h.turns() <= 3);
  CHECK_FALSE(h.readable(20));
  CHECK_FALSE(l.run_ready());
  CHECK_FALSE(h.readable(20));
}

TEST_CASE("poll_fd: it is one descriptor, and stays the same", "[runtime][poll_fd]") {
  loop l;
  const int first = l.poll_fd();
  l.run_ready();
  CHECK(l.poll_fd() == first);
}

TEST_CASE("poll_fd: what the host queues between turns makes it readable, until it ran",
          "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  h.settle();
  event_log log;
  l.call_soon([&] { log.push_back("one"); });
  CHECK(h.readable());
  CHECK(h.readable());
  CHECK(log.empty());
  h.settle();
  CHECK(log == event_log{"one"});
  l.call_soon([&] { l.call_soon([&] { log.push_back("two"); }); });
  h.settle();
  CHECK(log == event_log{"one", "two"});
  CHECK_FALSE(h.readable());
}

TEST_CASE("poll_fd: it is readable when a deadline is due, not before",
          "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  h.settle();
  bool rang = false;
  const auto due = l.time() + 30ms;
  l.call_later(30ms, [&] {
    rang = true;
    CHECK(l.time() >= due);
  });
  h.settle();
  const int before = h.turns();
  CHECK_FALSE(rang);
  h.until([&] { return rang; });
  CHECK(h.turns() - before <= 3);  // it slept, and was not woken for nothing
  h.settle();
  CHECK_FALSE(l.run_ready());
}

TEST_CASE("poll_fd: an earlier deadline takes the place of a later one",
          "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  event_log log;
  auto far = l.call_later(1h, [&] { log.push_back("far"); });
  h.settle();
  l.call_later(5ms, [&] { log.push_back("near"); });
  h.until([&] { return !log.empty(); });
  CHECK(log == event_log{"near"});
  far.cancel();
  h.settle();
  CHECK_FALSE(l.run_ready());
}

TEST_CASE(
    "poll_fd: a descriptor that gets readable wakes the host, begun between turns too",
    "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  h.settle();
  const test::pipe p;
  int got = 0;
  l.add_reader(p.reading(), [&] {
    p.take();
    ++got;
  });
  h.settle();
  CHECK(got == 0);
  p.put();
  h.until([&] { return got == 1; });
  h.settle();
  p.put();
  CHECK(h.readable());
  h.until([&] { return got == 2; });
  l.remove_reader(p.reading());
}

TEST_CASE("poll_fd: handles begun between turns are told to the system at once",
          "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  h.settle();
  bool accepted = false, connected = false;
  sheaf::runtime::tcp listener(l), client(l);
  listener.bind(sheaf::runtime::address::ip("127.0.0.1", 0));
  h.settle();
  listener.listen(1, [&](std::error_code) { accepted = true; });
  h.settle();
  client.connect(listener.sockname(), [&](std::error_code e) { connected = !e; });
  h.until([&] { return accepted && connected; });
  bool rang = false;
  sheaf::runtime::timer t(l, [&] { rang = true; });
  h.settle();
  t.start(3ms);
  h.until([&] { return rang; });
}

TEST_CASE("poll_fd: for what plain libuv began, the next call of it tells",
          "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  h.settle();
  uv_timer_t t;
  uv_timer_init(l.uv(), &t);
  bool rang = false;
  t.data = &rang;
  uv_timer_start(&t, [](uv_timer_t* at) { *static_cast<bool*>(at->data) = true; }, 3, 0);
  static_cast<void>(l.poll_fd());
  h.until([&] { return rang; });
  uv_close(reinterpret_cast<uv_handle_t*>(&t), nullptr);
  static_cast<void>(l.poll_fd());
  h.settle();
  CHECK(uv_loop_alive(l.uv()) == 1);  // by the descriptor's own alone
  CHECK_FALSE(l.run_ready());
}

TEST_CASE("poll_fd: another thread's call wakes the host, whenever it comes",
          "[runtime][poll_fd][THREAD-1]") {
  loop l;
  polling_host h(l);
  constexpr int all = 2000;
  std::atomic<int> answered{0};
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < all; ++i) {
      l.call_soon_threadsafe([&] { answered = ++ran; });
      // Every other time the host has to be asleep by then, or falling asleep.
      while (i % 2 == 0 && answered <= i) std::this_thread::yield();
    }
  });
  h.until([&] { return ran == all; });
  other.join();
  h.settle();
  CHECK_FALSE(h.readable(5));
}

TEST_CASE("poll_fd: a chain of callbacks lets the host go between turns",
          "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  int n = 0;
  std::function<void()> again = [&] {
    if (++n < 100'000) l.call_soon(again);
  };
  l.call_soon(again);
  h.until([&] { return n == 100'000; });
  CHECK(h.turns() > 10);
}

TEST_CASE("poll_fd: the loop can still be run as any other", "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  event_log log;
  l.call_later(2ms, [&] {
    log.push_back("ran");
    l.stop();
  });
  l.run_forever();
  CHECK(log == event_log{"ran"});
  l.call_soon([&] { log.push_back("polled"); });
  h.settle();
  CHECK(log == event_log{"ran", "polled"});
}

TEST_CASE("poll_fd: closed with the loop, nothing is left", "[runtime][poll_fd][R7]") {
  {
    const loop first;
  }  // with it libuv makes what it keeps for signals
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    polling_host h(l);
    l.call_soon([] {});
    l.call_later(1h, [] {});
    h.settle();
  }
  {
    loop l;
    static_cast<void>(l.poll_fd());
    l.close();
    CHECK_THROWS_AS(l.poll_fd(), sheaf::invalid_state);
    CHECK_THROWS_AS(l.run_ready(), sheaf::invalid_state);
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("poll_fd: refused where the host runs libuv, and where time is not real",
          "[runtime][poll_fd]") {
  test::host h;
  loop guest(h.get(), sheaf::borrowed);
  CHECK_THROWS_AS(guest.poll_fd(), sheaf::invalid_state);
  CHECK_THROWS_AS(guest.run_ready(), sheaf::invalid_state);
  loop dream(sheaf::runtime::clock_kind::virtual_);
  CHECK_THROWS_AS(dream.poll_fd(), sheaf::invalid_state);
}

TEST_CASE("poll_fd: run_ready() inside of a callback is refused", "[runtime][poll_fd]") {
  loop l;
  polling_host h(l);
  event_log log;
  l.call_soon([&] {
    try {
      l.run_ready();
    } catch (const sheaf::invalid_state&) {
      log.push_back("refused");
    }
  });
  h.settle();
  CHECK(log == event_log{"refused"});
}

#else

TEST_CASE("poll_fd: says where the system cannot", "[runtime][poll_fd]") {
  sheaf::runtime::loop l;
  try {
    static_cast<void>(l.poll_fd());
    FAIL("no error");
  } catch (const sheaf::uv_error& e) {
    CHECK(e.code().value() == UV_ENOTSUP);
  }
}

#endif
