#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_prepare_t: its callback runs in each turn of the loop, just before it polls for I/O.
///
/// Unlike an idle handle it does not keep the loop from blocking: for what must be done
/// before a wait, such as flushing.
class prepare : public handle {
 public:
  /// Throws invalid_state if the loop is closed.
  prepare(loop& owner, unique_function<void()> before_poll);

  /// Idempotent.
  void start();
  /// Idempotent. The callback is not called after this returns.
  void stop() noexcept;
};

}  // namespace sheaf::runtime
