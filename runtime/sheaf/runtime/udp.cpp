#include <sheaf/runtime/detail/buffer.hpp>
#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/read_buffer.hpp>
#include <sheaf/runtime/detail/socket_options.hpp>
#include <sheaf/runtime/detail/taken_out.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/udp.hpp>

#include <algorithm>
#include <memory>

namespace sheaf::runtime {

namespace {

/// A socket that was taken over may be of another kind, such as AF_UNIX.
bool has_address(const sockaddr* a) noexcept {
  return a && (a->sa_family == AF_INET || a->sa_family == AF_INET6);
}

constexpr char send_name[] = "send callback";

class udp_block final : public detail::requesting_block {
 public:
  udp_block(scheduler& s, unsigned flags) : requesting_block(s, "udp") {
    opened(uv_udp_init_ex(s.uv(), &uv, flags), "uv_udp_init");
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  void recv_start(udp::receive_callback f) {
    f = detail::callable(std::move(f), "udp::recv_start");
    checked(uv_udp_recv_start(&uv, on_buffer, on_datagram), "uv_udp_recv_start");
    receive_ = std::move(f);
    receiving_ = true;
  }
  void recv_stop() noexcept {
    if (open()) uv_udp_recv_stop(&uv);
    forget_receiver();
  }

  uv_udp_t uv;

 private:
  static void on_buffer(uv_handle_t* h, std::size_t, uv_buf_t* out) {
    const bool many = uv_udp_using_recvmmsg(&of<udp_block>(h).uv) != 0;
    const std::span<char> room =
        many ? detail::datagrams_buffer() : detail::read_buffer();
    *out = detail::to_buffer({room.data(), room.size()});
  }

  // Nothing and from nobody: there was nothing more to read, or libuv gives the buffer of many
  // back (UV_UDP_MMSG_FREE), which stays where it is.
  static void on_datagram(uv_udp_t* h, ssize_t n, const uv_buf_t* buffer,
                          const sockaddr* from, unsigned flags) {
    auto& self = of<udp_block>(h);
    if ((n == 0 && !from) || !self.receiving_) return;
    detail::taken_out receive(self.receive_, self.receiving_);
    self.call("receive callback", [&] {
      const address sender = has_address(from) ? address::from(from) : address();
      const auto size = n > 0 ? static_cast<std::size_t>(n) : 0;
      (*receive)({{buffer->base, size}, sender, (flags & UV_UDP_PARTIAL) != 0},
                 detail::to_error(n < 0 ? static_cast<int>(n) : 0));
    });
  }

  void forget_receiver() noexcept {
    receiving_ = false;
    const udp::receive_callback dies = std::move(receive_);
  }
  void silence() noexcept override {
    forget_receiver();
    requesting_block::silence();
  }

  udp::receive_callback receive_;
  bool receiving_ = false;
};

udp_block& as_udp(detail::handle_block& b, const char* what) {
  static_cast<void>(b.owner(what));
  return static_cast<udp_block&>(b);
}

class send_request final : public detail::request_of<uv_udp_send_t> {
 public:
  send_request(detail::requesting_block& on, std::string bytes,
               detail::done_callback f) noexcept
      : request_of(on, std::move(f)), bytes_(std::move(bytes)) {}
  std::string_view bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
};

void send_to(udp_block& b, std::string bytes, const sockaddr* to,
             detail::done_callback f) {
  auto r = std::make_unique<send_request>(b, std::move(bytes), std::move(f));
  const uv_buf_t buffer = detail::to_buffer(r->bytes());
  const int code = uv_udp_send(&r->uv, &b.uv, &buffer, 1, to,
                               detail::request_of<uv_udp_send_t>::on_done<send_name>);
  detail::submit(std::move(r), code, "uv_udp_send");
}

bool try_send_to(udp_block& b, std::string_view bytes, const sockaddr* to) {
  const uv_buf_t buffer = detail::to_buffer(bytes);
  const int n = uv_udp_try_send(&b.uv, &buffer, 1, to);
  if (n == UV_EAGAIN) return false;
  checked(n, "uv_udp_try_send");
  return true;
}

#if UV_VERSION_HEX >= ((1 << 16) | (50 << 8))
/// In pieces of what libuv gives the system at once: asked for more, uv__udp_sendmsgv of 1.50 to
/// 1.53 leaves some out after its first 20, and says that all went.
std::size_t try_send_all(udp_block& b, std::span<const udp::outgoing> all) {
  constexpr std::size_t most = 20;
  std::size_t sent = 0;
  while (sent < all.size()) {
    const auto piece = all.subspan(sent, std::min(most, all.size() - sent));
    uv_buf_t raw[most];
    uv_buf_t* buffers[most];
    unsigned counts[most];
    sockaddr* addresses[most];
    for (std::size_t i = 0; i < piece.size(); ++i) {
      raw[i] = detail::to_buffer(piece[i].bytes);
      buffers[i] = &raw[i];
      counts[i] = 1;
      addresses[i] = piece[i].to ? const_cast<sockaddr*>(piece[i].to->raw()) : nullptr;
    }
    const int n = uv_udp_try_send2(&b.uv, static_cast<unsigned>(piece.size()), buffers,
                                   counts, addresses, 0);
    if (n < 0 && n != UV_EAGAIN && sent == 0) checked(n, "uv_udp_try_send2");
    if (n <= 0) break;
    sent += static_cast<std::size_t>(n);
    if (static_cast<std::size_t>(n) < piece.size()) break;
  }
  return sent;
}
#else
std::size_t try_send_all(udp_block& b, std::span<const udp::outgoing> all) {
  std::size_t sent = 0;
  for (const udp::outgoing& each : all) {
    const uv_buf_t buffer = detail::to_buffer(each.bytes);
    const int n = uv_udp_try_send(&b.uv, &buffer, 1, each.to ? each.to->raw() : nullptr);
    if (n < 0 && n != UV_EAGAIN && sent == 0) checked(n, "uv_udp_try_send");
    if (n < 0) break;
    ++sent;
  }
  return sent;
}
#endif

#if UV_VERSION_HEX >= ((1 << 16) | (49 << 8))
constexpr unsigned reuse_port_flag = UV_UDP_REUSEPORT;
int prepare_reuse_port(uv_udp_t*, const address&) { return 0; }
#else
constexpr unsigned reuse_port_flag = 0;
int prepare_reuse_port(uv_udp_t* h, const address& to) {
  return detail::open_reusing_port(h, SOCK_DGRAM, uv_udp_open, to);
}
#endif

#if UV_VERSION_HEX >= ((1 << 16) | (52 << 8))
int open_with(uv_udp_t* h, int socket, udp_bind, unsigned flags) {
  return uv_udp_open_ex(h, socket, flags);
}
#else
int open_with(uv_udp_t* h, int socket, udp_bind how, unsigned) {
  return detail::open_keeping_reuse(h, socket, has(how, udp_bind::reuse_address),
                                    has(how, udp_bind::reuse_port));
}
#endif

unsigned to_flags(udp_bind how) noexcept {
  unsigned flags = 0;
  if (has(how, udp_bind::ipv6_only)) flags |= UV_UDP_IPV6ONLY;
  if (has(how, udp_bind::reuse_address)) flags |= UV_UDP_REUSEADDR;
  if (has(how, udp_bind::receive_errors)) flags |= UV_UDP_LINUX_RECVERR;
  if (has(how, udp_bind::reuse_port)) flags |= reuse_port_flag;
  return flags;
}

unsigned to_flags(address_family f, udp::reading how) noexcept {
  unsigned flags = detail::af_of(f);
  if (how == udp::reading::many) flags |= UV_UDP_RECVMMSG;
  return flags;
}

/// libuv would take what is before a NUL.
const char* as_text(const std::string& address, const char* operation) {
  if (address.find('\0') != std::string::npos) {
    throw uv_error(UV_EINVAL, operation, address);
  }
  return address.empty() ? nullptr : address.c_str();
}

void set_membership(udp_block& b, const std::string& group,
                    const std::string& interface_address, const std::string& source,
                    uv_membership how) {
  constexpr const char* operation = "uv_udp_set_membership";
  const char* const card = as_text(interface_address, operation);
  const char* const sender = as_text(source, operation);
  const char* const to = as_text(group, operation);
  if (!to) throw uv_error(UV_EINVAL, operation, group);
  const int code = sender ? uv_udp_set_source_membership(&b.uv, to, card, sender, how)
                          : uv_udp_set_membership(&b.uv, to, card, how);
  checked(code, operation, group);
}

}  // namespace

udp::udp(loop& owner, reading how) : udp(owner, address_family::any, how) {}
udp::udp(loop& owner, address_family family, reading how)
    : handle(new udp_block(owner.core(), to_flags(family, how))) {}

void udp::open(int socket) {
  checked(uv_udp_open(&as_udp(block(), "udp::open").uv, socket), "uv_udp_open");
}

void udp::open(int socket, udp_bind how) {
  constexpr udp_bind others = udp_bind::ipv6_only | udp_bind::receive_errors;
  checked(has(how, others) ? UV_EINVAL : 0, "uv_udp_open_ex");
  checked(open_with(&as_udp(block(), "udp::open").uv, socket, how, to_flags(how)),
          "uv_udp_open_ex");
}

void udp::bind(const address& to, udp_bind how) {
  udp_block& b = as_udp(block(), "udp::bind");
  if (has(how, udp_bind::reuse_port)) {
    checked(prepare_reuse_port(&b.uv, to), "uv_udp_bind: reuse_port");
  }
  checked(uv_udp_bind(&b.uv, to.raw(), to_flags(how)), "uv_udp_bind", to.to_string());
}

void udp::connect(const address& to) {
  checked(uv_udp_connect(&as_udp(block(), "udp::connect").uv, to.raw()),
          "uv_udp_connect");
}

void udp::disconnect() {
  checked(uv_udp_connect(&as_udp(block(), "udp::disconnect").uv, nullptr),
          "uv_udp_connect");
}

void udp::send(std::string bytes, const address& to, done_callback on_done) {
  send_to(as_udp(block(), "udp::send"), std::move(bytes), to.raw(), std::move(on_done));
}
void udp::send(std::string bytes, done_callback on_done) {
  send_to(as_udp(block(), "udp::send"), std::move(bytes), nullptr, std::move(on_done));
}

bool udp::try_send(std::string_view bytes, const address& to) {
  return try_send_to(as_udp(block(), "udp::try_send"), bytes, to.raw());
}
bool udp::try_send(std::string_view bytes) {
  return try_send_to(as_udp(block(), "udp::try_send"), bytes, nullptr);
}
std::size_t udp::try_send2(std::span<const outgoing> all) {
  return try_send_all(as_udp(block(), "udp::try_send2"), all);
}

void udp::recv_start(receive_callback on_datagram) {
  as_udp(block(), "udp::recv_start").recv_start(std::move(on_datagram));
}

void udp::recv_stop() noexcept { static_cast<udp_block&>(block()).recv_stop(); }

bool udp::using_recvmmsg() const noexcept {
  return block().open() &&
         uv_udp_using_recvmmsg(&static_cast<udp_block&>(block()).uv) != 0;
}

address udp::sockname() const {
  return detail::name_of(as_udp(block(), "udp::sockname").uv, uv_udp_getsockname,
                         "uv_udp_getsockname");
}
address udp::peername() const {
  return detail::name_of(as_udp(block(), "udp::peername").uv, uv_udp_getpeername,
                         "uv_udp_getpeername");
}
int udp::fileno() const { return detail::fileno(block()); }

void udp::join(const std::string& group, const std::string& interface_address,
               const std::string& source) {
  set_membership(as_udp(block(), "udp::join"), group, interface_address, source,
                 UV_JOIN_GROUP);
}
void udp::leave(const std::string& group, const std::string& interface_address,
                const std::string& source) {
  set_membership(as_udp(block(), "udp::leave"), group, interface_address, source,
                 UV_LEAVE_GROUP);
}

void udp::set_multicast_loop(bool on) {
  checked(uv_udp_set_multicast_loop(&as_udp(block(), "udp::set_multicast_loop").uv, on),
          "uv_udp_set_multicast_loop");
}
void udp::set_multicast_ttl(int hops) {
  checked(uv_udp_set_multicast_ttl(&as_udp(block(), "udp::set_multicast_ttl").uv, hops),
          "uv_udp_set_multicast_ttl");
}
void udp::set_multicast_interface(const std::string& interface_address) {
  constexpr const char* operation = "uv_udp_set_multicast_interface";
  const char* const card = as_text(interface_address, operation);
  checked(uv_udp_set_multicast_interface(
              &as_udp(block(), "udp::set_multicast_interface").uv, card),
          operation, interface_address);
}
void udp::set_broadcast(bool on) {
  checked(uv_udp_set_broadcast(&as_udp(block(), "udp::set_broadcast").uv, on),
          "uv_udp_set_broadcast");
}
void udp::set_ttl(int hops) {
  checked(uv_udp_set_ttl(&as_udp(block(), "udp::set_ttl").uv, hops), "uv_udp_set_ttl");
}

std::size_t udp::send_queue_size() const noexcept {
  return block().open() ? uv_udp_get_send_queue_size(&static_cast<udp_block&>(block()).uv)
                        : 0;
}
std::size_t udp::send_queue_count() const noexcept {
  return block().open()
             ? uv_udp_get_send_queue_count(&static_cast<udp_block&>(block()).uv)
             : 0;
}

int udp::send_buffer_size() const {
  return detail::buffer_size(block(), uv_send_buffer_size, "uv_send_buffer_size");
}
void udp::set_send_buffer_size(int bytes) {
  detail::set_buffer_size(block(), uv_send_buffer_size, bytes, "uv_send_buffer_size");
}
int udp::recv_buffer_size() const {
  return detail::buffer_size(block(), uv_recv_buffer_size, "uv_recv_buffer_size");
}
void udp::set_recv_buffer_size(int bytes) {
  detail::set_buffer_size(block(), uv_recv_buffer_size, bytes, "uv_recv_buffer_size");
}

}  // namespace sheaf::runtime
