#include <sheaf/runtime/detail/buffer.hpp>
#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/udp.hpp>

#include <sys/un.h>

#include <memory>

namespace sheaf::runtime {

namespace {

#if UV_VERSION_HEX >= ((1 << 16) | (46 << 8))
constexpr bool has_bind2 = true;
int bind_to(uv_pipe_t* h, const std::string& path) {
  return uv_pipe_bind2(h, path.data(), path.size(), UV_PIPE_NO_TRUNCATE);
}
int connect_to(uv_connect_t* r, uv_pipe_t* h, const std::string& path, uv_connect_cb f) {
  return uv_pipe_connect2(r, h, path.data(), path.size(), UV_PIPE_NO_TRUNCATE, f);
}
#else
constexpr bool has_bind2 = false;
int bind_to(uv_pipe_t* h, const std::string& path) {
  return uv_pipe_bind(h, path.c_str());
}
int connect_to(uv_connect_t* r, uv_pipe_t* h, const std::string& path, uv_connect_cb f) {
  uv_pipe_connect(r, h, path.c_str(), f);  // what is wrong comes through the callback
  return 0;
}
#endif

constexpr char connect_name[] = "connect callback";
constexpr char write_name[] = "write callback";

class pipe_block final : public detail::stream_block {
 public:
  pipe_block(scheduler& s, pipe::kind k) : stream_block(s, "pipe") {
    opened(uv_pipe_init(s.uv(), &uv, k == pipe::kind::ipc), "uv_pipe_init");
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_pipe_t uv;
  bool connecting = false;
};

pipe_block& as_pipe(detail::stream_block& b, const char* what) {
  static_cast<void>(b.owner(what));
  return static_cast<pipe_block&>(b);
}

/// Before 1.46 libuv takes a C string, and cuts one that is too long for a sockaddr_un.
std::string as_path(std::string_view path, const char* operation) {
  const bool is_abstract = !path.empty() && path.front() == '\0';
  const auto refuse = [&](int code) { throw uv_error(code, operation, path); };
  if (path.empty()) refuse(UV_EINVAL);
  if (!is_abstract && path.find('\0') != path.npos) refuse(UV_EINVAL);
  if (is_abstract && !has_bind2) refuse(UV_ENOTSUP);
  if (path.size() >= sizeof(sockaddr_un::sun_path)) refuse(UV_ENAMETOOLONG);
  return std::string(path);
}

using get_name = int(const uv_pipe_t*, char*, std::size_t*);

std::string name_of(pipe_block& b, get_name* f, const char* operation) {
  char text[sizeof(sockaddr_un::sun_path) + 1];
  std::size_t size = sizeof text;
  checked(f(&b.uv, text, &size), operation);
  return {text, size};
}

/// A write that keeps the block of the handle it passes on, at which libuv looks when it
/// writes: it refuses one that is closed, but reads its memory for that.
class handle_write final : public detail::request_of<uv_write_t> {
 public:
  handle_write(detail::requesting_block& on, std::string bytes,
               detail::handle_block& sent, detail::done_callback f) noexcept
      : request_of(on, std::move(f)), bytes_(std::move(bytes)), sent_(sent) {
    sent_.pin();
  }
  ~handle_write() override { sent_.unpin(); }
  std::string_view bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
  detail::handle_block& sent_;
};

/// libuv's casts: what is sent may be a socket for datagrams, which is no stream.
uv_stream_t* as_sent(handle& sent, const char* what) {
  detail::handle_block& b = detail::handle_block::of_handle(sent);
  static_cast<void>(b.owner(what));
  return reinterpret_cast<uv_stream_t*>(b.raw());
}

void write_handle(pipe_block& b, std::string bytes, handle& sent,
                  detail::done_callback on_done) {
  uv_stream_t* const raw = as_sent(sent, "pipe::write_with_handle");
  // Without a byte the system would not send it, and say nothing.
  checked(bytes.empty() ? UV_EINVAL : 0, "uv_write2: no byte to send it with");
  auto r = std::make_unique<handle_write>(
      b, std::move(bytes), detail::handle_block::of_handle(sent), std::move(on_done));
  const uv_buf_t buffer = detail::to_buffer(r->bytes());
  const int code = uv_write2(&r->uv, b.uv_stream(), &buffer, 1, raw,
                             detail::request_of<uv_write_t>::on_done<write_name>);
  detail::submit(std::move(r), code, "uv_write2");
}

/// A connect of libuv's pipes overwrites the request of one under way, so that its callback
/// would never come (uv_pipe_connect).
class pipe_connect final : public detail::request_of<uv_connect_t> {
 public:
  pipe_connect(pipe_block& on, detail::done_callback f) noexcept
      : request_of(on, std::move(f)), on_(on) {
    on_.connecting = true;
  }
  ~pipe_connect() override { on_.connecting = false; }

