#pragma once

#include <sheaf/runtime/file_status.hpp>
#include <sheaf/runtime/request.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

struct uv_dir_s;

namespace sheaf::runtime {

class loop;

/// libuv's operations on files, each by a thread of libuv's pool.
///
/// Each gives the request, whose callback is called once with the result or the error; what
/// libuv refuses at once is thrown as uv_error (EINVAL for a path with a NUL in it), and then
/// nothing is called. Paths and bytes are copied, unless a function says that it borrows them.
/// Offsets are bytes from the start of the file; `current` is where the descriptor stands.
///
/// Cancellation: a request that is destroyed calls nothing, but one that a thread has begun
/// with still happens. What open(), mkstemp() and opendir() then made is closed, and the file
/// of mkstemp() removed. Order: none between requests under way; wait for one before the next.
/// Cost: a block, and a thread of libuv's pool for as long as the system takes.
namespace fs {

using done_callback = unique_function<void(std::error_code)>;
using open_callback = unique_function<void(int descriptor, std::error_code)>;
using size_callback = unique_function<void(std::size_t, std::error_code)>;
using bytes_callback = unique_function<void(std::string bytes, std::error_code)>;
using path_callback = unique_function<void(std::string path, std::error_code)>;
using status_callback = unique_function<void(const file_status&, std::error_code)>;

inline constexpr std::int64_t current = -1;

/// `flags` and `mode` as those of open(2). The descriptor is the caller's to close.
request open(loop& l, std::string_view path, int flags, int mode, open_callback f);
request close(loop& l, int descriptor, done_callback f);

/// Up to `size` bytes; none at the end of the file.
request read(loop& l, int descriptor, std::size_t size, std::int64_t offset,
             bytes_callback f);
/// The same into `room`, which must stay until the callback, and, if the request is
/// destroyed before, until its thread has let go: prefer read().
request read_into(loop& l, int descriptor, std::span<char> room, std::int64_t offset,
                  size_callback f);
/// Gives how many of the bytes were written: as with write(2), perhaps not all.
request write(loop& l, int descriptor, std::string bytes, std::int64_t offset,
              size_callback f);
/// The same of bytes that must stay as read_into()'s room.
request write_borrowed(loop& l, int descriptor, std::string_view bytes,
                       std::int64_t offset, size_callback f);
/// Copies from one descriptor to another inside the kernel, where that can be; perhaps less
/// than `size`.
request sendfile(loop& l, int to, int from, std::int64_t offset, std::size_t size,
                 size_callback f);

request fsync(loop& l, int descriptor, done_callback f);
request fdatasync(loop& l, int descriptor, done_callback f);
request ftruncate(loop& l, int descriptor, std::int64_t size, done_callback f);

request stat(loop& l, std::string_view path, status_callback f);
request lstat(loop& l, std::string_view path, status_callback f);
request fstat(loop& l, int descriptor, status_callback f);

/// What a whole file system has: uv_statfs_t.
struct space {
  std::uint64_t type = 0;
  std::uint64_t block_size = 0;
  std::uint64_t blocks = 0;
  std::uint64_t free_blocks = 0;
  std::uint64_t available_blocks = 0;  ///< to users that are not root
  std::uint64_t files = 0;
  std::uint64_t free_files = 0;
  std::uint64_t fragment_size = 0;  ///< what `blocks` count; block_size before libuv 1.52
};
using space_callback = unique_function<void(const space&, std::error_code)>;
request statfs(loop& l, std::string_view path, space_callback f);

/// No error if the file may be used so; `mode` as that of access(2).
request access(loop& l, std::string_view path, int mode, done_callback f);
request chmod(loop& l, std::string_view path, int mode, done_callback f);
request fchmod(loop& l, int descriptor, int mode, done_callback f);
request chown(loop& l, std::string_view path, std::uint32_t user, std::uint32_t group,
              done_callback f);
request fchown(loop& l, int descriptor, std::uint32_t user, std::uint32_t group,
               done_callback f);
request lchown(loop& l, std::string_view path, std::uint32_t user, std::uint32_t group,
               done_callback f);

/// To the microsecond: libuv takes seconds as a double.
using time_point = file_status::time_point;
request utime(loop& l, std::string_view path, time_point accessed, time_point modified,
              done_callback f);
request futime(loop& l, int descriptor, time_point accessed, time_point modified,
               done_callback f);
request lutime(loop& l, std::string_view path, time_point accessed, time_point modified,
               done_callback f);

request unlink(loop& l, std::string_view path, done_callback f);
request rename(loop& l, std::string_view from, std::string_view to, done_callback f);
request link(loop& l, std::string_view target, std::string_view path, done_callback f);
request symlink(loop& l, std::string_view target, std::string_view path, done_callback f);
request readlink(loop& l, std::string_view path, path_callback f);
request realpath(loop& l, std::string_view path, path_callback f);

/// How copyfile() copies; a set.
enum class copy : int {
  plain = 0,
  exclusive = 1,        ///< EEXIST if there is a file at the target
  clone = 2,            ///< shares the blocks where the file system can
  clone_or_nothing = 4  ///< ENOTSUP where it cannot
};
request copyfile(loop& l, std::string_view from, std::string_view to, copy how,
                 done_callback f);

request mkdir(loop& l, std::string_view path, int mode, done_callback f);
request rmdir(loop& l, std::string_view path, done_callback f);
/// `pattern` ends in XXXXXX, which becomes something unique.
request mkdtemp(loop& l, std::string_view pattern, path_callback f);
struct temporary_file {
  int descriptor = -1;  ///< the caller's to close
  std::string path;
};
using temporary_callback = unique_function<void(temporary_file, std::error_code)>;
request mkstemp(loop& l, std::string_view pattern, temporary_callback f);

enum class entry_kind { unknown, file, directory, link, fifo, socket, character, block };
struct entry {
  std::string name;
  entry_kind kind;
};
using entries_callback = unique_function<void(std::vector<entry>, std::error_code)>;
/// All entries of a directory but "." and "..", sorted by name.
request scandir(loop& l, std::string_view path, entries_callback f);

/// An open directory, read piece by piece: uv_dir_t. Closed when the last copy, and the request
/// that reads from it, has gone. Belongs to one loop.
class directory {
 public:
  directory() = default;
  explicit directory(std::shared_ptr<uv_dir_s> open) noexcept : open_(std::move(open)) {}
  explicit operator bool() const noexcept { return open_ != nullptr; }
  const std::shared_ptr<uv_dir_s>& raw() const noexcept { return open_; }

 private:
  std::shared_ptr<uv_dir_s> open_;
};
using directory_callback = unique_function<void(directory, std::error_code)>;
request opendir(loop& l, std::string_view path, directory_callback f);
/// Up to `most` further entries, none at the end. One at a time for each directory: throws
/// uv_error (EBUSY) while another is under way, EINVAL for none at all.
request readdir(loop& l, const directory& d, std::size_t most, entries_callback f);

}  // namespace fs
}  // namespace sheaf::runtime
