#include <sheaf/runtime/async.hpp>
#include <sheaf/runtime/idle.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/poll.hpp>
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
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/host.hpp"
#include "support/pipe.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::counted;
using test::event_log;

namespace {

template <class H>
constexpr bool move_only =
    std::is_nothrow_move_constructible_v<H> && std::is_nothrow_move_assignable_v<H> &&
    !std::is_copy_constructible_v<H> && !std::is_copy_assignable_v<H>;
static_assert(move_only<timer> && move_only<idle> && move_only<async> && move_only<poll>);
static_assert(move_only<sheaf::runtime::signal>);

using callback = unique_function<void()>;

// ---- the table: kinds of handles, kinds of loops, kinds of ends ------------------------

/// A handle that is due: its callback would be called in the next turn.
struct armed {
  virtual ~armed() = default;
  virtual void move() = 0;
  virtual bool active() const = 0;
};

template <class H>
struct armed_as final : armed {
  template <class Start>
  armed_as(H fresh, Start start) : h(std::move(fresh)) {
    start(*h);
  }
  void move() override {
    H other = std::move(*h);
    h.reset();
    h.emplace(std::move(other));
  }
  bool active() const override { return h->active(); }
  std::optional<H> h;
};

template <class H, class Start>
std::unique_ptr<armed> arm(H h, Start start) {
  return std::make_unique<armed_as<H>>(std::move(h), start);
}

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

struct kind {
  const char* name;
  std::unique_ptr<armed> (*make)(loop&, callback, int which);
};

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

/// A loop that can be turned from outside, be it owned or a host's.
struct world {
  virtual ~world() = default;
  virtual void turn() = 0;
  std::optional<loop> l;
};

struct owned_world final : world {
  owned_world() { l.emplace(); }
  void turn() override {
    if (l && !l->is_closed()) l->turn();
  }
};

struct hosted_world final : world {
  hosted_world() { l.emplace(host.get(), sheaf::borrowed); }
  ~hosted_world() override { l.reset(); }
  void turn() override { host.turn(); }
  test::host host;
};

/// What the callbacks of a scenario share.
struct scene {
  world& w;
  const kind& k;
  int fired = 0;
  std::unique_ptr<armed> one{};
  std::unique_ptr<armed> two{};

