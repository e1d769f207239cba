#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/file.hpp>
#include <sheaf/stream_errors.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sheaf::fs {

class line_options {
 public:
  /// The longest line, without its end: 64 KiB if nothing is said. Throws
  /// std::invalid_argument for 0.
  line_options& limit(std::size_t bytes) &;
  line_options&& limit(std::size_t bytes) && { return std::move(limit(bytes)); }
  /// The file grows: an unfinished line at its end is kept until it is finished.
  line_options& follow(bool on = true) & {
    follow_ = on;
    return *this;
  }
  line_options&& follow(bool on = true) && { return std::move(follow(on)); }

  std::size_t limit() const noexcept { return limit_; }
  bool follows() const noexcept { return follow_; }

 private:
  std::size_t limit_ = 65'536;
  bool follow_ = false;
};

/// A file line by line.
///
///     fs::line_reader lines(file);
///     while (auto line = co_await lines.next()) use(*line);
///
/// Ownership: shares the file, which may be closed by its destructor meanwhile; moved, never
/// copied. Reads from the file's position on and moves it, up to 64 KiB ahead of the line that
/// it gives. Order: the file's; one task at a time, a second one gets invalid_state. Failure:
/// uv_error; limit_overrun for a line longer than the limit, which is left out, and the next
/// call goes on behind it. Cancellation is total: no line is lost. Cost: a way to a thread for
/// every 64 KiB, nothing but a copy for the lines between.
class [[nodiscard]] line_reader {
 public:
  explicit line_reader(const file& from, line_options options = {});
  line_reader(line_reader&&) noexcept = default;
  line_reader& operator=(line_reader&&) noexcept = default;
  ~line_reader() = default;

  /// The next line, without its "\n"; the rest that has none is the last one. Nothing at the
  /// end of the file: called again it looks whether that has grown.
  [[nodiscard]] coro<std::optional<std::string>> next() const { return next_of(state_); }

 private:
  struct state;
  static coro<std::optional<std::string>> next_of(std::shared_ptr<state> s);
  std::shared_ptr<state> state_;
};

}  // namespace sheaf::fs
