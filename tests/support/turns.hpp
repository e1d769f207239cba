#pragma once

#include <sheaf/runtime/loop.hpp>

#include "catch.hpp"

namespace test {

/// Turns a loop until what a callback sets is there: for what the system takes its time for.
template <class F>
void until(sheaf::runtime::loop& l, F there) {
  while (!there()) l.turn();
}

/// The same where libuv may have nothing to wait for at times.
inline void some_turns(sheaf::runtime::loop& l, int n = 5) {
  for (int i = 0; i < n; ++i) l.turn();
}

}  // namespace test
