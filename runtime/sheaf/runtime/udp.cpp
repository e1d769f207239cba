#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/read_buffer.hpp>
#include <sheaf/runtime/detail/taken_out.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/udp.hpp>

#include <sys/socket.h>

#include <memory>

namespace sheaf::runtime {

static_assert(static_cast<unsigned>(udp_bind::ipv6_only) == UV_UDP_IPV6ONLY);
static_assert(static_cast<unsigned>(udp_bind::reuse_address) == UV_UDP_REUSEADDR);

namespace {

constexpr char send_name[] = "send callback";

class udp_block final : public detail::requesting_block {
 public:
  explicit udp_block(scheduler& s) : requesting_block(s, "udp") {
    opened(uv_udp_init(s.uv(), &uv), "uv_udp_init");
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
  static void on_buffer(uv_handle_t*, std::size_t, uv_buf_t* out) {
    const std::span<char> room = detail::read_buffer();
    *out = uv_buf_init(room.data(), static_cast<unsigned>(room.size()));
  }

  // Nothing and from nobody: there was nothing more to read.
  static void on_datagram(uv_udp_t* h, ssize_t n, const uv_buf_t* buffer,
                          const sockaddr* from, unsigned flags) {
    auto& self = of<udp_block>(h);
    if ((n == 0 && !from) || !self.receiving_) return;
    detail::taken_out receive(self.receive_, self.receiving_);
    self.call("receive callback", [&] {
      const address sender = from ? address::from(from) : address();
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
  uv_buf_t buffer() noexcept {
    return uv_buf_init(bytes_.data(), static_cast<unsigned>(bytes_.size()));
  }

 private:
  std::string bytes_;
};

void send_to(udp_block& b, std::string bytes, const sockaddr* to,
             detail::done_callback f) {
  auto r = std::make_unique<send_request>(b, std::move(bytes), std::move(f));
  const uv_buf_t buffer = r->buffer();
  const int code = uv_udp_send(&r->uv, &b.uv, &buffer, 1, to,
                               detail::request_of<uv_udp_send_t>::on_done<send_name>);
  detail::submit(std::move(r), code, "uv_udp_send");
}

bool try_send_to(udp_block& b, std::string_view bytes, const sockaddr* to) {
  const uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int n = uv_udp_try_send(&b.uv, &buffer, 1, to);
  if (n == UV_EAGAIN) return false;
  checked(n, "uv_udp_try_send");
  return true;
}

using get_name = int(const uv_udp_t*, sockaddr*, int*);

address name_of(udp_block& b, get_name* f, const char* operation) {
  sockaddr_storage raw{};
  int size = sizeof raw;
  checked(f(&b.uv, reinterpret_cast<sockaddr*>(&raw), &size), operation);
  return address::from(reinterpret_cast<sockaddr*>(&raw));
}

void set_membership(udp_block& b, const std::string& group,
                    const std::string& interface_address, const std::string& source,
                    uv_membership how) {
  const char* const card =
      interface_address.empty() ? nullptr : interface_address.c_str();
  if (source.empty()) {
    checked(uv_udp_set_membership(&b.uv, group.c_str(), card, how),
            "uv_udp_set_membership");
  } else {
    checked(uv_udp_set_source_membership(&b.uv, group.c_str(), card, source.c_str(), how),
            "uv_udp_set_source_membership");
  }
}

}  // namespace

udp::udp(loop& owner) : handle(new udp_block(owner.core())) {}

void udp::open(int socket) {
  checked(uv_udp_open(&as_udp(block(), "udp::open").uv, socket), "uv_udp_open");
}

void udp::bind(const address& to, udp_bind how) {
  checked(
      uv_udp_bind(&as_udp(block(), "udp::bind").uv, to.raw(), static_cast<unsigned>(how)),
      "uv_udp_bind");
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

void udp::recv_start(receive_callback on_datagram) {
  as_udp(block(), "udp::recv_start").recv_start(std::move(on_datagram));
}

void udp::recv_stop() noexcept { static_cast<udp_block&>(block()).recv_stop(); }

address udp::sockname() const {
  return name_of(as_udp(block(), "udp::sockname"), uv_udp_getsockname,
                 "uv_udp_getsockname");
}
address udp::peername() const {
  return name_of(as_udp(block(), "udp::peername"), uv_udp_getpeername,
                 "uv_udp_getpeername");
}

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
  checked(
      uv_udp_set_multicast_interface(&as_udp(block(), "udp::set_multicast_interface").uv,
                                     interface_address.c_str()),
      "uv_udp_set_multicast_interface");
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

}  // namespace sheaf::runtime
