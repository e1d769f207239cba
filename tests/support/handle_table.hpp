#pragma once

#include <sheaf/runtime/exception_context.hpp>
#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "counted.hpp"
#include "descriptors.hpp"
#include "event_log.hpp"
#include "host.hpp"

/// The table of what may happen to a handle: kinds of handles, kinds of loops, kinds of ends.
///
/// A kind makes a handle whose callback is due soon; a scenario destroys, moves or abandons it.
/// Afterwards nothing may be called, no callable live on, no descriptor be open.
namespace test {

using callback = sheaf::runtime::unique_function<void()>;

/// A handle that is due: its callback would be called in one of the next turns.
struct armed {
  virtual ~armed() = default;
  virtual void move() = 0;
  virtual bool active() const = 0;
};

/// With `Extra`, which outlives the handle: the other end of a connection, a directory.
template <class H, class Extra>
struct armed_as final : armed {
  template <class Start>
  armed_as(H fresh, Extra more, Start start)
      : extra(std::move(more)), h(std::move(fresh)) {
    start(*h, extra);
  }
  void move() override {
    H other = std::move(*h);
    h.reset();
    h.emplace(std::move(other));
  }
  bool active() const override { return h->active(); }
  Extra extra;
  std::optional<H> h;
};

struct nothing_more {};

template <class H, class Start>
std::unique_ptr<armed> arm(H h, Start start) {
  const auto plain = [start](H& on, nothing_more&) mutable { start(on); };
  return std::make_unique<armed_as<H, nothing_more>>(std::move(h), nothing_more(), plain);
}

template <class H, class Extra, class Start>
std::unique_ptr<armed> arm(H h, Extra extra, Start start) {
  return std::make_unique<armed_as<H, Extra>>(std::move(h), std::move(extra),
                                              std::move(start));
}

struct kind {
  const char* name;
  /// `which` tells those of one scenario apart.
  std::unique_ptr<armed> (*make)(sheaf::runtime::loop&, callback, int which);
  bool is_active = true;  ///< in libuv's sense; one with a request alone is not
  bool fires = true;      ///< else its callback never comes by itself
  bool keeps = true;      ///< its callable, when it has been called
  /// One that was not started.
  std::unique_ptr<armed> (*fresh)(sheaf::runtime::loop&, callback) = nullptr;
};

/// A loop that can be turned from outside, be it owned or a host's.
struct world {
  virtual ~world() = default;
  virtual void turn() = 0;
  virtual void run_and_stop() = 0;
  std::optional<sheaf::runtime::loop> l;
};

struct owned_world final : world {
  owned_world() { l.emplace(); }
  void turn() override {
    if (l && !l->is_closed()) l->turn();
  }
  void run_and_stop() override {
    l->call_soon([this] { l->stop(); });
    l->run_forever();
  }
};

struct hosted_world final : world {
  hosted_world() { l.emplace(host.get(), sheaf::borrowed); }
  ~hosted_world() override { l.reset(); }
  void turn() override { host.turn(); }
  void run_and_stop() override {
    uv_stop(host.get());
    host.turn();
  }
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
  callback counting(F f) {
    return [this, f, held = counted()]() mutable {
      ++fired;
      f();
    };
  }
  template <class F>
  std::unique_ptr<armed> make(F f, int which = 0) {
    return k.make(*w.l, counting(std::move(f)), which);
  }
  void turns(int n = 3) {
    for (int i = 0; i < n; ++i) w.turn();
  }
  void until_fired() {
    while (fired == 0) w.turn();
  }
};

struct scenario {
  const char* name;
  void (*play)(scene&);
  bool needs_fire = true;
  bool owned_only = false;
};

inline const scenario scenarios[] = {
    {"before the first turn",
     [](scene& s) {
       s.one = s.make([] {});
       CHECK(s.one->active() == s.k.is_active);
       s.one.reset();
       CHECK(counted::alive == 0);  // at once, not when libuv has closed the handle
       s.turns();
       CHECK(s.fired == 0);
     },
     false},
    {"while what it does is under way",
     [](scene& s) {
       s.one = s.make([] {});
       s.turns(1);
       const int before = s.fired;
       s.one.reset();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == before);
     },
     false},
    {"without having been started",
     [](scene& s) {
       if (!s.k.fresh) return;
       s.one = s.k.fresh(*s.w.l, s.counting([] {}));
       CHECK_FALSE(s.one->active());
       s.turns(1);
       s.one->move();
       s.one.reset();
       CHECK(counted::alive == 0);
       s.one = s.k.fresh(*s.w.l, s.counting([] {}));
       s.w.l.reset();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == 0);
     },
     false},
    {"after it has fired",
     [](scene& s) {
       s.one = s.make([] {});
       s.until_fired();
       const int before = s.fired;
       s.one.reset();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == before);
     }},
    {"in its own callback",
     [](scene& s) {
       s.one = s.make([&s] {
         s.one.reset();
         CHECK(counted::alive == 1);  // it runs: it dies when it has returned
       });
       s.until_fired();
       s.turns();
       CHECK(s.fired == 1);
       CHECK(counted::alive == 0);
     }},
    {"in the callback of another that is due as well",
     [](scene& s) {
       s.one = s.make([&s] { s.two.reset(); }, 0);
       s.two = s.make([&s] { s.one.reset(); }, 1);
       s.until_fired();
       CHECK(s.fired == 1);
       CHECK(counted::alive == (s.k.keeps ? 1 : 0));
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
     },
     false},
    {"after the loop had been stopped",
     [](scene& s) {
       s.one = s.make([] {});
       s.w.run_and_stop();
       const int before = s.fired;
       s.one.reset();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == before);
     },
     false},
    {"moved before it fires",
     [](scene& s) {
       s.one = s.make([] {});
       s.one->move();
       s.until_fired();
       CHECK(s.fired == 1);
     }},
    {"moved while what it does is under way",
     [](scene& s) {
       s.one = s.make([] {});
       s.turns(1);
       s.one->move();
       const int before = s.fired;
       s.one.reset();
       s.turns();
       CHECK(s.fired == before);
     },
     false},
    {"moved in its own callback, then destroyed in it",
     [](scene& s) {
       s.one = s.make([&s] {
         s.one->move();
         s.one.reset();
       });
       s.until_fired();
       s.turns();
       CHECK(s.fired == 1);
     }},
    {"owned by its own callback",
     [](scene& s) {
       // A cycle, that only the close of the loop can cut.
       auto keep = std::make_shared<std::unique_ptr<armed>>();
       *keep = s.make([keep] {});
       keep.reset();
       s.until_fired();
       CHECK(s.fired == 1);
       CHECK(counted::alive == (s.k.keeps ? 1 : 0));
       s.w.l->close();
       CHECK(counted::alive == 0);
     }},
    {"owned by its own callback, which never came",
     [](scene& s) {
       auto keep = std::make_shared<std::unique_ptr<armed>>();
       *keep = s.make([keep] {});
       keep.reset();
       s.w.l->close();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == 0);
     },
     false},
    {"destroyed by what its callback owns",
     [](scene& s) {
       auto keep = std::make_shared<std::unique_ptr<armed>>();
       *keep = s.make([keep] { keep->reset(); });
       keep.reset();
       s.until_fired();
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
     },
     false},
    {"after the loop was closed, before its host turned",
     [](scene& s) {
       s.one = s.make([] {});
       s.w.l->close();
       s.one.reset();
       s.turns();
       CHECK(s.fired == 0);
     },
     false},
    {"after the loop was destroyed",
     [](scene& s) {
       s.one = s.make([] {});
       s.turns(1);
       const int before = s.fired;
       s.w.l.reset();
       CHECK(counted::alive == 0);
       s.turns();
       CHECK(s.fired == before);
       s.one.reset();
     },
     false},
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
     },
     false},
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
       s.until_fired();
       s.turns();
       CHECK(s.fired == 1);
       CHECK(reports == std::vector<std::string>{"std::runtime_error: from a handle"});
       CHECK(counted::alive == 0);
     }},
    {"in its callback, in which the loop is current, and cannot be closed [LOOP-29]",
     [](scene& s) {
       bool was_current = false;
       bool threw = false;
       s.one = s.make([&] {
         was_current = &sheaf::runtime::loop::current() == &*s.w.l;
         try {
           s.w.l->close();
         } catch (const sheaf::invalid_state&) {
           threw = true;
         }
         s.one.reset();
       });
       s.until_fired();
       CHECK(was_current);
       CHECK(threw);
       CHECK_FALSE(s.w.l->is_closed());
     }},
    {"in its callback, from which a system_exit leaves run() at once [LOOP-20]",
     [](scene& s) {
       event_log log;
       s.one = s.make([&] {
         s.one.reset();
         s.w.l->call_soon([&] { log.push_back("later"); });
         throw sheaf::system_exit(3);
       });
       CHECK_THROWS_AS(s.w.l->run_forever(), sheaf::system_exit);
       CHECK(log.empty());
       s.w.l->run_forever();
       CHECK(log == event_log{"later"});
     },
     true, true},
};

template <class World>
void play(const kind& k, const scenario& what) {
  INFO(k.name << " destroyed: " << what.name
              << (std::is_same_v<World, owned_world> ? "" : " (borrowed loop)"));
  counted::reset();
  const std::size_t before = open_descriptors();
  {
    World w;
    scene s{w, k};
    what.play(s);
  }
  CHECK(counted::alive == 0);
  CHECK(open_descriptors() == before);
}

/// Every scenario with every kind, in a loop of its own and in a host's.
inline void play_all(std::span<const kind> kinds) {
  // What libuv makes once for a process.
  {
    owned_world first;
  }
  for (const kind& k : kinds) {
    for (const scenario& s : scenarios) {
      if (s.needs_fire && !k.fires) continue;
      play<owned_world>(k, s);
      if (!s.owned_only) play<hosted_world>(k, s);
    }
  }
}

}  // namespace test
