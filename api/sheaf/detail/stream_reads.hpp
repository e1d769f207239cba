#pragma once

#include <sheaf/detail/stream_core.hpp>
#include <sheaf/detail/stream_wait.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::detail {

/// read(n), and read(), which is read(everything)
class read_up_to final : public read_wait {
 public:
  static constexpr auto everything = static_cast<std::size_t>(-1);

  read_up_to(stream_core& c, std::size_t n) noexcept : read_wait(c), n_(n) {}
  bool await_ready();
  std::string await_resume();

 private:
  bool satisfied() noexcept override {
    return n_ != everything && !core().buffer().empty();
  }
  std::size_t n_;
};

/// readexactly(n)
class read_exactly final : public read_wait {
 public:
  read_exactly(stream_core& c, std::size_t n);
  bool await_ready();
  std::string await_resume();

 private:
  bool satisfied() noexcept override { return core().buffer().size() >= n_; }
  std::size_t n_;
};

/// What readuntil() looks for: one separator, which is stored in place, or several.
class separators {
 public:
  explicit separators(std::string_view one);
  explicit separators(std::vector<std::string> several);

  struct match {
    std::size_t end = 0;     // past the separator; 0: there is none
    std::size_t length = 0;  // of the separator
  };
  /// The one that ends first in `bytes`, and of several that end there the shortest.
  match find_in(std::string_view bytes, std::size_t from) const noexcept;
  std::size_t longest() const noexcept { return longest_; }

 private:
  static void consider(match& best, const std::string& s, std::string_view bytes,
                       std::size_t from) noexcept;

  std::string first_;
  std::vector<std::string> others_;
  std::size_t longest_;
};

/// Reads up to and with a separator.
class read_delimited : public read_wait {
 public:
  bool await_ready() { return ready_if(satisfied()); }

 protected:
  read_delimited(stream_core& c, separators s)
      : read_wait(c), separators_(std::move(s)) {}
  read_delimited(read_delimited&&) noexcept = default;
  ~read_delimited() = default;

  /// Takes what was found, or throws.
  std::string found();
  /// The same as readline() has it: the rest at the end, and of a line that is too long
  /// nothing is kept.
  std::string line();

 private:
  bool satisfied() noexcept override;
  bool overrun() const noexcept;

  separators separators_;
  separators::match match_;
  std::size_t scanned_ = 0;  // no separator begins before
};

/// readuntil()
class read_until final : public read_delimited {
 public:
  read_until(stream_core& c, separators s) : read_delimited(c, std::move(s)) {}
  std::string await_resume();
};

/// readline()
class read_line final : public read_delimited {
 public:
  explicit read_line(stream_core& c) : read_delimited(c, separators("\n")) {}
  std::string await_resume();
};

/// next_line()
class read_next_line final : public read_delimited {
 public:
  explicit read_next_line(stream_core& c) : read_delimited(c, separators("\n")) {}
  std::optional<std::string> await_resume();
};

/// read_some(span): bytes go into the caller's memory, past the buffer.
class read_into final : public read_wait {
 public:
  read_into(stream_core& c, std::span<char> room) noexcept : read_wait(c, room) {}
  bool await_ready() {
    return ready_if(wanted_room().empty() || !core().buffer().empty());
  }
  std::size_t await_resume() {
    resumed();
    return came() != 0 ? came() : from_buffer();
  }

 private:
  bool satisfied() noexcept override { return !core().buffer().empty(); }
  std::size_t from_buffer();
};

}  // namespace sheaf::detail
