#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/runtime/fs.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::fs {

using runtime::fs::entry;
using runtime::fs::entry_kind;

/// An open directory, read entry by entry: for those too large for scandir().
///
///     fs::directory d = co_await fs::opendir("/tmp");
///     while (auto e = co_await d.next()) use(e->name);
///
/// Ownership: moved, never copied; destroying it closes it. Order: the system's. Failure:
/// uv_error; invalid_state if another task is at next(). Cancellation is total: an entry that
/// was read is given by the next call. Cost: a way to a thread for every 64 entries.
class [[nodiscard]] directory {
 public:
  directory() = default;
  directory(directory&&) noexcept = default;
  directory& operator=(directory&&) noexcept = default;
  ~directory() = default;

  /// The next entry, neither "." nor ".."; nothing at the end.
  [[nodiscard]] coro<std::optional<entry>> next() const { return next_of(state_); }

 private:
  friend coro<directory> opendir(std::string path);
  struct state {
    runtime::fs::directory open;
    std::string path;
    std::vector<entry> come;  // the next one last
    bool reading = false;
  };
  static coro<std::optional<entry>> next_of(std::shared_ptr<state> s);

  std::shared_ptr<state> state_;
};

/// Cancellation: total; looks only.
[[nodiscard]] coro<directory> opendir(std::string path);

}  // namespace sheaf::fs
