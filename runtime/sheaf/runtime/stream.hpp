#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace sheaf::runtime {

namespace detail {
class stream_block;
}

/// What a stream reads to, as an object instead of callables: for a layer above, which reads
/// often. It must live until read_stop(), until it was told an error, or as long as the stream.
class read_sink {
 public:
  /// Where the next bytes are to be put: `shared`, which all streams of a thread use, or
  /// memory of its own; nothing to leave them with the system until the next turn.
  virtual std::span<char> room(std::span<char> shared) noexcept = 0;
  /// What came, valid during the call, or libuv's code of the error that ended the reading.
  /// May stop the reading, and destroy the stream.
  virtual void on_read(std::string_view bytes, int error) noexcept = 0;

 protected:
  ~read_sink() = default;
};

/// The code that a read callback gets at the end of what the other side sends: UV_EOF.
std::error_code end_of_file() noexcept;

/// A uv_stream_t: what tcp, pipe and tty have in common.
///
/// Order: writes go out in the order they were made, and their callbacks come in that order;
/// a callback is never called from inside the call that asked for it. A stream that is
/// destroyed drops what it has not sent, and calls nothing.
class stream : public handle {
 public:
  stream(stream&&) noexcept = default;
  stream& operator=(stream&&) noexcept = default;

  /// Bytes, valid during the call, or the error that ended the reading.
  using read_callback = unique_function<void(std::string_view bytes, std::error_code)>;
  /// Where the next bytes are to be put; an empty span for the shared buffer.
  using buffer_callback = unique_function<std::span<char>()>;
  using done_callback = unique_function<void(std::error_code)>;

  /// Calls `on_read` with bytes as they come, until read_stop() or an error, the last of
  /// which is end_of_file(). The bytes are in a buffer that all streams of a thread share.
  /// Throws uv_error (EALREADY if it reads already, ENOTCONN).
  void read_start(read_callback on_read);
  /// The same into a buffer of the caller's, which is asked for just before each read; into
  /// the shared one when that is empty.
  void read_start(buffer_callback buffer, read_callback on_read);
  /// The same with an object.
  void read_start(read_sink& sink);
  /// Idempotent. The callbacks are not called after this returns, and die.
  void read_stop() noexcept;

  /// Queues `bytes`, and owns them until they are sent.
  void write(std::string bytes, done_callback on_done = nullptr);
  /// The same without a copy: the bytes must stay until `on_done` is called, and, if the
  /// stream is destroyed before, until the next turn of the loop.
  void write_borrowed(std::string_view bytes, done_callback on_done);
  /// Sends what the system takes at once; 0 if writes are queued or it takes nothing now.
  /// Throws uv_error for a broken connection, and gives it in `error` if that is there.
  std::size_t try_write(std::string_view bytes);
  std::size_t try_write(std::string_view bytes, std::error_code& error) noexcept;
  /// The same with libuv's code in place of a number: ECANCELED once the loop is closed.
  long try_send(std::string_view bytes) noexcept;

  /// Ends the sending side after what is queued, so that the other side reads its end. Throws
  /// uv_error (ENOTCONN) before there is a connection, and the second time. A pipe that is no
  /// socket (make_pipe()) cannot: `on_done` gets ENOTSOCK, and its destructor is the end.
  void shutdown(done_callback on_done = nullptr);

  /// Takes connections from now on: `on_connection` is called for each, to accept() it. One
  /// that is not accepted holds back those after it. A later call replaces both arguments, also
  /// from inside the callback.
  void listen(int backlog, done_callback on_connection);
  /// Gives the connection that on_connection announced to `client`, which is fresh, of the
  /// same loop and the same kind. Throws uv_error: EAGAIN when there is none, EBUSY if the
  /// client has a descriptor; invalid_state if it is of another loop.
  void accept(stream& client);

  bool readable() const noexcept;
  bool writable() const noexcept;
  /// Bytes queued and not yet sent.
  std::size_t write_queue_size() const noexcept;
  /// For a terminal or pipe whose writes must block: uv_stream_set_blocking.
  void set_blocking(bool on);
  /// The descriptor; throws uv_error (EBADF) if there is none yet.
  int fileno() const;

  /// The kernel's buffers, in bytes; Linux gives twice what was asked for.
  int send_buffer_size() const;
  void set_send_buffer_size(int bytes);
  int recv_buffer_size() const;
  void set_recv_buffer_size(int bytes);

 protected:
  explicit stream(detail::stream_block* fresh) noexcept;
  ~stream() = default;

  void accept(handle& client);

  detail::stream_block& block() const noexcept;

 private:
  friend class detail::stream_block;
};

}  // namespace sheaf::runtime
