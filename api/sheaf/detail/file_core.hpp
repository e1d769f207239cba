#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/descriptor.hpp>
#include <sheaf/runtime/fs.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace sheaf::detail {

/// An open file, shared by its `file` and by what is under way with it.
class file_core {
 public:
  file_core(descriptor_ref d, bool appends) noexcept
      : descriptor_(std::move(d)), appends_(appends) {}
  file_core(const file_core&) = delete;
  file_core& operator=(const file_core&) = delete;

  /// Throws invalid_state once it is closed.
  const descriptor_ref& open(const char* what) const;
  bool is_open() const noexcept { return descriptor_ != nullptr; }
  /// Gives the descriptor up.
  descriptor_ref take() noexcept { return std::move(descriptor_); }

  /// Whether it can be read at any place: a pipe or a terminal cannot, which the first try
  /// tells.
  bool seekable() const noexcept { return seekable_; }
  void set_not_seekable() noexcept { seekable_ = false; }
  bool appends() const noexcept { return appends_; }

  std::int64_t position = 0;
  bool position_in_use = false;
  /// What a read took of a pipe and could not give, for the next one.
  std::string given_back{};

 private:
  descriptor_ref descriptor_;
  bool seekable_ = true;
  bool appends_;
};

using file_ref = std::shared_ptr<file_core>;
using at_offset = std::optional<std::uint64_t>;

// What `file` does. At the position, and moving it, where there is no offset.
coro<std::string> read_file_part(file_ref f, std::size_t n, at_offset at);
coro<std::string> read_file_rest(file_ref f);
coro<std::size_t> read_file_into(file_ref f, std::span<char> room, at_offset at);
coro<> write_file_part(file_ref f, std::string bytes, at_offset at);
coro<> close_file(file_ref f);

}  // namespace sheaf::detail
