#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/directory.hpp>
#include <sheaf/file.hpp>
#include <sheaf/runtime/file_status.hpp>
#include <sheaf/runtime/fs.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Files and paths, each operation by a thread of libuv's pool, while the loop goes on.
///
///     std::string text = co_await fs::read_file("notes.txt");
///     co_await fs::write_file("copy.txt", std::move(text));
///
/// All give coros: await them, gather them, or make tasks of them. Arguments are owned by the
/// coro. Order: operations that are under way at the same time end in any order. Failure:
/// uv_error, with the operation and the path: "fs::stat '/no/such': ENOENT"; a path with a NUL
/// in it is EINVAL. Cancellation is total: `cancelled` means that nothing has happened.
/// What libuv has not begun with is taken back. Once a thread is at it, what only looks (stat,
/// scandir, readlink, a read) ends at once and its answer is lost; what changes something is
/// awaited to its end, gives its result, and the next await delivers the cancellation. A time
/// limit is late by as much. A loop that closes waits for what threads are at. Cost: a way to
/// a thread and back, tens of microseconds; libuv has four threads for the whole process
/// (UV_THREADPOOL_SIZE), which name look-ups share.
namespace sheaf::fs {

using runtime::fs::copy;
using runtime::fs::space;

/// All of a file, one way to a thread. Total: looks only.
[[nodiscard]] coro<std::string> read_file(std::string path);
/// Makes the file, or replaces what is in it; one way to a thread. Not atomic: a reader may see
/// a part, and an error may leave one. Total: awaited once begun.
[[nodiscard]] coro<> write_file(std::string path, std::string data, int mode = 0666);

/// What the system knows of a file; lstat() of a link itself. Total: looks only.
[[nodiscard]] coro<file_status> stat(std::string path);
[[nodiscard]] coro<file_status> lstat(std::string path);
/// Of the file system that a path is on. Total: looks only.
[[nodiscard]] coro<space> statfs(std::string path);
/// Whether the file may be used so, `mode` as that of access(2): throws EACCES, ENOENT.
/// Total: looks only.
[[nodiscard]] coro<> access(std::string path, int mode);

/// All entries of a directory but "." and "..", sorted by name. Total: looks only.
[[nodiscard]] coro<std::vector<entry>> scandir(std::string path);
/// Total: awaited once begun, as all that follow but readlink and realpath.
[[nodiscard]] coro<> mkdir(std::string path, int mode = 0777);
[[nodiscard]] coro<> rmdir(std::string path);
/// `pattern` ends in XXXXXX, which becomes something unique; gives the path.
[[nodiscard]] coro<std::string> mkdtemp(std::string pattern);

/// What mkstemp() made: open for reading and writing, and the caller's to unlink.
struct temporary_file {
  fs::file file;
  std::string path;
};
[[nodiscard]] coro<temporary_file> mkstemp(std::string pattern);

[[nodiscard]] coro<> unlink(std::string path);
/// Replaces what is at `to`, at once for whoever looks.
[[nodiscard]] coro<> rename(std::string from, std::string to);
[[nodiscard]] coro<> copyfile(std::string from, std::string to, copy how = copy::plain);
[[nodiscard]] coro<> link(std::string target, std::string path);
[[nodiscard]] coro<> symlink(std::string target, std::string path);
/// What a link holds. Total: looks only.
[[nodiscard]] coro<std::string> readlink(std::string path);
/// The absolute path without links. Total: looks only.
[[nodiscard]] coro<std::string> realpath(std::string path);

/// Permissions, as 0644.
[[nodiscard]] coro<> chmod(std::string path, int mode);
[[nodiscard]] coro<> chown(std::string path, std::uint32_t user, std::uint32_t group);
[[nodiscard]] coro<> lchown(std::string path, std::uint32_t user, std::uint32_t group);
[[nodiscard]] coro<> utime(std::string path, time_point accessed, time_point modified);
[[nodiscard]] coro<> lutime(std::string path, time_point accessed, time_point modified);

/// Copies up to `size` bytes of `from`, from `offset` on, to `to`, inside the kernel where
/// that can be; gives how many. `to` is written where the system's own offset stands, which
/// the file objects' positions are not. Total: awaited once begun.
[[nodiscard]] coro<std::size_t> sendfile(const file& to, const file& from,
                                         std::uint64_t offset, std::size_t size);

}  // namespace sheaf::fs
