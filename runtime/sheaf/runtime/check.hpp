#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_check_t: its callback runs in each turn of the loop, just after it has polled for I/O.
///
/// It does not keep the loop from blocking.
class check : public handle {
 public:
  /// Throws invalid_state if the loop is closed.
  check(loop& owner, unique_function<void()> after_poll);

  /// Idempotent.
  void start();
  /// Idempotent. The callback is not called after this returns.
  void stop() noexcept;
};

}  // namespace sheaf::runtime
