#pragma once

#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/stream_core.hpp>
#include <sheaf/event.hpp>
#include <sheaf/process_options.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/process.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace sheaf::detail {

/// A child: libuv's handle, how it ended, and who waits for that.
///
/// Counted: the process object holds it, and each coroutine that waits. The last one to let
/// go of a running child kills it; the handle below reaps it in any case.
class process_core : public runtime::pooled {
 public:
  process_core(loop_core& l, const runtime::process_options& how);
  process_core(const process_core&) = delete;
  process_core& operator=(const process_core&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  int pid() const noexcept { return pid_; }
  std::optional<int> returncode() const noexcept { return returncode_; }
  event& ended() noexcept { return ended_; }
  void send_signal(int signum);
  /// If it runs; an error, as of a child that is another user's by now, is dropped.
  void kill() noexcept;
  /// Debug mode reports a child that is killed because nobody kept its process.
  void report_dropped() const;

 private:
  ~process_core() = default;

  std::uint32_t references_ = 1;
  int pid_;
  bool killed_ = false;
  std::optional<int> returncode_;
  runtime::intrusive_ptr<loop_core> loop_;
  std::string program_;
  event ended_;
  runtime::process handle_;  // last: its callback uses the others
};

using process_ref = runtime::intrusive_ptr<process_core>;

/// A child that was started, and our ends of its pipes; null for what is none.
struct spawned {
  process_ref child;
  stream_ref ends[3];
};

/// Throws uv_error if it cannot be started; then nothing is left of it.
spawned spawn(loop_core& l, const process_options& how);

}  // namespace sheaf::detail
