#include <sheaf/runtime/detail/buffer.hpp>
#include <sheaf/runtime/detail/read_buffer.hpp>
#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/detail/taken_out.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace sheaf::runtime::detail {

namespace {

constexpr char write_name[] = "write callback";
constexpr char shutdown_name[] = "shutdown callback";

class write_request final : public request_of<uv_write_t> {
 public:
  write_request(requesting_block& on, std::string bytes, done_callback f) noexcept
      : request_of(on, std::move(f)), bytes_(std::move(bytes)) {}
  std::string_view bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
};

void submit_write(std::unique_ptr<request_of<uv_write_t>> r, uv_stream_t* to,
                  std::string_view bytes) {
  const uv_buf_t buffer = to_buffer(bytes);
  const int code =
      uv_write(&r->uv, to, &buffer, 1, request_of<uv_write_t>::on_done<write_name>);
  submit(std::move(r), code, "uv_write");
}

#ifdef __linux__
constexpr int send_flags = MSG_NOSIGNAL | MSG_DONTWAIT;
#else
constexpr int send_flags = 0;  // elsewhere libuv knows better
#endif

/// What a send() that sent nothing tells.
long unsent(int error) noexcept {
  const bool later = error == EAGAIN || error == ENOBUFS || error == EINTR;
  return later ? 0 : uv_translate_sys_error(error);
}

long try_uv_write(uv_stream_t* to, std::string_view bytes) noexcept {
  const uv_buf_t buffer = to_buffer(bytes);
  const int n = uv_try_write(to, &buffer, 1);
  return n == UV_EAGAIN ? 0 : n;
}

}  // namespace

void stream_block::read_start(stream::buffer_callback buffer,
                              stream::read_callback on_read) {
  static_cast<void>(owner("stream::read_start"));
  on_read = callable(std::move(on_read), "stream::read_start");
  checked(uv_read_start(uv_stream(), on_buffer, stream_block::on_read), "uv_read_start");
  buffer_ = std::move(buffer);
  read_ = std::move(on_read);
  reading_ = true;
}

void stream_block::read_start(read_sink& sink) {
  static_cast<void>(owner("stream::read_start"));
  checked(uv_read_start(uv_stream(), on_sink_buffer, on_sink_read), "uv_read_start");
  sink_ = &sink;
}

void stream_block::read_stop() noexcept {
  if (open()) uv_read_stop(uv_stream());
  forget_reader();
}

void stream_block::forget_reader() noexcept {
  reading_ = false;
  sink_ = nullptr;
  const stream::buffer_callback buffer_dies = std::move(buffer_);
  const stream::read_callback read_dies = std::move(read_);
}

void stream_block::silence() noexcept {
  forget_reader();
  listening_ = false;
  connection_.reset();
  requesting_block::silence();
}

void stream_block::on_buffer(uv_handle_t* h, std::size_t, uv_buf_t* out) {
  auto& self = of<stream_block>(h);
  std::span<char> room;
  if (self.buffer_) {
    taken_out buffer(self.buffer_, self.reading_);
    self.call("buffer callback", [&] { room = (*buffer)(); });
  }
  if (room.empty()) room = read_buffer();
  *out = to_buffer({room.data(), room.size()});
}

// 0 bytes is EAGAIN, not the end. After an error libuv would go on with some kinds.
void stream_block::on_read(uv_stream_t* h, ssize_t n, const uv_buf_t* buffer) {
  auto& self = of<stream_block>(h);
  if (n == 0 || !self.reading_) return;
  const auto size = n > 0 ? static_cast<std::size_t>(n) : 0;
  const std::error_code error = to_error(n < 0 ? static_cast<int>(n) : 0);
  taken_out read(self.read_, self.reading_);
  if (error) {
    uv_read_stop(h);
    self.forget_reader();
  }
  self.call("read callback", [&] { (*read)({buffer->base, size}, error); });
}

