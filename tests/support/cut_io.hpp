#pragma once

#include "cut.hpp"
#include "descriptors.hpp"

#include <unistd.h>

// As cut.hpp, for scenarios that wait for libuv's threads and sockets: cut off after a number
// of batches, not of turns, and at once or when what is under way has had time to end.
namespace test::cut {

class io_loop : public cut_loop {
 public:
  /// Until `n` batches have run, or `t` has ended, or nothing is left that could happen.
  template <class Task>
  void batches(std::uint64_t n, const Task& t) {
    while (ticks() < n && !t.done()) {
      if (!turn()) return;
      ::usleep(20);
    }
  }
};

inline std::uint64_t batches_of(const scenario& s) {
  lives seen;
  io_loop l;
  const auto t = l.create_task(s(seen));
  l.batches(10'000, t);
  REQUIRE(t.done());
  if (t.exception()) std::rethrow_exception(t.exception());
  return l.ticks();
}

inline void io_cancel_after(std::uint64_t n, bool late, const scenario& s) {
  INFO("cancelled after " << n << " batches" << (late ? ", late" : ""));
  lives seen;
  {
    io_loop l;
    const auto t = l.create_task(s(seen));
    l.batches(n, t);
    if (late) ::usleep(300);
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

inline void io_destroy_after(std::uint64_t n, bool late, const scenario& s) {
  INFO("loop destroyed after " << n << " batches" << (late ? ", late" : ""));
  lives seen;
  {
    io_loop l;
    const auto t = l.create_task(s(seen));
    l.batches(n, t);
    if (late) ::usleep(300);
  }
  CHECK(seen.alive() == 0);
  CHECK(seen.sound());
}

/// Cuts `s` everywhere; no descriptor may be left open by that.
inline void io_everywhere(const scenario& s) {
  const std::uint64_t batches = batches_of(s);
  const std::size_t open = open_descriptors();
  for (std::uint64_t n = 0; n <= batches; ++n) {
    for (const bool late : {false, true}) {
      io_cancel_after(n, late, s);
      io_destroy_after(n, late, s);
    }
  }
  CHECK(open_descriptors() == open);
}

}  // namespace test::cut
