#pragma once

#include <sheaf/runtime/stream.hpp>

#include <string>
#include <string_view>

namespace sheaf::runtime {

class loop;
class udp;

/// A uv_pipe_t: a pipe, or a socket of the local machine that goes by a path.
class pipe : public stream {
 public:
  enum class kind {
    plain,
    ipc,  ///< handles can be sent over it, between processes or loops
  };

  /// Not open until it connects, binds, accepts or opens. Throws invalid_state if the loop is
  /// closed.
  explicit pipe(loop& owner, kind k = kind::plain);

  /// Takes over a descriptor of the system's, and closes it with this; it becomes non-blocking.
  /// Throws uv_error (EBADF, EEXIST); the descriptor then stays the caller's.
  void open(int descriptor);

  /// Makes a socket at `path`, which is removed with this. A path that begins with a NUL is a
  /// name in Linux's abstract namespace, of which there is no file (since libuv 1.46). Throws
  /// uv_error: EADDRINUSE if there is a file already, EACCES where there is no directory (libuv
  /// says so for ENOENT), ENAMETOOLONG, ENOTSUP for an abstract name with an older libuv,
  /// EINVAL for a NUL within.
  void bind(std::string_view path);
  /// Connects to such a socket, then calls `on_connected`, with the error if there is one:
  /// ENOENT, ECONNREFUSED when nobody listens. Throws for a path that cannot be, as bind(), and
  /// EALREADY while it connects.
  void connect(std::string_view path, done_callback on_connected);

  /// Lets other users read it, write it, or both, so that they may connect. Throws uv_error
  /// (EINVAL) for neither.
  void chmod(bool readable, bool writable);

  /// Its path, and that of the other end; empty for one that is not bound.
  std::string sockname() const;
  std::string peername() const;

  /// Sends `bytes`, one at least, and with them what `sent` stands for: the other side of an
  /// ipc pipe accept()s it, and has it as well. `sent` should stay until `on_done`: if it is
  /// destroyed before, the write fails (EBADF). Throws uv_error (EINVAL) on a plain pipe.
  void write_with_handle(std::string bytes, stream& sent, done_callback on_done);
  void write_with_handle(std::string bytes, udp& sent, done_callback on_done);
  /// The same at once: how many of the bytes went; 0, and the handle did not go, if nothing
  /// goes now.
  std::size_t try_write_with_handle(std::string_view bytes, stream& sent);

  /// What has come over an ipc pipe and waits to be accepted.
  enum class pending { none, tcp, pipe, udp, other };
  pending pending_type() const;
  /// How many have.
  int pending_count() const;
  using stream::accept;
  void accept(udp& client);
};

/// The two ends of a pipe of the system's: uv_pipe, non-blocking and closed on exec. For
/// pipe::open(); the caller closes them otherwise.
struct pipe_ends {
  int reading;
  int writing;
};
pipe_ends make_pipe();

}  // namespace sheaf::runtime
