#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>

#include <sys/un.h>

#include <memory>

namespace sheaf::runtime {

namespace {

constexpr char connect_name[] = "connect callback";
constexpr char write_name[] = "write callback";

class pipe_block final : public detail::stream_block {
 public:
  pipe_block(scheduler& s, pipe::kind k) : stream_block(s, "pipe") {
    opened(uv_pipe_init(s.uv(), &uv, k == pipe::kind::ipc), "uv_pipe_init");
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_pipe_t uv;
};

pipe_block& as_pipe(detail::stream_block& b, const char* what) {
  static_cast<void>(b.owner(what));
  return static_cast<pipe_block&>(b);
}

/// libuv takes a C string, and before 1.46 cuts a path that is too long for a sockaddr_un.
std::string as_path(std::string_view path, const char* operation) {
  std::string text(path);
  const std::string where = std::string(operation) + " '" + text + "'";
  if (text.empty() || text.find('\0') != std::string::npos) {
    throw uv_error(UV_EINVAL, where);
  }
  if (text.size() >= sizeof(sockaddr_un::sun_path)) {
    throw uv_error(UV_ENAMETOOLONG, where);
  }
  return text;
}

using get_name = int(const uv_pipe_t*, char*, std::size_t*);

std::string name_of(pipe_block& b, get_name* f, const char* operation) {
  char text[sizeof(sockaddr_un::sun_path) + 1];
  std::size_t size = sizeof text;
  checked(f(&b.uv, text, &size), operation);
  return {text, size};
}

class handle_write final : public detail::request_of<uv_write_t> {
 public:
  handle_write(detail::requesting_block& on, std::string bytes,
               detail::done_callback f) noexcept
      : request_of(on, std::move(f)), bytes_(std::move(bytes)) {}
  uv_buf_t buffer() noexcept {
    return uv_buf_init(bytes_.data(), static_cast<unsigned>(bytes_.size()));
  }

 private:
  std::string bytes_;
};

}  // namespace

pipe::pipe(loop& owner, kind k) : stream(new pipe_block(owner.core(), k)) {}

void pipe::open(int descriptor) {
  checked(uv_pipe_open(&as_pipe(block(), "pipe::open").uv, descriptor), "uv_pipe_open");
}

void pipe::bind(std::string_view path) {
  const std::string text = as_path(path, "uv_pipe_bind");
  checked(uv_pipe_bind(&as_pipe(block(), "pipe::bind").uv, text.c_str()), "uv_pipe_bind");
}

void pipe::connect(std::string_view path, done_callback on_connected) {
  using request = detail::request_of<uv_connect_t>;
  const std::string text = as_path(path, "uv_pipe_connect");
  pipe_block& b = as_pipe(block(), "pipe::connect");
  auto* const r =
      new request(b, detail::callable(std::move(on_connected), "pipe::connect"));
  // What is wrong comes through the callback, always.
  uv_pipe_connect(&r->uv, &b.uv, text.c_str(), request::on_done<connect_name>);
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
  pipe_block& b = as_pipe(block(), "pipe::write_with_handle");
  uv_stream_t* const raw = detail::stream_block::of_stream(sent).uv_stream();
  auto r = std::make_unique<handle_write>(b, std::move(bytes), std::move(on_done));
  const uv_buf_t buffer = r->buffer();
  const int code = uv_write2(&r->uv, b.uv_stream(), &buffer, 1, raw,
                             detail::request_of<uv_write_t>::on_done<write_name>);
  detail::submit(std::move(r), code, "uv_write2");
}

int pipe::pending_count() const {
  return uv_pipe_pending_count(&as_pipe(block(), "pipe::pending_count").uv);
}

pipe_ends make_pipe() {
  uv_file ends[2];
  checked(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE), "uv_pipe");
  return {ends[0], ends[1]};
}

}  // namespace sheaf::runtime
