#pragma once

#include <chrono>
#include <cstdint>

namespace sheaf::runtime {

/// What the system knows of a file: uv_stat_t, in the standard's types.
struct file_status {
  using time_point =
      std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

  std::uint64_t device = 0;
  std::uint64_t mode = 0;  ///< type and permissions, as S_IFMT and 0777
  std::uint64_t links = 0;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::uint64_t block_size = 0;
  std::uint64_t blocks = 0;
  time_point accessed{};
  time_point modified{};
  time_point changed{};
  time_point created{};

  bool is_directory() const noexcept { return (mode & 0170000) == 0040000; }
  bool is_regular() const noexcept { return (mode & 0170000) == 0100000; }
  bool is_symlink() const noexcept { return (mode & 0170000) == 0120000; }
  bool is_socket() const noexcept { return (mode & 0170000) == 0140000; }
};

}  // namespace sheaf::runtime
