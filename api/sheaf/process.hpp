#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/process_core.hpp>
#include <sheaf/process_options.hpp>
#include <sheaf/stream.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <utility>

namespace sheaf {

/// What a child wrote; nothing for what was no pipe.
struct process_output {
  std::optional<std::string> stdout_;
  std::optional<std::string> stderr_;
};

/// Our end of a child's input, output or error output; what is no pipe is connected to nothing.
class process_stream final : public stream {
 public:
  process_stream(stream s, const char* which) : stream(std::move(s)), which_(which) {}
  explicit process_stream(const char* which) noexcept : which_(which), is_pipe_(false) {}

  bool is_pipe() const noexcept { return is_pipe_; }
  /// The stream; throws invalid_state, with advice, if it was not asked to be a pipe.
  stream& operator()();

 private:
  const char* which_;
  bool is_pipe_ = true;
};

/// A child of this program: asyncio's Process.
///
///     process p = co_await create_subprocess_exec(
///         process_options("sort").stdin_(stdio::pipe).stdout_(stdio::pipe));
///     process_output sorted = co_await p.communicate("b\na\n");
///
/// Ownership: moved, never copied. Destroying it closes its pipes and kills the child if that
/// runs, which debug mode reports; the loop reaps it, and its end kills and reaps what is
/// left: no zombie stays. Only the child itself is killed, not what it has started.
/// Order: how it ended is known in the turn after the child was reaped; what it wrote before
/// can be read after that. A virtual clock stands still while a child runs. A write to a
/// child that has gone raises SIGPIPE, which run() ignores; a program that runs a loop in
/// another way ignores it itself. Thread: its loop's. Source: asyncio.subprocess.
class [[nodiscard]] process {
 public:
  explicit process(detail::spawned child);
  process(process&&) noexcept = default;
  process& operator=(process&& other) noexcept;
  ~process();

  int pid() const;
  /// The child's exit code, or -n if signal n ended it; nothing while it runs.
  std::optional<int> returncode() const;

  /// Our end of the child's input, output, error output: `p.stdin_.write(...)`, or
  /// `p.stdin_()`, which says what is wrong where it was not asked to be a pipe.
  process_stream stdin_;
  process_stream stdout_;
  process_stream stderr_;

  /// co_await p.wait(): its returncode, when it has ended. Any number of tasks may wait, also
  /// afterwards. A child whose pipe is full waits for you to read: see communicate().
  /// Cancellation is total: the child runs on.
  coro<int> wait();

  /// Writes `input` and closes the child's input, reads its outputs to their ends, and waits
  /// for the child. Input that the child does not want to read is dropped. Throws
  /// invalid_state for an input where stdin is no pipe.
  ///
  /// Cancellation is total as to what was read: it stays in the streams, and the next
  /// communicate() or read gives it, so that one that ran into a time-out can be tried again,
  /// without the input: that goes on being sent. The child runs on. Cost: holds all output.
  coro<process_output> communicate(std::string input = {});

  /// Throws uv_error (ESRCH) once the child was reaped: no stranger gets the signal. A
  /// child that has ended, and has not been reaped yet, takes it without effect.
  void send_signal(int signum);
  void terminate();  ///< SIGTERM
  void kill();       ///< SIGKILL

  /// Closes the pipes, what was written to the child's input after it has gone, and kills the
  /// child if it runs. Idempotent; who waits is told as ever.
  void close() noexcept;

 private:
  detail::process_core& core() const;

  detail::process_ref child_;
};

/// Starts a program. Throws uv_error if it cannot be: ENOENT if there is no such program or
/// directory, EACCES, EAGAIN, ENOMEM, EINVAL for a NUL in an argument, EPERM for a uid; and
/// std::invalid_argument for an empty name. It does not suspend, so a cancellation finds
/// either no child or a process. Cost: libuv forks, and blocks the loop until the child has
/// become the program, a millisecond or so.
coro<process> create_subprocess_exec(process_options how);
template <std::convertible_to<std::string>... Args>
coro<process> create_subprocess_exec(std::string program, Args&&... args) {
  return create_subprocess_exec(
      process_options(std::move(program), std::forward<Args>(args)...));
}

/// Starts `/bin/sh -c command`. Nothing in `command` is quoted for you: never build it from
/// what others send. Throws std::invalid_argument if `how` has a program of its own.
coro<process> create_subprocess_shell(std::string command, process_options how = {});

}  // namespace sheaf
