#pragma once

#include <sheaf/stream.hpp>

#include <cstddef>

namespace sheaf {

/// How a terminal gives what is typed.
enum class tty_mode {
  normal,  ///< by lines, echoed, as the terminal was
  raw,     ///< each key at once, unechoed; Ctrl-C is a byte
  io,      ///< for what is sent through, byte by byte
};

struct tty_size {
  int columns;
  int rows;
};

/// A terminal: a stream, with a mode and a size.
///
///     tty keys = open_tty(0);
///     keys.set_mode(tty_mode::raw);
///     const std::string key = co_await keys.read(1);
///
/// When it is closed, which destroying it does, or its loop is, the terminal is set to normal
/// again. A program that dies by a signal leaves it as it is: catch SIGTERM and SIGINT.
/// Source: uv_tty_t.
class [[nodiscard]] tty : public stream {
 public:
  using stream::stream;

  /// Throws uv_error, invalid_state once it is closed. Of the whole terminal.
  void set_mode(tty_mode m);
  /// As it is now; SIGWINCH tells when it changes.
  tty_size size() const;
};

/// Whether a descriptor is a terminal.
bool is_tty(int descriptor) noexcept;

/// Borrows a descriptor, mostly 0 or 1. Throws uv_error (ENOTTY) if it is no terminal. From
/// then on the descriptor does not block: do not mix it with printf and std::cout, which
/// take that for an error. Thread: the loop's that runs here.
tty open_tty(int descriptor, std::size_t limit = detail::stream_core::default_limit);

/// Takes over the descriptor of a pipe or of a socket of the local kind, and closes it:
/// asyncio's connect_read_pipe and connect_write_pipe. Throws std::invalid_argument for a
/// file, which never makes a loop wait: read it with to_thread(). What it refuses stays yours.
stream open_pipe(int descriptor, std::size_t limit = detail::stream_core::default_limit);

/// What is at descriptor 0, 1 or 2: a terminal, a pipe or a socket. They stay open when the
/// stream is closed. Throws std::invalid_argument for files and the null device.
stream stdin_stream();
stream stdout_stream();
stream stderr_stream();

}  // namespace sheaf
