#pragma once

#include <sheaf/runtime/stream.hpp>

#include <string>
#include <string_view>

namespace sheaf::runtime {

class loop;

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

  /// Takes over a descriptor of the system's, and closes it with this.
  void open(int descriptor);

  /// Makes a socket at `path`, which is removed with this. Throws uv_error: EADDRINUSE if
  /// there is a file already, ENAMETOOLONG, EINVAL for a path with a NUL in it.
  void bind(std::string_view path);
  void connect(std::string_view path, done_callback on_connected);

  /// Who may connect: others may read it, write it.
  void chmod(bool readable, bool writable);

  std::string sockname() const;
  std::string peername() const;

  /// Sends `bytes`, one at least, and with them `sent`, which must stay until `on_done`.
  void write_with_handle(std::string bytes, stream& sent, done_callback on_done);
  /// The handles that have come over an ipc pipe and wait to be accepted.
  int pending_count() const;
};

/// The two ends of a pipe of the system's: uv_pipe. For pipe::open(), or to give one to a
/// child; the caller closes them otherwise.
struct pipe_ends {
  int reading;
  int writing;
};
pipe_ends make_pipe();

}  // namespace sheaf::runtime
