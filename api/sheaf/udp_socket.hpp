#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/udp_core.hpp>
#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/udp.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sheaf {

using runtime::address;
using runtime::udp_bind;

/// A socket for datagrams: asyncio's datagram endpoint, without its protocol.
///
///     udp_socket s;
///     s.bind(address::ip("127.0.0.1", 5353));
///     while (true) {
///       datagram d = co_await s.receive();
///       co_await s.send_to(d.bytes, d.sender);
///     }
///
/// Ownership: moved, never copied; destroying it closes it, drops what was not sent or
/// received, and ends what waits with ECANCELED. Bytes are owned until they are sent.
///
/// Order: datagrams go out in the order of the sends; what comes is given in the order it
/// came. One task receives at a time, a second one gets invalid_state; any number send.
///
/// Back-pressure: at most 32 datagrams are read ahead of who receives. Then reading stops, the
/// kernel's buffer fills (recv_buffer_size()), and what does not fit there the kernel drops:
/// this object never does.
///
/// Failure: uv_error. What the network tells of an earlier datagram, such as ECONNREFUSED on a
/// connected socket, comes out of the next send or receive(), and the socket goes on. Sending
/// to another address than the connected one is std::invalid_argument. Cancellation is total:
/// a cancelled receive() has taken nothing; a send that waits for the system is awaited, since
/// libuv cannot take it back, and the next await delivers the cancellation.
///
/// Thread: its loop's. It keeps a loop running only while a task waits for it. Cost: a send
/// that the system takes at once does not suspend; what comes is copied once, from a buffer
/// that all sockets of the thread share.
class [[nodiscard]] udp_socket {
 public:
  /// On the loop that runs here. Without a socket of the system's until it binds, connects,
  /// sends or receives; `family` makes that at once, to set options on.
  udp_socket();
  explicit udp_socket(runtime::address_family family);
  udp_socket(udp_socket&&) noexcept = default;
  udp_socket& operator=(udp_socket&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~udp_socket() {
    if (core_) core_->close();
  }
  /// Takes over a socket of the system's, which becomes non-blocking.
  static udp_socket adopt(int descriptor);

  /// Takes an address; port 0 is a free one, which local_address() tells.
  void bind(const address& to, udp_bind how = udp_bind::none);
  /// Sends to `to` alone and receives from it alone, until disconnect(). Nothing is sent. On
  /// Linux disconnect() gives up a port that the system chose.
  void connect(const address& to) { core().connect(to); }
  void disconnect() { core().disconnect(); }

  /// The next datagram. Throws ECANCELED if the socket is closed meanwhile. Total.
  [[nodiscard]] coro<datagram> receive() { return detail::receive_datagram(shared()); }

  /// Sends to the connected address; waits only while the system's buffer is full. Throws
  /// EMSGSIZE, EDESTADDRREQ where there is none. Total.
  [[nodiscard]] coro<> send(std::string bytes) {
    return detail::send_datagram(shared(), std::move(bytes), std::nullopt);
  }
  [[nodiscard]] coro<> send_to(std::string bytes, address to) {
    return detail::send_datagram(shared(), std::move(bytes), to);
  }
  /// Sends now; false if it would have to wait.
  [[nodiscard]] bool try_send(std::string_view bytes) {
    return core().try_send(bytes, nullptr, "udp_socket::try_send");
  }
  [[nodiscard]] bool try_send_to(std::string_view bytes, const address& to) {
    return core().try_send(bytes, &to, "udp_socket::try_send");
  }

  address local_address() const { return handle("local_address").sockname(); }
  /// Of the connected one; throws ENOTCONN.
  address remote_address() const { return handle("remote_address").peername(); }

  /// `group` as "239.1.2.3" or "ff02::1"; `card`: the address of the network card, empty for
  /// the system's choice; `source`: the only sender, if given.
  void join(const std::string& group, const std::string& card = {},
            const std::string& source = {});
  void leave(const std::string& group, const std::string& card = {},
             const std::string& source = {});
  /// Whether what is sent to a group comes back to this machine; it does.
  void set_multicast_loop(bool on) {
    handle("set_multicast_loop").set_multicast_loop(on);
  }
  void set_multicast_ttl(int hops) {
    handle("set_multicast_ttl").set_multicast_ttl(hops);
  }
  void set_multicast_interface(const std::string& card);
  void set_broadcast(bool on) { handle("set_broadcast").set_broadcast(on); }
  void set_ttl(int hops) { handle("set_ttl").set_ttl(hops); }

  /// The kernel's buffers, in bytes; Linux gives twice what was asked for.
  int recv_buffer_size() const { return handle("recv_buffer_size").recv_buffer_size(); }
  void set_recv_buffer_size(int n) { handle("recv_buffer_size").set_recv_buffer_size(n); }
  int send_buffer_size() const { return handle("send_buffer_size").send_buffer_size(); }
  void set_send_buffer_size(int n) { handle("send_buffer_size").set_send_buffer_size(n); }

  /// The system's number, the socket's to close.
  int fileno() const { return handle("fileno").fileno(); }

  /// Idempotent; all else throws invalid_state afterwards.
  void close() { core().close(); }
  bool is_open() const noexcept { return core_ && core_->is_open(); }

 private:
  const detail::udp_ref& shared() const;
  detail::udp_core& core() const { return *shared(); }
  runtime::udp& handle(const char* what) const { return core().handle(what); }

  detail::udp_ref core_;
};

}  // namespace sheaf
