#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::runtime {

class loop;
class pipe;
class stream;

/// What a child gets as one of its descriptors: uv_stdio_container_t. Borrows the stream that
/// it names, until the child is made.
class child_stdio {
 public:
  enum class kind { ignore, inherit_descriptor, inherit_stream, make_pipe };
  enum class direction { child_reads, child_writes, both };

  /// The null device.
  static child_stdio ignore() { return child_stdio(kind::ignore); }
  /// A descriptor of ours, or the one under a stream of ours.
  static child_stdio inherit(int descriptor) {
    child_stdio s(kind::inherit_descriptor);
    s.descriptor_ = descriptor;
    return s;
  }
  static child_stdio inherit(runtime::stream& of);
  /// A new pipe, whose other end is `ours`: fresh, and kept until the child is made.
  static child_stdio make_pipe(pipe& ours, direction d);

  kind what() const noexcept { return kind_; }
  int descriptor() const noexcept { return descriptor_; }
  runtime::stream* of() const noexcept { return stream_; }
  direction way() const noexcept { return way_; }

 private:
  explicit child_stdio(kind k) noexcept : kind_(k) {}

  kind kind_;
  direction way_ = direction::both;
  int descriptor_ = -1;
  runtime::stream* stream_ = nullptr;
};

/// What to start, and how: uv_process_options_t. Owns its texts.
class process_options {
 public:
  /// `arguments` are all of them, the program's own name first (which is what it gets if there
  /// are none); the program is looked up in PATH.
  process_options(std::string program, std::vector<std::string> arguments)
      : program_(std::move(program)), arguments_(std::move(arguments)) {}

  /// "NAME=value", in place of ours.
  process_options& env(std::vector<std::string> all) {
    env_ = std::move(all);
    return *this;
  }
  process_options& cwd(std::string directory) {
    cwd_ = std::move(directory);
    return *this;
  }
  /// The child's descriptors from 0 on; the null device for what is not given.
  process_options& stdio(std::vector<child_stdio> all) {
    stdio_ = std::move(all);
    return *this;
  }
  /// In a session of its own, so that it outlives the terminal.
  process_options& detached(bool on = true) {
    detached_ = on;
    return *this;
  }
  /// As this user, and without further groups. Throws uv_error (EPERM) where that is not
  /// allowed, from the constructor of the process.
  process_options& uid(std::uint32_t user) {
    uid_ = user;
    return *this;
  }
  process_options& gid(std::uint32_t group) {
    gid_ = group;
    return *this;
  }

  /// The child ends with the handle: see process.
  process_options& kill_on_close(bool on = true) {
    kill_on_close_ = on;
    return *this;
  }

  const std::string& program() const noexcept { return program_; }
  const std::vector<std::string>& arguments() const noexcept { return arguments_; }
  const std::optional<std::vector<std::string>>& env() const noexcept { return env_; }
  const std::string& cwd() const noexcept { return cwd_; }
  const std::vector<child_stdio>& stdio() const noexcept { return stdio_; }
  bool detached() const noexcept { return detached_; }
  const std::optional<std::uint32_t>& uid() const noexcept { return uid_; }
  const std::optional<std::uint32_t>& gid() const noexcept { return gid_; }
  bool kill_on_close() const noexcept { return kill_on_close_; }

 private:
  std::string program_;
  std::vector<std::string> arguments_;
  std::optional<std::vector<std::string>> env_;
  std::string cwd_;
  std::vector<child_stdio> stdio_;
  std::optional<std::uint32_t> uid_;
  std::optional<std::uint32_t> gid_;
  bool detached_ = false;
  bool kill_on_close_ = false;
};

/// How a child ended: by itself with `status`, or, if it is not 0, by `signal`.
struct exit_status {
  std::int64_t status;
  int signal;
};

/// A uv_process_t: a child of this program.
///
/// Destroying it while the child runs leaves the child running, without keeping the loop so,
/// or kills it if kill_on_close() was asked for. Either way the loop reaps the child when it
/// ends, so that no zombie is left. At the end of the loop a child to be killed is killed and
/// waited for; another one that still runs is left to itself, and is a zombie from its end to
/// that of this program. Children are reaped by number: the program must not wait for all
/// children (waitpid(-1)), ignore SIGCHLD or block it, or on_exit is never called.
class process : public handle {
 public:
  using exit_callback = unique_function<void(exit_status)>;

  /// Starts the child. Throws uv_error, with the program as its path, if that cannot be:
  /// ENOENT (no such program, or no such cwd), EACCES, EPERM, EAGAIN, EINVAL for a NUL in a
  /// text. Nothing is called then, and no child is left. Cost: it waits for the child to call
  /// exec().
  process(loop& owner, const process_options& options, exit_callback on_exit);

  /// Also after the child has ended, and after the loop has closed.
  int pid() const noexcept;
  /// Throws uv_error (ESRCH) once the child was reaped, so that no stranger with its number
  /// gets the signal; also before on_exit has told so.
  void kill(int signal);
};

/// Sends a signal to any process, as kill(2): uv_kill. Throws uv_error: ESRCH, EPERM, EINVAL.
void kill(int pid, int signal);

}  // namespace sheaf::runtime
