#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <string>
#include <string_view>
#include <system_error>

namespace sheaf::runtime {

class loop;

/// A uv_fs_event_t: tells when a file, or something in a directory, has changed.
///
/// The system may tell one change as several, or several as one; on Linux a directory is
/// watched without what is below it. What is there already is not told.
class fs_event : public handle {
 public:
  struct event {
    std::string_view name;  ///< of the entry, without its directory; empty if not known
    bool renamed;           ///< made, removed or renamed
    bool changed;           ///< its content or its attributes
  };
  /// `event::name` is valid during the call.
  using callback = unique_function<void(const event&, std::error_code)>;

  /// Throws invalid_state if the loop is closed.
  fs_event(loop& owner, callback on_change);

  /// Watches `path`, in place of what it watched. Throws uv_error, and watches nothing: ENOENT,
  /// ENOSPC when the system watches too much, EINVAL for a NUL in the path.
  void start(const std::string& path);
  /// Idempotent. The callback is not called after this returns.
  void stop() noexcept;

  /// What is watched; empty if nothing is.
  std::string path() const;
};

}  // namespace sheaf::runtime
