#pragma once

#include <string>
#include <vector>

namespace test {

/// What happened, in its order; compared at once.
using event_log = std::vector<std::string>;

}  // namespace test
