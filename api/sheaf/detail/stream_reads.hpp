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

/// A read that gives T; may be awaited in place or made a coro.
template <class T>
class value_read : public read_wait {
 public:
  using value_type = T;
  using coro_type = coro<T>;

 protected:
  using read_wait::read_wait;
  value_read(value_read&&) noexcept = default;
  ~value_read() = default;

  template <class Self>
  coro<T> made_coro(Self& self) {
    return as_stream_coro(stream_ref::share(&core()), std::move(self));
  }
};

/// read(n), and read(), which is read(everything)
class read_up_to final : public value_read<std::string> {
 public:
  static constexpr auto everything = static_cast<std::size_t>(-1);

  read_up_to(stream_core& c, std::size_t n) noexcept : value_read(c), n_(n) {}
  bool await_ready();
  std::string await_resume();
  operator coro<std::string>() && { return made_coro(*this); }  // NOLINT: it is one

 private:
  bool satisfied() noexcept override {
    return n_ != everything && !core().buffer().empty();
  }
  std::size_t n_;
};

/// readexactly(n)
class read_exactly final : public value_read<std::string> {
 public:
  read_exactly(stream_core& c, std::size_t n);
  bool await_ready();
  std::string await_resume();
  operator coro<std::string>() && { return made_coro(*this); }  // NOLINT: it is one

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
template <class T>
class read_delimited : public value_read<T> {
 public:
  bool await_ready() { return this->ready_if(satisfied()); }

 protected:
  read_delimited(stream_core& c, separators s)
      : value_read<T>(c), separators_(std::move(s)) {}
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
class read_until final : public read_delimited<std::string> {
 public:
  read_until(stream_core& c, separators s) : read_delimited(c, std::move(s)) {}
  std::string await_resume();
  operator coro<std::string>() && { return made_coro(*this); }  // NOLINT: it is one
};

/// readline()
class read_line final : public read_delimited<std::string> {
 public:
  explicit read_line(stream_core& c) : read_delimited(c, separators("\n")) {}
  std::string await_resume();
  operator coro<std::string>() && { return made_coro(*this); }  // NOLINT: it is one
};

/// next_line()
class read_next_line final : public read_delimited<std::optional<std::string>> {
 public:
  explicit read_next_line(stream_core& c) : read_delimited(c, separators("\n")) {}
  std::optional<std::string> await_resume();
  operator coro_type() && { return made_coro(*this); }  // NOLINT: it is one
};

/// read_some(span): bytes go into the caller's memory, past the buffer.
class read_into final : public value_read<std::size_t> {
 public:
  read_into(stream_core& c, std::span<char> room) noexcept : value_read(c, room) {}
  bool await_ready() {
    return ready_if(wanted_room().empty() || !core().buffer().empty());
  }
  std::size_t await_resume() {
    resumed();
    return came() != 0 ? came() : from_buffer();
  }
  operator coro<std::size_t>() && { return made_coro(*this); }  // NOLINT: it is one

 private:
  bool satisfied() noexcept override { return !core().buffer().empty(); }
  std::size_t from_buffer();
};

}  // namespace sheaf::detail
