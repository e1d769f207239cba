#include <sheaf/runtime/detail/socket_options.hpp>
#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/tcp.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace sheaf::runtime {

namespace {

constexpr char connect_name[] = "connect callback";

class tcp_block final : public detail::stream_block {
 public:
  tcp_block(scheduler& s, unsigned family) : stream_block(s, "tcp") {
    opened(uv_tcp_init_ex(s.uv(), &uv, family), "uv_tcp_init");
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  using handle_block::close_with;
  uv_tcp_t uv;
};

tcp_block& as_tcp(detail::stream_block& b, const char* what) {
  static_cast<void>(b.owner(what));
  return static_cast<tcp_block&>(b);
}

#if UV_VERSION_HEX >= ((1 << 16) | (49 << 8))
constexpr unsigned reuse_port_flag = UV_TCP_REUSEPORT;
int prepare_reuse_port(uv_tcp_t*, const address&) { return 0; }
#else
constexpr unsigned reuse_port_flag = 0;
int prepare_reuse_port(uv_tcp_t* h, const address& to) {
  return detail::open_reusing_port(h, SOCK_STREAM, uv_tcp_open, to);
}
#endif

#if UV_VERSION_HEX >= ((1 << 16) | (52 << 8))
int set_keepalive(tcp_block& b, int, unsigned delay, unsigned interval, unsigned count) {
  return uv_tcp_keepalive_ex(&b.uv, 1, delay, interval, count);
}
#else
int set_keepalive(tcp_block& b, int fd, unsigned delay, unsigned interval,
                  unsigned count) {
  const int code = uv_tcp_keepalive(&b.uv, 1, delay);
  if (code < 0) return code;
  const auto set = [fd](int option, unsigned value) {
    return ::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
  };
  return set(TCP_KEEPINTVL, interval) != 0 || set(TCP_KEEPCNT, count) != 0
             ? uv_translate_sys_error(errno)
             : 0;
}
#endif

unsigned seconds_of(std::chrono::seconds s) {
  if (s.count() < 1 || s.count() > 32'767) throw uv_error(UV_EINVAL, "tcp::keepalive");
  return static_cast<unsigned>(s.count());
}

}  // namespace

tcp::tcp(loop& owner) : tcp(owner, address_family::any) {}
tcp::tcp(loop& owner, address_family family)
    : stream(new tcp_block(owner.core(), detail::af_of(family))) {}

void tcp::open(int socket) {
  checked(uv_tcp_open(&as_tcp(block(), "tcp::open").uv, socket), "uv_tcp_open");
}

void tcp::bind(const address& to, tcp_bind how) {
  tcp_block& b = as_tcp(block(), "tcp::bind");
  unsigned flags = has(how, tcp_bind::ipv6_only) ? UV_TCP_IPV6ONLY : 0;
  if (has(how, tcp_bind::reuse_port)) {
    checked(prepare_reuse_port(&b.uv, to), "uv_tcp_bind: reuse_port");
    flags |= reuse_port_flag;
  }
  checked(uv_tcp_bind(&b.uv, to.raw(), flags), "uv_tcp_bind", to.to_string());
}

void tcp::connect(const address& to, done_callback on_connected) {
  using request = detail::request_of<uv_connect_t>;
  tcp_block& b = as_tcp(block(), "tcp::connect");
  auto r = std::make_unique<request>(
      b, detail::callable(std::move(on_connected), "tcp::connect"));
  const int code =
      uv_tcp_connect(&r->uv, &b.uv, to.raw(), request::on_done<connect_name>);
  if (code < 0) throw uv_error(code, "uv_tcp_connect", to.to_string());
  static_cast<void>(r.release());
}

void tcp::nodelay(bool on) {
  checked(uv_tcp_nodelay(&as_tcp(block(), "tcp::nodelay").uv, on), "uv_tcp_nodelay");
}

void tcp::keepalive(bool on, std::chrono::seconds delay) {
  tcp_block& b = as_tcp(block(), "tcp::keepalive");
  checked(uv_tcp_keepalive(&b.uv, on, on ? seconds_of(delay) : 1), "uv_tcp_keepalive");
}

void tcp::keepalive(std::chrono::seconds delay, std::chrono::seconds interval,
                    int count) {
  tcp_block& b = as_tcp(block(), "tcp::keepalive");
  // Without a socket uv_tcp_keepalive_ex keeps that it is on, forgets the numbers, and says 0.
  const int fd = detail::fileno(b);
  const int code = count < 1
                       ? UV_EINVAL
                       : set_keepalive(b, fd, seconds_of(delay), seconds_of(interval),
                                       static_cast<unsigned>(count));
  checked(code, "tcp::keepalive");
}

void tcp::simultaneous_accepts(bool on) {
  checked(
      uv_tcp_simultaneous_accepts(&as_tcp(block(), "tcp::simultaneous_accepts").uv, on),
      "uv_tcp_simultaneous_accepts");
}

address tcp::sockname() const {
  return detail::name_of(as_tcp(block(), "tcp::sockname").uv, uv_tcp_getsockname,
                         "uv_tcp_getsockname");
}

address tcp::peername() const {
  return detail::name_of(as_tcp(block(), "tcp::peername").uv, uv_tcp_getpeername,
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
