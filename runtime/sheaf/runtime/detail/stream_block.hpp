#pragma once

#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/stream.hpp>

#include <string>
#include <string_view>

namespace sheaf::runtime::detail {

/// The block of a stream; kinds of streams derive from it and have libuv's handle.
class stream_block : public requesting_block {
 public:
  static stream_block& of_stream(const stream& s) noexcept { return s.block(); }
  uv_stream_t* uv_stream() noexcept { return reinterpret_cast<uv_stream_t*>(raw()); }

  void read_start(stream::buffer_callback buffer, stream::read_callback on_read);
  void read_start(read_sink& sink);
  void read_stop() noexcept;
  void write(std::string bytes, stream::done_callback on_done);
  void write_borrowed(std::string_view bytes, stream::done_callback on_done);
  long try_write(std::string_view bytes) noexcept;
  void shutdown(stream::done_callback on_done);
  void listen(int backlog, stream::done_callback on_connection);

 protected:
  using requesting_block::requesting_block;
  void silence() noexcept override;

 private:
  static void on_buffer(uv_handle_t* h, std::size_t suggested, uv_buf_t* out);
  static void on_read(uv_stream_t* h, ssize_t n, const uv_buf_t* buffer);
  static void on_connection(uv_stream_t* h, int status);
  static void on_sink_buffer(uv_handle_t* h, std::size_t suggested, uv_buf_t* out);
  static void on_sink_read(uv_stream_t* h, ssize_t n, const uv_buf_t* buffer);
  static void on_unusual_read(stream_block& self, ssize_t n, const uv_buf_t* buffer);
  void forget_reader() noexcept;
  bool is_socket() noexcept;

  static constexpr uv_os_fd_t unknown = -1, none = -2;

  stream::buffer_callback buffer_;
  stream::read_callback read_;
  stream::done_callback connection_;
  read_sink* sink_ = nullptr;
  uv_os_fd_t socket_ = unknown;
  bool reading_ = false;
  bool listening_ = false;
};

}  // namespace sheaf::runtime::detail
