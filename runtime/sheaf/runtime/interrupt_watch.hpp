#pragma once

#include <sheaf/runtime/signal.hpp>
#include <sheaf/runtime/unique_function.hpp>

namespace sheaf::runtime {

class loop;

/// Calls `f()` on the loop's thread for each SIGINT, for as long as it lives.
///
/// One at a time, on the main thread. It does not keep its loop running. A handler that the
/// program installs meanwhile stays, and after it. A step that never ends keeps the loop from
/// looking: the third SIGINT that it has not seen then ends the program, as if nobody caught
/// it, so that there is always a way out.
class interrupt_watch {
 public:
  /// Whether this is the main thread, and nobody else handles or ignores SIGINT.
  static bool available() noexcept;

  interrupt_watch(loop& owner, unique_function<void()> on_interrupt);
  interrupt_watch(const interrupt_watch&) = delete;
  interrupt_watch& operator=(const interrupt_watch&) = delete;
  ~interrupt_watch();

 private:
  signal signal_;
};

}  // namespace sheaf::runtime
