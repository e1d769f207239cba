#pragma once

#include <sheaf/detail/stream_core.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::detail {

/// read(n)
class read_up_to final : public read_wait {
 public:
  read_up_to(stream_core& c, std::size_t n) noexcept : read_wait(c), n_(n) {}
  bool await_ready();
  std::string await_resume();

 private:
  bool satisfied() noexcept override { return !core().buffer().empty(); }
  std::size_t n_;
};

/// read()
class read_to_end final : public read_wait {
 public:
  explicit read_to_end(stream_core& c) noexcept : read_wait(c) {}
  bool await_ready();
  std::string await_resume();

 private:
  bool satisfied() noexcept override { return false; }
};

/// readexactly(n)
class read_exactly final : public read_wait {
 public:
  read_exactly(stream_core& c, std::size_t n) noexcept : read_wait(c), n_(n) {}
  bool await_ready();
  std::string await_resume();

 private:
  bool satisfied() noexcept override { return core().buffer().size() >= n_; }
  std::size_t n_;
};

/// readuntil()
class read_until : public read_wait {
 public:
  read_until(stream_core& c, std::string_view separator);
  read_until(stream_core& c, std::vector<std::string> separators);
  bool await_ready();
  std::string await_resume();

 protected:
  /// Takes what was found, or throws.
  std::string found();
  bool overrun() const noexcept { return end_ == 0 || end_ - length_ > core().limit(); }
  std::size_t end() const noexcept { return end_; }
  std::size_t length() const noexcept { return length_; }
  std::size_t clean() const noexcept { return scanned_; }

 private:
  bool satisfied() noexcept override;
  void require_separators() const;

  std::vector<std::string> separators_;
  std::size_t longest_ = 0;
  std::size_t shortest_ = 0;
  std::size_t scanned_ = 0;  // no separator begins before
  std::size_t end_ = 0;      // of what was found, past the separator; 0: nothing was
  std::size_t length_ = 0;   // of the separator
};

/// readline()
class read_line final : public read_until {
 public:
  explicit read_line(stream_core& c) : read_until(c, "\n") {}
  std::string await_resume();
};

/// read_some(span): bytes go into the caller's memory, past the buffer.
class read_into final : public read_wait {
 public:
  read_into(stream_core& c, std::span<char> room) noexcept : read_wait(c), room_(room) {}
  bool await_ready();
  std::size_t await_resume();

 private:
  bool satisfied() noexcept override { return !core().buffer().empty(); }
  std::span<char> room() const noexcept override { return room_; }
  void took(std::size_t n) noexcept override { came_ = n; }

  std::span<char> room_;
  std::size_t came_ = 0;
};

}  // namespace sheaf::detail
