#pragma once

namespace sheaf::runtime {

class loop;

/// What uv_loop_configure() can turn on for a loop, and never off again.
enum class loop_option {
  metrics_idle_time,  ///< idle_time() counts; a look at the clock before and after each poll
  block_sigprof,      ///< a profiler's signal does not interrupt the poll
  /// A thread of the kernel's takes file operations: libuv 1.49 and later, which also wants
  /// UV_USE_IO_URING=1 in the environment. Where the system refuses, libuv's threads take them.
  /// Not for what calls fs::ftruncate() before libuv 1.52: on Linux 6.9 and later it then fails
  /// (EINVAL), or empties the file if the size is a multiple of 4 GiB.
  use_io_uring_sqpoll
};

/// Before the loop has run. Throws uv_error (ENOSYS, EINVAL) for what this libuv or system has
/// not, invalid_state on a borrowed loop, which its host configures.
void configure(loop& l, loop_option o);

}  // namespace sheaf::runtime