  static void on_connected(uv_connect_t* r, int status) {
    static_cast<pipe_connect*>(static_cast<request_of*>(r->data))->done(status);
  }

 private:
  void done(int status) noexcept {
    on_.connecting = false;
    finish(connect_name, status);
  }

  pipe_block& on_;
};

}  // namespace

pipe::pipe(loop& owner, kind k) : stream(new pipe_block(owner.core(), k)) {}

void pipe::open(int descriptor) {
  checked(uv_pipe_open(&as_pipe(block(), "pipe::open").uv, descriptor), "uv_pipe_open");
}

void pipe::bind(std::string_view path) {
  const std::string text = as_path(path, "uv_pipe_bind");
  checked(bind_to(&as_pipe(block(), "pipe::bind").uv, text), "uv_pipe_bind", path);
}

void pipe::connect(std::string_view path, done_callback on_connected) {
  const std::string text = as_path(path, "uv_pipe_connect");
  pipe_block& b = as_pipe(block(), "pipe::connect");
  on_connected = detail::callable(std::move(on_connected), "pipe::connect");
  checked(b.connecting ? UV_EALREADY : 0, "uv_pipe_connect", path);
  auto r = std::make_unique<pipe_connect>(b, std::move(on_connected));
  const int code = connect_to(&r->uv, &b.uv, text, pipe_connect::on_connected);
  detail::submit(std::move(r), code, "uv_pipe_connect");
}

void pipe::chmod(bool readable, bool writable) {
  const int mode = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  checked(uv_pipe_chmod(&as_pipe(block(), "pipe::chmod").uv, mode), "uv_pipe_chmod");
}

std::string pipe::sockname() const {
  return name_of(as_pipe(block(), "pipe::sockname"), uv_pipe_getsockname,
                 "uv_pipe_getsockname");
}

std::string pipe::peername() const {
  return name_of(as_pipe(block(), "pipe::peername"), uv_pipe_getpeername,
                 "uv_pipe_getpeername");
}

void pipe::write_with_handle(std::string bytes, stream& sent, done_callback on_done) {
  write_handle(as_pipe(block(), "pipe::write_with_handle"), std::move(bytes), sent,
               std::move(on_done));
}
void pipe::write_with_handle(std::string bytes, udp& sent, done_callback on_done) {
  write_handle(as_pipe(block(), "pipe::write_with_handle"), std::move(bytes), sent,
               std::move(on_done));
}

std::size_t pipe::try_write_with_handle(std::string_view bytes, stream& sent) {
  pipe_block& b = as_pipe(block(), "pipe::try_write_with_handle");
  checked(bytes.empty() ? UV_EINVAL : 0, "uv_try_write2: no byte to send it with");
  const uv_buf_t buffer = detail::to_buffer(bytes);
  const int n = uv_try_write2(b.uv_stream(), &buffer, 1,
                              as_sent(sent, "pipe::try_write_with_handle"));
  return n == UV_EAGAIN ? 0 : static_cast<std::size_t>(checked(n, "uv_try_write2"));
}

pipe::pending pipe::pending_type() const {
  switch (uv_pipe_pending_type(&as_pipe(block(), "pipe::pending_type").uv)) {
    case UV_UNKNOWN_HANDLE:
      return pending::none;
    case UV_TCP:
      return pending::tcp;
    case UV_NAMED_PIPE:
      return pending::pipe;
    case UV_UDP:
      return pending::udp;
    default:
      return pending::other;
  }
}

int pipe::pending_count() const {
  return uv_pipe_pending_count(&as_pipe(block(), "pipe::pending_count").uv);
}

void pipe::accept(udp& client) { stream::accept(static_cast<handle&>(client)); }

pipe_ends make_pipe() {
  uv_file ends[2];
  checked(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE), "uv_pipe");
  return {ends[0], ends[1]};
}

}  // namespace sheaf::runtime
