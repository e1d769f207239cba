#pragma once

#include "catch.hpp"

#include <sheaf/run.hpp>

namespace test {

/// Runs what `scenario()` makes, a coro<>, under virtual time and one seed after the other:
/// for what must hold in whatever order the loop runs what is ready.
template <class Scenario>
void for_seeds(Scenario scenario, std::uint64_t seeds = 200) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    INFO("seed " << seed);
    sheaf::run(scenario(), sheaf::run_options().virtual_time().seed(seed));
  }
}

}  // namespace test
