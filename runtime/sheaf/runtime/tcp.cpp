#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/tcp.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace sheaf::runtime {

namespace {

constexpr char connect_name[] = "connect callback";

class tcp_block final : public detail::stream_block {
 public:
  explicit tcp_block(scheduler& s) : stream_block(s, "tcp") {
    opened(uv_tcp_init(s.uv(), &uv), "uv_tcp_init");
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  using handle_block::close_with;
  uv_tcp_t uv;
};

tcp_block& as_tcp(detail::stream_block& b, const char* what) {
  static_cast<void>(b.owner(what));
  return static_cast<tcp_block&>(b);
}

using get_name = int(const uv_tcp_t*, sockaddr*, int*);

address name_of(tcp_block& b, get_name* f, const char* operation) {
  sockaddr_storage raw{};
  int size = sizeof raw;
  checked(f(&b.uv, reinterpret_cast<sockaddr*>(&raw), &size), operation);
  return address::from(reinterpret_cast<sockaddr*>(&raw));
}

// The socket has to be there before it is bound, to be told.
void set_reuse_port(tcp_block& b, const address& to) {
  const int family = to.is_ipv6() ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw uv_error(uv_translate_sys_error(errno), "socket");
  const int on = 1;
  const int code = ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0
                       ? uv_translate_sys_error(errno)
                       : uv_tcp_open(&b.uv, fd);
  if (code < 0) ::close(fd);
  checked(code, "reuse_port");
}

}  // namespace

tcp::tcp(loop& owner) : stream(new tcp_block(owner.core())) {}

void tcp::open(int socket) {
  checked(uv_tcp_open(&as_tcp(block(), "tcp::open").uv, socket), "uv_tcp_open");
}

void tcp::bind(const address& to, tcp_bind how) {
  tcp_block& b = as_tcp(block(), "tcp::bind");
  if (has(how, tcp_bind::reuse_port)) set_reuse_port(b, to);
  const unsigned flags = has(how, tcp_bind::ipv6_only) ? UV_TCP_IPV6ONLY : 0;
  checked(uv_tcp_bind(&b.uv, to.raw(), flags), "uv_tcp_bind");
}

void tcp::connect(const address& to, done_callback on_connected) {
  using request = detail::request_of<uv_connect_t>;
  tcp_block& b = as_tcp(block(), "tcp::connect");
  auto r = std::make_unique<request>(
      b, detail::callable(std::move(on_connected), "tcp::connect"));
  const int code =
      uv_tcp_connect(&r->uv, &b.uv, to.raw(), request::on_done<connect_name>);
  detail::submit(std::move(r), code, "uv_tcp_connect");
}

void tcp::nodelay(bool on) {
  checked(uv_tcp_nodelay(&as_tcp(block(), "tcp::nodelay").uv, on), "uv_tcp_nodelay");
}

void tcp::keepalive(bool on, std::chrono::seconds delay) {
  checked(uv_tcp_keepalive(&as_tcp(block(), "tcp::keepalive").uv, on,
                           static_cast<unsigned>(delay.count())),
          "uv_tcp_keepalive");
}

void tcp::simultaneous_accepts(bool on) {
  checked(
      uv_tcp_simultaneous_accepts(&as_tcp(block(), "tcp::simultaneous_accepts").uv, on),
      "uv_tcp_simultaneous_accepts");
}

address tcp::sockname() const {
  return name_of(as_tcp(block(), "tcp::sockname"), uv_tcp_getsockname,
                 "uv_tcp_getsockname");
}

address tcp::peername() const {
  return name_of(as_tcp(block(), "tcp::peername"), uv_tcp_getpeername,
                 "uv_tcp_getpeername");
}

void tcp::close_reset() {
  tcp_block& b = as_tcp(block(), "tcp::close_reset");
  int code = 0;
  b.close_with([&](uv_handle_t*, uv_close_cb closed) {
    return code = uv_tcp_close_reset(&b.uv, closed);
  });
  checked(code, "uv_tcp_close_reset");
}

socket_pair make_socket_pair() {
  uv_os_sock_t pair[2];
  checked(uv_socketpair(SOCK_STREAM, 0, pair, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE),
          "uv_socketpair");
  return {pair[0], pair[1]};
}

}  // namespace sheaf::runtime