void stream_block::on_sink_buffer(uv_handle_t* h, std::size_t, uv_buf_t* out) {
  auto& self = of<stream_block>(h);
  const std::span<char> shared = read_buffer();
  const std::span<char> room = self.sink_ ? self.sink_->room(shared) : shared;
  *out = to_buffer({room.data(), room.size()});
}

// Bytes need no more than this: what they wake is queued. ENOBUFS is the sink's own answer:
// libuv ends this round, and the bytes wait for the next.
void stream_block::on_sink_read(uv_stream_t* h, ssize_t n, const uv_buf_t* buffer) {
  auto& self = of<stream_block>(h);
  read_sink* const sink = self.sink_;
  if (n > 0 && sink && !self.owner("read callback").observed()) [[likely]]
    return sink->on_read({buffer->base, static_cast<std::size_t>(n)}, 0);
  if (n == 0 || n == UV_ENOBUFS || !sink) return;
  on_unusual_read(self, n, buffer);
}

void stream_block::on_unusual_read(stream_block& self, ssize_t n,
                                   const uv_buf_t* buffer) {
  read_sink& sink = *self.sink_;
  scheduler& s = self.owner("read callback");
  const current_scope now_running(s);
  const trace_callback slice(s, "read callback");
  if (n > 0) return sink.on_read({buffer->base, static_cast<std::size_t>(n)}, 0);
  uv_read_stop(self.uv_stream());
  self.forget_reader();
  sink.on_read({}, static_cast<int>(n));
}

void stream_block::write(std::string bytes, stream::done_callback on_done) {
  static_cast<void>(owner("stream::write"));
  auto r = std::make_unique<write_request>(*this, std::move(bytes), std::move(on_done));
  const std::string_view kept = r->bytes();
  submit_write(std::move(r), uv_stream(), kept);
}

void stream_block::write_borrowed(std::string_view bytes, stream::done_callback on_done) {
  static_cast<void>(owner("stream::write"));
  submit_write(std::make_unique<request_of<uv_write_t>>(*this, std::move(on_done)),
               uv_stream(), bytes);
}

// To a socket by send(): it goes a shorter way through the kernel than write(), and raises no
// SIGPIPE. What libuv has queued goes first, nothing after its shutdown, and nothing before it
// is connected: a send() would take the error that libuv is to find.
long stream_block::try_write(std::string_view bytes) noexcept {
  if (!open()) return UV_ECANCELED;
  uv_stream_t* const to = uv_stream();
  if (to->connect_req || to->write_queue_size != 0 || uv_is_writable(to) == 0 ||
      !is_socket()) [[unlikely]]
    return try_uv_write(to, bytes);
  const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), send_flags);
  return n >= 0 ? n : unsent(errno);
}

// A handle keeps the descriptor that it has got once.
bool stream_block::is_socket() noexcept {
  if (socket_ != unknown) [[likely]]
    return socket_ >= 0;
  uv_os_fd_t fd = -1;
  if (send_flags == 0 || uv_fileno(raw(), &fd) != 0) return false;
  int type = 0;
  socklen_t size = sizeof type;
  socket_ = ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? fd : none;
  return socket_ >= 0;
}

void stream_block::shutdown(stream::done_callback on_done) {
  static_cast<void>(owner("stream::shutdown"));
  auto r = std::make_unique<request_of<uv_shutdown_t>>(*this, std::move(on_done));
  const int code =
      uv_shutdown(&r->uv, uv_stream(), request_of<uv_shutdown_t>::on_done<shutdown_name>);
  submit(std::move(r), code, "uv_shutdown");
}

void stream_block::listen(int backlog, stream::done_callback on_connection) {
  static_cast<void>(owner("stream::listen"));
  on_connection = callable(std::move(on_connection), "stream::listen");
  checked(uv_listen(uv_stream(), backlog, stream_block::on_connection), "uv_listen");
  connection_ = std::move(on_connection);
  listening_ = true;
}

void stream_block::on_connection(uv_stream_t* h, int status) {
  auto& self = of<stream_block>(h);
  taken_out connection(self.connection_, self.listening_);
  self.call("connection callback", [&] { (*connection)(to_error(status)); });
}

}  // namespace sheaf::runtime::detail
