#pragma once

#include <chrono>
#include <cstddef>

namespace sheaf::runtime {

/// How long the ready queue may run before the loop polls for I/O again: whichever comes
/// first. A batch is never cut, so {1, 0} is asyncio's rule exactly: one batch, one poll.
struct batch_budget {
  std::size_t resumes = 1024;
  std::chrono::nanoseconds time = std::chrono::microseconds(200);
};

}  // namespace sheaf::runtime
