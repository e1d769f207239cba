#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/watch_core.hpp>
#include <sheaf/runtime/error.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sheaf::fs {

/// What changes at a path, one change after the other: the common part of watcher and
/// poll_watcher.
///
/// Ownership: moved, never copied; destroying it closes it, and ends who waits with nothing.
/// Order: as the system tells it. Failure: uv_error; invalid_state if another task is at
/// next(). Cancellation is total: the change is given by the next call. Thread: its loop's.
/// It keeps a loop running, and virtual time from jumping, only while a task is at next().
template <class Core>
class [[nodiscard]] basic_watcher {
 public:
  basic_watcher(basic_watcher&&) noexcept = default;
  basic_watcher& operator=(basic_watcher&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~basic_watcher() {
    if (core_) core_->close();
  }

  /// The next change; nothing once it is closed.
  [[nodiscard]] auto next() { return detail::next_change(shared()); }

  void close() { shared()->close(); }
  bool is_open() const noexcept { return core_ && core_->is_open(); }

  /// For the library.
  explicit basic_watcher(std::shared_ptr<Core> core) noexcept : core_(std::move(core)) {}

 private:
  const std::shared_ptr<Core>& shared() const {
    if (!core_) throw invalid_state("fs::watcher: this one was moved from");
    return core_;
  }

  std::shared_ptr<Core> core_;
};

using watcher = basic_watcher<detail::watch_core>;
using poll_watcher = basic_watcher<detail::poll_core>;

/// Watches a file, or a directory without what is below it, from the call on.
///
///     fs::watcher w = fs::watch("settings");
///     while (auto c = co_await w.next()) read_settings_again(c->name);
///
/// The system may tell one change as several. Changes that wait to be asked for are kept, 1,024
/// at most, the same one after the other as one; the last of them then says that more were
/// lost. Throws uv_error: ENOENT, ENOSPC where the system watches too much. Cost: an inotify
/// watch, no thread.
[[nodiscard]] watcher watch(const std::string& path);

/// Looks at a file by stat() every `interval`, for what watch() does not see, such as network
/// file systems; the first look only notes. Looks that found a change before somebody asked
/// are told as one. next() throws when it can no longer be looked at (ENOENT), once, and goes
/// on.
[[nodiscard]] poll_watcher poll_watch(
    const std::string& path, std::chrono::nanoseconds interval = std::chrono::seconds(1));

}  // namespace sheaf::fs
