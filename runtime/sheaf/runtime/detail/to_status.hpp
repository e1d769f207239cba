#pragma once

#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/file_status.hpp>

namespace sheaf::runtime::detail {

inline file_status::time_point to_time(const uv_timespec_t& t) noexcept {
  return file_status::time_point(std::chrono::seconds(t.tv_sec) +
                                 std::chrono::nanoseconds(t.tv_nsec));
}

inline file_status to_status(const uv_stat_t& s) noexcept {
  file_status to;
  to.device = s.st_dev;
  to.mode = s.st_mode;
  to.links = s.st_nlink;
  to.uid = s.st_uid;
  to.gid = s.st_gid;
  to.inode = s.st_ino;
  to.size = s.st_size;
  to.block_size = s.st_blksize;
  to.blocks = s.st_blocks;
  to.accessed = to_time(s.st_atim);
  to.modified = to_time(s.st_mtim);
  to.changed = to_time(s.st_ctim);
  to.created = to_time(s.st_birthtim);
  return to;
}

}  // namespace sheaf::runtime::detail
