#pragma once

#include <sheaf/runtime/interrupt_watch.hpp>

#include <optional>

namespace sheaf {
class loop;
}

namespace sheaf::detail {

class task_state;

/// A run of main that SIGINT interrupts: the first cancels main, a second one leaves run().
/// Borrows the task. A handler of the loop for SIGINT goes before, and a signal_stream.
class interruptible {
 public:
  /// Watches if it is `wanted` and can be.
  interruptible(loop& l, task_state& main, bool wanted);

  /// When main has ended: throws keyboard_interrupt if it ended cancelled, and by that alone.
  void rethrow();

 private:
  void on_interrupt();

  loop& loop_;
  task_state& main_;
  int count_ = 0;
  std::optional<runtime::interrupt_watch> watch_;
};

}  // namespace sheaf::detail
