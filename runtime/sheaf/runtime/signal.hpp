#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_signal_t: calls its callback on the loop's thread after the process got a signal.
///
/// Any number of them, of any loops and threads, may wait for one signal; each is called.
/// While one does, the signal's own effect is off; with the last the default is restored,
/// whatever was set before libuv came (uv_signal.c). Signals that come in quick succession
/// may be one, as POSIX has it. SIGKILL and SIGSTOP cannot be caught; SIGSEGV and its kin,
/// where they mean a fault of the program's own, must not be.
class signal : public handle {
 public:
  using callback = unique_function<void(int signum)>;

  /// Throws invalid_state if the loop is closed.
  signal(loop& owner, callback on_signal);

  /// Waits for `signum`, in place of any earlier start. Throws uv_error (EINVAL) for what is
  /// no signal or cannot be caught.
  void start(int signum);
  /// The same for the next one only: it is stopped before the callback is called.
  void start_oneshot(int signum);

  /// Idempotent. The callback is not called after this returns, even if the signal came.
  void stop() noexcept;

  /// The signal that it waits for; 0 while it is stopped.
  int signum() const noexcept;

 private:
  void restart(int signum, bool oneshot);
};

}  // namespace sheaf::runtime
