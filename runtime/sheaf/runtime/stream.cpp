#include <sheaf/runtime/detail/socket_options.hpp>
#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/stream.hpp>

namespace sheaf::runtime {

std::error_code end_of_file() noexcept { return {UV_EOF, uv_category()}; }

stream::stream(detail::stream_block* fresh) noexcept : handle(fresh) {}

detail::stream_block& stream::block() const noexcept {
  return static_cast<detail::stream_block&>(handle::block());
}

void stream::read_start(read_callback on_read) {
  block().read_start(nullptr, std::move(on_read));
}

void stream::read_start(buffer_callback buffer, read_callback on_read) {
  block().read_start(detail::callable(std::move(buffer), "stream::read_start"),
                     std::move(on_read));
}

void stream::read_start(read_sink& sink) { block().read_start(sink); }

void stream::read_stop() noexcept { block().read_stop(); }

void stream::write(std::string bytes, done_callback on_done) {
  block().write(std::move(bytes), std::move(on_done));
}

void stream::write_borrowed(std::string_view bytes, done_callback on_done) {
  block().write_borrowed(bytes, std::move(on_done));
}

std::size_t stream::try_write(std::string_view bytes) {
  std::error_code error;
  const std::size_t n = try_write(bytes, error);
  if (error) throw uv_error(error.value(), "uv_try_write");
  return n;
}

std::size_t stream::try_write(std::string_view bytes, std::error_code& error) noexcept {
  const long n = block().try_write(bytes);
  error = detail::to_error(n < 0 ? static_cast<int>(n) : 0);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

long stream::try_send(std::string_view bytes) noexcept {
  return block().try_write(bytes);
}

void stream::shutdown(done_callback on_done) { block().shutdown(std::move(on_done)); }

void stream::listen(int backlog, done_callback on_connection) {
  block().listen(backlog, std::move(on_connection));
}

void stream::accept(handle& client) {
  detail::handle_block& to = detail::handle_block::of_handle(client);
  // libuv has an assert for it.
  if (&block().owner("stream::accept") != &to.owner("stream::accept")) {
    throw invalid_state(
        "stream::accept: the client belongs to another loop; make it on this one");
  }
  checked(uv_accept(block().uv_stream(), reinterpret_cast<uv_stream_t*>(to.raw())),
          "uv_accept");
}

void stream::accept(stream& client) { accept(static_cast<handle&>(client)); }

bool stream::readable() const noexcept {
  return block().open() && uv_is_readable(block().uv_stream()) != 0;
}

bool stream::writable() const noexcept {
  return block().open() && uv_is_writable(block().uv_stream()) != 0;
}

std::size_t stream::write_queue_size() const noexcept {
  return block().open() ? uv_stream_get_write_queue_size(block().uv_stream()) : 0;
}

void stream::set_blocking(bool on) {
  static_cast<void>(block().owner("stream::set_blocking"));
  checked(uv_stream_set_blocking(block().uv_stream(), on), "uv_stream_set_blocking");
}

int stream::fileno() const { return detail::fileno(block()); }

int stream::send_buffer_size() const {
  return detail::buffer_size(block(), uv_send_buffer_size, "uv_send_buffer_size");
}
void stream::set_send_buffer_size(int bytes) {
  detail::set_buffer_size(block(), uv_send_buffer_size, bytes, "uv_send_buffer_size");
}
int stream::recv_buffer_size() const {
  return detail::buffer_size(block(), uv_recv_buffer_size, "uv_recv_buffer_size");
}
void stream::set_recv_buffer_size(int bytes) {
  detail::set_buffer_size(block(), uv_recv_buffer_size, bytes, "uv_recv_buffer_size");
}

}  // namespace sheaf::runtime
