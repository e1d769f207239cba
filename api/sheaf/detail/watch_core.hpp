#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/arrival_wait.hpp>
#include <sheaf/detail/ring.hpp>
#include <sheaf/runtime/file_status.hpp>
#include <sheaf/runtime/fs_event.hpp>
#include <sheaf/runtime/fs_poll.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

namespace sheaf::fs {

/// Something has changed.
struct change {
  std::string name;      ///< of the entry, without its directory; empty if not known
  bool renamed = false;  ///< made, removed or renamed
  bool changed = false;  ///< its content or its attributes
  bool lost = false;     ///< more has changed than could be kept: look yourself
};

/// What a look at a file found, and what the one before had.
struct poll_change {
  runtime::file_status before;
  runtime::file_status now;
};

}  // namespace sheaf::fs

namespace sheaf::detail {

/// A watched path: libuv's handle and what has changed since somebody asked.
class watch_core final : public arrivals {
 public:
  watch_core(runtime::loop& l, const std::string& path);
  bool is_open() const noexcept { return handle_.has_value(); }
  void close() noexcept;
  bool ready() const noexcept override;
  /// Nothing once it is closed.
  std::optional<fs::change> take();

  static constexpr std::size_t most = 1024;

 private:
  void attend(bool on) override;
  void on_event(const runtime::fs_event::event& e, std::error_code error);
  void note(const runtime::fs_event::event& e);

  std::string path_;
  std::optional<runtime::fs_event> handle_;
  ring<fs::change> changes_;
  std::error_code error_;
};

/// The same by looking now and then. What it finds before somebody asks is one change.
class poll_core final : public arrivals {
 public:
  poll_core(runtime::loop& l, const std::string& path, std::chrono::nanoseconds every);
  bool is_open() const noexcept { return handle_.has_value(); }
  void close() noexcept;
  bool ready() const noexcept override { return change_ || error_ || !handle_; }
  std::optional<fs::poll_change> take();

 private:
  void attend(bool on) override;

  std::string path_;
  std::optional<runtime::fs_poll> handle_;
  std::optional<fs::poll_change> change_;
  std::error_code error_;
};

coro<std::optional<fs::change>> next_change(std::shared_ptr<watch_core> w);
coro<std::optional<fs::poll_change>> next_change(std::shared_ptr<poll_core> w);

}  // namespace sheaf::detail
