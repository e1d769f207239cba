#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/signal.hpp>
#include <sheaf/semaphore.hpp>

#include <initializer_list>
#include <vector>

namespace sheaf {

/// The signals that the process gets, one after the other.
///
///     signal_stream signals({SIGINT, SIGTERM});
///     const int first = co_await signals.next();
///
/// While it lives the signals' own effects are off, and SIGINT does not cancel the main task
/// of run(); with the last one that waits for a signal the default is restored. Others may
/// wait for the same signal, streams and handlers of any loop: each gets it.
///
/// Order: as they came. A signal that comes again before it was taken counts once, as POSIX
/// has it for those that are pending: what waits here is at most one of each. None is lost
/// between two calls of next(). Ownership: must outlive those who wait, who else get
/// invalid_state; not moved. Thread: that of its loop, any loop of any thread. On the real
/// clock it keeps a loop that has nothing else to do waiting. Source: uv_signal_t.
class signal_stream {
 public:
  /// Of the loop that runs on this thread. Throws std::invalid_argument for what is no signal
  /// and for none at all, uv_error (EINVAL) for SIGKILL and SIGSTOP, invalid_state if no loop
  /// runs here. Faults of the program (SIGSEGV and its kin) cannot be waited for.
  explicit signal_stream(std::initializer_list<int> signals);
  explicit signal_stream(int signal)
      : signal_stream(std::initializer_list<int>{signal}) {}
  signal_stream(const signal_stream&) = delete;
  signal_stream& operator=(const signal_stream&) = delete;
  ~signal_stream();

  /// co_await s.next(): the number of the next signal. Several tasks may wait: the one that
  /// has waited longest gets it. Cancellation is total: no signal is lost.
  coro<int> next();

 private:
  void arrived(int signum);

  runtime::intrusive_ptr<detail::loop_core> loop_;
  std::vector<int> pending_;  // each at most once
  semaphore some_{0};         // a permit for each; in line it goes from hand to hand
  int interrupts_ = 0;        // how many of the handles are for SIGINT
  std::vector<runtime::signal> handles_;
};

}  // namespace sheaf
