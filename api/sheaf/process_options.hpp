#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf {

/// What a child has as its standard input, output or error output: ours, a pipe to us, or
/// the null device.
enum class stdio { inherit, pipe, null };

/// What to start, and how: asyncio's arguments of create_subprocess_exec.
///
///     process_options("sort", "-n").stdin_(stdio::pipe).stdout_(stdio::pipe)
///
/// Everything that is not said is as here: the environment, the directory, the three
/// descriptors. Pipes are those of the system, which a child can open as /dev/stdin.
class process_options {
 public:
  /// For create_subprocess_shell(), which knows the program.
  process_options() = default;
  /// The program is looked up in the PATH that the child gets; the arguments come after its
  /// name. They go to the program as they are: no shell looks at them.
  template <std::convertible_to<std::string>... Args>
  explicit process_options(std::string program, Args&&... args)
      : program_(std::move(program)), args_{std::string(std::forward<Args>(args))...} {}

  process_options& program(std::string name);
  /// More arguments.
  process_options& arg(std::string one);
  process_options& args(const std::vector<std::string>& more);

  process_options& stdin_(stdio what);
  process_options& stdout_(stdio what);
  process_options& stderr_(stdio what);
  /// A descriptor of ours, which stays ours.
  process_options& stdin_(int descriptor);
  process_options& stdout_(int descriptor);
  process_options& stderr_(int descriptor);
  /// Error output goes where the output goes: asyncio's stderr=STDOUT.
  process_options& stderr_to_stdout();

  /// All of the child's environment, in place of ours.
  process_options& env(const std::map<std::string, std::string>& all);
  /// One variable more, or in place of the one that there is. Throws std::invalid_argument
  /// for a name that is empty or has a '=' in it.
  process_options& env(const std::string& name, std::string value);
  process_options& cwd(std::string directory);
  /// In a session of its own, without our terminal: Ctrl-C does not reach the child.
  process_options& start_new_session(bool on = true);
  process_options& uid(std::uint32_t user);
  process_options& gid(std::uint32_t group);
  /// Of the streams: how long a line may be that readline() gives. 64 KiB if nothing is
  /// said; throws std::invalid_argument for 0.
  process_options& limit(std::size_t bytes);

  /// One of the three: what was asked for, or a descriptor.
  class end {
   public:
    end() = default;
    explicit end(stdio what) noexcept : what_(what) {}
    explicit end(int descriptor);
    stdio what() const noexcept { return what_; }
    std::optional<int> descriptor() const noexcept { return descriptor_; }

   private:
    stdio what_ = stdio::inherit;
    std::optional<int> descriptor_;
  };

  const std::string& program() const noexcept { return program_; }
  const std::vector<std::string>& args() const noexcept { return args_; }
  /// Of descriptor 0, 1 or 2.
  const end& descriptor(int n) const { return ends_[n]; }
  bool merges_stderr() const noexcept { return merges_stderr_; }
  const std::optional<std::map<std::string, std::string>>& env() const noexcept {
    return env_;
  }
  const std::string& cwd() const noexcept { return cwd_; }
  bool starts_new_session() const noexcept { return new_session_; }
  std::optional<std::uint32_t> uid() const noexcept { return uid_; }
  std::optional<std::uint32_t> gid() const noexcept { return gid_; }
  std::size_t limit() const noexcept { return limit_; }

 private:
  std::string program_;
  std::vector<std::string> args_;
  end ends_[3];
  bool merges_stderr_ = false;
  bool new_session_ = false;
  std::optional<std::map<std::string, std::string>> env_;
  std::string cwd_;
  std::optional<std::uint32_t> uid_;
  std::optional<std::uint32_t> gid_;
  std::size_t limit_ = 65'536;
};

}  // namespace sheaf
