#pragma once

namespace sheaf::runtime {

/// Ignores SIGPIPE for the process while one of these lives, unless the program has set it
/// to something itself; then the default is restored. libuv on Linux needs it: a write to a
/// peer that has gone is an error to handle, not a reason to die. Thread: any.
class sigpipe_guard {
 public:
  sigpipe_guard() noexcept;
  sigpipe_guard(const sigpipe_guard&) = delete;
  sigpipe_guard& operator=(const sigpipe_guard&) = delete;
  ~sigpipe_guard();
};

}  // namespace sheaf::runtime
