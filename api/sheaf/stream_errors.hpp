#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace sheaf {

/// The stream ended before what was asked for had come: asyncio's IncompleteReadError.
class incomplete_read : public std::runtime_error {
 public:
  incomplete_read(std::string partial, std::optional<std::size_t> expected);

  /// What had come; it is out of the stream.
  const std::string& partial() const noexcept { return partial_; }
  /// How much was asked for; nothing for readuntil().
  const std::optional<std::size_t>& expected() const noexcept { return expected_; }

 private:
  std::string partial_;
  std::optional<std::size_t> expected_;
};

/// The separator did not come within the stream's limit: asyncio's LimitOverrunError, and the
/// ValueError of its readline().
class limit_overrun : public std::runtime_error {
 public:
  limit_overrun(const std::string& what, std::size_t consumed)
      : runtime_error(what), consumed_(consumed) {}

  /// How many bytes, all without the separator, may be read to get past it.
  std::size_t consumed() const noexcept { return consumed_; }

 private:
  std::size_t consumed_;
};

}  // namespace sheaf
