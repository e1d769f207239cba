#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_idle_t: its callback runs once in each turn of the loop, before the poll.
///
/// While it is started the loop does not block: it uses a whole core. To run something in
/// the next batch use call_soon().
class idle : public handle {
 public:
  /// Throws invalid_state if the loop is closed.
  idle(loop& owner, unique_function<void()> on_turn);

  /// Idempotent.
  void start();
  /// Idempotent. The callback is not called after this returns.
  void stop() noexcept;
};

}  // namespace sheaf::runtime
