#pragma once

#include <sheaf/runtime/file_status.hpp>
#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <chrono>
#include <string>
#include <system_error>

namespace sheaf::runtime {

class loop;

/// A uv_fs_poll_t: looks at a file now and then, and tells when it has changed. Works where
/// fs_event does not, such as on network file systems.
class fs_poll : public handle {
 public:
  /// The status before and now; an error while the file cannot be looked at, told once.
  using callback = unique_function<void(const file_status& before, const file_status& now,
                                        std::error_code)>;

  /// Throws invalid_state if the loop is closed.
  fs_poll(loop& owner, callback on_change);

  /// Looks at `path` every `interval`, which is rounded up to milliseconds, in place of what it
  /// watched; the first look only notes. That there is no such file is told to the callback.
  /// Throws uv_error (EINVAL) for a NUL in the path. Cost: a stat() of a thread of libuv's pool,
  /// each time.
  void start(const std::string& path, std::chrono::nanoseconds interval);
  /// Idempotent. The callback is not called after this returns.
  void stop() noexcept;

  /// What is watched; empty if nothing is.
  std::string path() const;
};

}  // namespace sheaf::runtime
