#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/file_core.hpp>
#include <sheaf/runtime/file_status.hpp>
#include <sheaf/runtime/fs.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sheaf::fs {

using runtime::file_status;
using runtime::fs::time_point;

/// How open() opens; a set. A program that the process starts does not inherit the file.
enum class flags : unsigned {
  read = 1,
  write = 2,
  append = 4,     ///< every write goes to the end of the file, wherever that is then
  create = 8,     ///< if there is none
  truncate = 16,  ///< empties it
  exclusive = 32  ///< with create: EEXIST if there is one
};
constexpr flags operator|(flags a, flags b) noexcept {
  return static_cast<flags>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool operator&(flags a, flags b) noexcept {
  return (static_cast<unsigned>(a) & static_cast<unsigned>(b)) != 0;
}

/// Python's "r", "w" and "a".
inline constexpr flags reading = flags::read;
inline constexpr flags writing = flags::write | flags::create | flags::truncate;
inline constexpr flags appending = flags::write | flags::append | flags::create;

/// An open file.
///
///     fs::file f = co_await fs::open("notes.txt", fs::reading);
///     std::string head = co_await f.read(100);
///
/// Ownership: moved, never copied. Destroying it closes it, without holding the loop: one of
/// libuv's threads does, when what is under way with it has ended, and an error of that goes
/// to the loop's exception handler. co_await close() gives you the error instead.
///
/// Position: the file object's own, from 0, moved by read(), read_some() without an offset
/// and write(); one of those at a time, a second one throws invalid_state. What takes an
/// offset neither uses nor moves it, and any number of those may be under way. A pipe or a
/// terminal has no places: it is read and written as it comes, and an offset is ESPIPE. They
/// may hold one of libuv's four threads for ever: open_unix_connection() and its like do not.
///
/// Failure: uv_error, with the operation and the path; invalid_state once it is closed.
/// Cancellation is total: `cancelled` means that nothing was read or written. What libuv has
/// not begun with is taken back; a read that a thread is at ends at once, and its answer is
/// lost, the position where it was; a write, or another change, is awaited to its end, and
/// the next await delivers the cancellation. Thread: its loop's. Cost: a way to one of
/// libuv's threads and back for each operation, tens of microseconds: read and write in large
/// pieces.
class [[nodiscard]] file {
 public:
  /// None: only to be assigned to.
  file() = default;
  file(file&&) noexcept = default;
  file& operator=(file&&) noexcept = default;
  ~file() = default;

  /// Takes over an open descriptor, of a regular file or whatever read(2) takes.
  static file adopt(int descriptor);

  /// Up to `n` bytes from the position on; empty at the end.
  [[nodiscard]] coro<std::string> read(std::size_t n) const {
    return detail::read_file_part(core(), n, {});
  }
  /// All from the position to the end.
  [[nodiscard]] coro<std::string> read() const { return detail::read_file_rest(core()); }
  [[nodiscard]] coro<std::string> read_at(std::uint64_t offset, std::size_t n) const {
    return detail::read_file_part(core(), n, offset);
  }

  /// The same into `room`, which must outlive the await; gives how many bytes, 0 at the end.
  /// The thread reads into a block of its own, and the loop copies: cancelled or destroyed,
  /// it never leaves a thread that writes into your memory. Cost: that block and that copy.
  [[nodiscard]] coro<std::size_t> read_some(std::span<char> room) const {
    return detail::read_file_into(core(), room, {});
  }
  [[nodiscard]] coro<std::size_t> read_some(std::span<char> room,
                                            std::uint64_t offset) const {
    return detail::read_file_into(core(), room, offset);
  }

  /// Writes all of `bytes`, which it owns until libuv is done: move them in. After an error,
  /// such as ENOSPC, position() tells how much was written; one of a file that appends stays
  /// where it is.
  [[nodiscard]] coro<> write(std::string bytes) const {
    return detail::write_file_part(core(), std::move(bytes), {});
  }
  [[nodiscard]] coro<> write_at(std::uint64_t offset, std::string bytes) const {
    return detail::write_file_part(core(), std::move(bytes), offset);
  }

  std::uint64_t position() const { return static_cast<std::uint64_t>(core()->position); }
  /// Moves the position; no call of the system's. It may lie behind the end: a read there
  /// gives nothing, a write makes a hole.
  void seek(std::uint64_t to) const;

  [[nodiscard]] coro<file_status> stat() const;
  /// Cuts the file at `size`, or fills it up with zeros.
  [[nodiscard]] coro<> truncate(std::uint64_t size) const;
  /// Has the disk take what was written; data_sync() leaves out what only stat() tells.
  [[nodiscard]] coro<> sync() const;
  [[nodiscard]] coro<> data_sync() const;
  /// Permissions, as 0644.
  [[nodiscard]] coro<> chmod(int mode) const;
  [[nodiscard]] coro<> chown(std::uint32_t user, std::uint32_t group) const;
  [[nodiscard]] coro<> utime(time_point accessed, time_point modified) const;

  /// Closes it when what is under way has ended, and tells the error. From the call on all
  /// else throws; a second time it returns at once. Cancellation is terminal: it is closed
  /// all the same.
  [[nodiscard]] coro<> close() const { return detail::close_file(core()); }
  bool is_open() const noexcept { return core_ && core_->is_open(); }

  /// The system's number, the file's to close. Throws invalid_state once it is closed.
  int fileno() const { return core()->open("fileno")->number(); }

  explicit file(detail::file_ref core) noexcept : core_(std::move(core)) {}
  /// For the library; throws invalid_state if there is none.
  const detail::file_ref& core() const;

 private:
  detail::file_ref core_;
};

/// Opens a file. `mode`: the permissions of one that is made, less the umask.
/// Cancellation: total; a file that was opened meanwhile is closed.
[[nodiscard]] coro<file> open(std::string path, flags how = reading, int mode = 0666);

}  // namespace sheaf::fs
