#pragma once

#include "catch.hpp"
#include "children.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/task.hpp>

#include <functional>
#include <set>

// A scenario cut off at every batch: cancelled there, and its loop destroyed there.
namespace test::cut {

/// The witnesses of a scenario that live.
class lives {
 public:
  std::size_t alive() const noexcept { return alive_.size(); }
  int begun() const noexcept { return begun_; }
  bool sound() const noexcept { return sound_; }

 private:
  friend class witness;
  std::set<const void*> alive_;
  int begun_ = 0;
  bool sound_ = true;
};

/// A local of a coroutine, which must be destroyed exactly once.
class witness {
 public:
  explicit witness(lives& l) : lives_(l) {
    lives_.sound_ &= lives_.alive_.insert(this).second;
    ++lives_.begun_;
  }
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  ~witness() { lives_.sound_ &= lives_.alive_.erase(this) == 1; }

 private:
  lives& lives_;
};

/// Children of a scenario.
inline sheaf::coro<int> child(lives& l, milliseconds d) {
  const witness w(l);
  co_await sheaf::sleep(d);
  co_return 1;
}
inline sheaf::coro<int> failing(lives& l, milliseconds d) {
  const witness w(l);
  co_await sheaf::sleep(d);
  throw failure("x");
}
/// Takes some batches more to end when it is cancelled.
inline sheaf::coro<int> slow_to_end(lives& l, milliseconds d) {
  const witness w(l);
  bool asked = false;
  try {
    co_await sheaf::sleep(d);
  } catch (const sheaf::cancelled&) {
    asked = true;
  }
  if (!asked) co_return 1;
  co_await sheaf::sleep(milliseconds(0));
  co_await sheaf::sleep(milliseconds(1));
  throw sheaf::cancelled("as asked");
}

using scenario = std::function<sheaf::coro<>(lives&)>;

/// One batch a turn, and quiet.
class cut_loop : public virtual_loop {
 public:
  cut_loop() { set_budget({1, std::chrono::nanoseconds(0)}); }
  void turns(int n) {
    for (int i = 0; i < n; ++i) turn();
  }
};

inline int turns_of(const scenario& s) {
  lives seen;
  cut_loop l;
  const auto t = l.create_task(s(seen));
  int n = 0;
  while (!t.done()) {
    l.turn();
    REQUIRE(++n < 10'000);
  }
  static_cast<void>(t.outcome());
  return n;
}

/// Cancels after `n` batches: it ends, and not with a value. What the scenario started by
/// itself may go on for as long as the loop lives.
inline void cancel_after(int n, const scenario& s) {
  INFO("cancelled after " << n << " batches");
  lives seen;
  {
    cut_loop l;
    const auto t = l.create_task(s(seen));
    l.turns(n);
    const bool asked = t.cancel("cut");
    const auto wait_for_it = [](sheaf::task<> what) -> sheaf::coro<sheaf::outcome<>> {
      co_return co_await sheaf::as_outcome(what);
    };
    const auto how = l.run_until_complete(wait_for_it(t));
    if (asked) CHECK_FALSE(how.has_value());
  }
  CHECK(seen.alive() == 0);
  CHECK(seen.sound());
}

/// Destroys the loop after `n` batches, while the handle of the task is kept, or not.
inline void destroy_after(int n, const scenario& s, bool keep) {
  INFO("loop destroyed after " << n << " batches, its handle "
                               << (keep ? "kept" : "dropped"));
  lives seen;
  sheaf::task<> kept;
  {
    cut_loop l;
    auto t = l.create_task(s(seen));
    if (keep) kept = std::move(t);
    t = {};
    l.turns(n);
  }
  CHECK(seen.alive() == 0);
  CHECK(seen.sound());
  if (keep) CHECK(kept.done());
}

inline void everywhere(const scenario& s, int turns) {
  for (int n = 0; n <= turns; ++n) {
    cancel_after(n, s);
    destroy_after(n, s, true);
    destroy_after(n, s, false);
  }
}
inline void everywhere(const scenario& s) { everywhere(s, turns_of(s)); }

}  // namespace test::cut