  template <class F>
  std::unique_ptr<armed> make(F f, int which = 0) {
    return k.make(
        *w.l,
        [this, f, held = counted()]() mutable {
          ++fired;
          f();
        },
        which);
  }
  void turns(int n = 3) {
    for (int i = 0; i < n; ++i) w.turn();
  }
};

struct scenario {
  const char* name;
  void (*play)(scene&);
};

const scenario scenarios[] = {
    {"before the first turn",
     [](scene& s) {
       s.one = s.make([] {});
       CHECK(s.one->active());
       s.one.reset();
       CHECK(counted::alive == 0);  // at once, not when libuv has closed the handle
       s.turns();
       CHECK(s.fired == 0);
     }},
    {"after it has fired",
     [](scene& s) {
       s.one = s.make([] {});
       s.turns(1);
       CHECK(s.fired == 1);
       s.one.reset();
       s.turns();
       CHECK(s.fired == 1);
     }},
    {"in its own callback",
     [](scene& s) {
       s.one = s.make([&s] {
         s.one.reset();
         CHECK(counted::alive == 1);  // it runs: it dies when it has returned
       });
       s.turns();
       CHECK(s.fired == 1);
       CHECK(counted::alive == 0);
     }},
    {"in the callback of another that is due in the same turn",
     [](scene& s) {
       s.one = s.make([&s] { s.two.reset(); }, 0);
       s.two = s.make([&s] { s.one.reset(); }, 1);
       s.turns(1);
       CHECK(s.fired == 1);
       CHECK(counted::alive == 1);
       CHECK((s.one == nullptr) != (s.two == nullptr));
     }},
    {"in a callback of the queue",
     [](scene& s) {
       s.one = s.make([] {});
       s.turns(1);
       s.w.l->call_soon([&s] { s.one.reset(); });
       s.turns(1);
       const int before = s.fired;  // it may have been due in that turn as well
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == before);
     }},
    {"moved before it fires",
     [](scene& s) {
       s.one = s.make([] {});
       s.one->move();
       s.turns(1);
       CHECK(s.fired == 1);
     }},
    {"moved in its own callback, then destroyed in it",
     [](scene& s) {
       s.one = s.make([&s] {
         s.one->move();
         s.one.reset();
       });
       s.turns();
       CHECK(s.fired == 1);
     }},
    {"owned by its own callback",
     [](scene& s) {
       // A cycle, that only the close of the loop can cut.
       auto keep = std::make_shared<std::unique_ptr<armed>>();
       *keep = s.make([keep] {});
       keep.reset();
       s.turns(1);
       CHECK(s.fired == 1);
       CHECK(counted::alive == 1);
       s.w.l->close();
       CHECK(counted::alive == 0);
     }},
    {"destroyed by what its callback owns",
     [](scene& s) {
       auto keep = std::make_shared<std::unique_ptr<armed>>();
       *keep = s.make([keep] { keep->reset(); });
       keep.reset();
       s.turns();
       CHECK(s.fired == 1);
       CHECK(counted::alive == 0);
     }},
    {"after the loop was closed",
     [](scene& s) {
       s.one = s.make([] {});
       s.w.l->close();
       CHECK(counted::alive == 0);  // with the loop, since nothing can call it any more
       CHECK_FALSE(s.one->active());
       s.one->move();
       s.turns();
       s.one.reset();
       s.turns();
       CHECK(s.fired == 0);
     }},
    {"after the loop was closed, before its host turned",
     [](scene& s) {
       s.one = s.make([] {});
       s.w.l->close();
       s.one.reset();
       s.turns();
       CHECK(s.fired == 0);
     }},
    {"after the loop was destroyed",
     [](scene& s) {
       s.one = s.make([] {});
       s.turns(1);
       s.w.l.reset();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == 1);
       s.one.reset();
     }},
    {"by the callable of another, when the loop closes",
     [](scene& s) {
       struct owner {
         std::shared_ptr<std::unique_ptr<armed>> other;
         void operator()() const {}
       };
       const auto other = std::make_shared<std::unique_ptr<armed>>(s.make([] {}, 1));
       s.one = s.make(owner{other}, 0);
       s.two = s.make(owner{other}, 2);
       s.w.l.reset();
       CHECK(counted::alive == 0);
     }},
    {"after its callback threw",
     [](scene& s) {
       std::vector<std::string> reports;
       s.w.l->set_exception_handler([&reports](const sheaf::exception_context& c) {
         reports.push_back(sheaf::describe(c.exception));
       });
       s.one = s.make([&s] {
         s.one.reset();
         throw std::runtime_error("from a handle");
       });
       s.turns();
       CHECK(s.fired == 1);
       CHECK(reports == std::vector<std::string>{"std::runtime_error: from a handle"});
       CHECK(counted::alive == 0);
     }},
};

template <class World>
void play(const kind& k, const scenario& what) {
  INFO(k.name << " destroyed: " << what.name
              << (std::is_same_v<World, owned_world> ? "" : " (borrowed loop)"));
  counted::reset();
  {
    World w;
    scene s{w, k};
    what.play(s);
  }
  CHECK(counted::alive == 0);
}

}  // namespace

TEST_CASE(
    "handles: destroyed at any moment, nothing fires afterwards and nothing leaks [R7]",
    "[runtime][handles][R7]") {
  for (const kind& k : kinds) {
    for (const scenario& s : scenarios) {
      play<owned_world>(k, s);
      play<hosted_world>(k, s);
    }
  }
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

TEST_CASE("handles: the loop is current in a callback, and cannot be closed there",
          "[runtime][handles][LOOP-29]") {
  for (const kind& k : kinds) {
    owned_world w;
    scene s{w, k};
    bool was_current = false;
    bool threw = false;
    s.one = s.make([&] {
      was_current = &loop::current() == &*w.l;
      try {
        w.l->close();
      } catch (const sheaf::invalid_state&) {
        threw = true;
      }
      s.one.reset();
    });
    s.turns(1);
    CHECK(was_current);
    CHECK(threw);
    CHECK_FALSE(w.l->is_closed());
  }
}

TEST_CASE("handles: a system_exit from a callback leaves run() at once",
          "[runtime][handles][LOOP-20]") {
  for (const kind& k : kinds) {
    INFO(k.name);
    owned_world w;
    scene s{w, k};
    event_log log;
    s.one = s.make([&] {
      s.one.reset();
      w.l->call_soon([&] { log.push_back("later"); });
      throw sheaf::system_exit(3);
    });
    CHECK_THROWS_AS(w.l->run_forever(), sheaf::system_exit);
    CHECK(log.empty());
    w.l->run_forever();
    CHECK(log == event_log{"later"});
  }
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
