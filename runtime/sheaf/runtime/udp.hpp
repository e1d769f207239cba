#pragma once

#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace sheaf::runtime {

class loop;

/// How udp::bind() binds; a set.
enum class udp_bind : unsigned {
  none = 0,
  ipv6_only = 1,
  reuse_address = 4,   ///< several sockets may bind the port: for multicast
  receive_errors = 8,  ///< ICMP errors end sends and receives: Linux's IP_RECVERR
  reuse_port = 16,  ///< several sockets share the port, and the kernel spreads datagrams
};
constexpr udp_bind operator|(udp_bind a, udp_bind b) noexcept {
  return udp_bind{static_cast<unsigned>(a) | static_cast<unsigned>(b)};
}
constexpr bool has(udp_bind all, udp_bind some) noexcept {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(some)) != 0;
}

/// A uv_udp_t: a socket for datagrams.
///
/// Order: datagrams go out in the order of the sends, and may arrive in any. One that is
/// destroyed drops what it has not sent, and calls nothing.
class udp : public handle {
 public:
  struct datagram {
    std::string_view bytes;  ///< valid during the call
    const address& from;     ///< 0.0.0.0:0 if the sender has none, as one of AF_UNIX
    bool truncated;          ///< it was larger than the 64 KiB that there is room for
  };
  using receive_callback = unique_function<void(const datagram&, std::error_code)>;
  using done_callback = unique_function<void(std::error_code)>;
  /// What try_send2() sends: borrowed during the call. Without an address, to the connected one.
  struct outgoing {
    std::string_view bytes;
    const address* to = nullptr;
  };
  /// How it reads: each datagram by a system call of its own, or up to 20 by one (recvmmsg),
  /// where the system can; the shared buffer of the thread is then 1.25 MiB.
  enum class reading { one, many };

  /// Without a socket until it binds, connects or sends. Throws invalid_state if the loop is
  /// closed.
  explicit udp(loop& owner, reading how = reading::one);
  /// With a socket at once, to set options on. Throws uv_error (EMFILE).
  udp(loop& owner, address_family family, reading how = reading::one);

  /// Takes over a socket of the system's, and closes it with this; it becomes non-blocking.
  /// Throws uv_error (EBUSY if there is one already, EEXIST if a handle of the loop has this
  /// one); the socket then stays the caller's.
  void open(int socket);
  /// The same with its options as `how` says, which is a set of reuse_address and reuse_port:
  /// open(socket) sets SO_REUSEADDR, as uv_udp_open does, and whoever sets it too may then take
  /// the port. An option that `how` does not name stays as the socket has it. Throws uv_error
  /// (EINVAL) for another. uv_udp_open_ex; before libuv 1.52 we set the options.
  void open(int socket, udp_bind how);
  /// Takes an address; port 0 picks a free one. Throws uv_error (EADDRINUSE). Before libuv 1.49
  /// reuse_port is set on the socket by ourselves.
  void bind(const address& to, udp_bind how = udp_bind::none);
  /// Sends to `to` alone, and receives from it alone, until disconnect(). Throws uv_error:
  /// EISCONN if it is connected, ENOTCONN from disconnect() if it is not.
  void connect(const address& to);
  void disconnect();

  /// Queues a datagram, and owns its bytes until they are sent. Throws uv_error: EISCONN for
  /// an address on a connected one, EDESTADDRREQ for none on another. EMSGSIZE comes to
  /// `on_done`.
  void send(std::string bytes, const address& to, done_callback on_done = nullptr);
  void send(std::string bytes, done_callback on_done = nullptr);
  /// Sends at once; false if it would have to wait, for the system or for what is queued.
  bool try_send(std::string_view bytes, const address& to);
  bool try_send(std::string_view bytes);
  /// Sends as many as go at once, in their order, and gives how many did; an error is thrown
  /// if it is the first's. uv_udp_try_send2, which takes one system call for many of them;
  /// before libuv 1.50, one call each.
  std::size_t try_send2(std::span<const outgoing> all);

  /// Calls `on_datagram` for each that comes, until recv_stop(). An error does not end it. The
  /// bytes are in a buffer that all sockets of a thread share. Binds to any address and a free
  /// port if it is not bound. Throws uv_error (EALREADY if it receives already).
  void recv_start(receive_callback on_datagram);
  /// Idempotent. The callback is not called after this returns, and dies.
  void recv_stop() noexcept;

  /// Whether `reading::many` is what it does.
  bool using_recvmmsg() const noexcept;

  address sockname() const;
  /// Of the connected one; throws uv_error (ENOTCONN) if there is none.
  address peername() const;
  /// The descriptor; throws uv_error (EBADF) if there is none yet.
  int fileno() const;

  /// `group` is an address such as "239.1.2.3"; `interface_address` names the network card,
  /// empty for the system's choice; `source`, if given, the only sender. Throws uv_error:
  /// EINVAL for what is no address, EADDRNOTAVAIL, ENODEV.
  void join(const std::string& group, const std::string& interface_address = {},
            const std::string& source = {});
  void leave(const std::string& group, const std::string& interface_address = {},
             const std::string& source = {});
  /// Whether what is sent to a group comes to this machine too.
  void set_multicast_loop(bool on);
  /// 1 to 255 hops; 1 stays in this network.
  void set_multicast_ttl(int hops);
  /// The card to send to groups through; empty for the system's choice.
  void set_multicast_interface(const std::string& interface_address);
  /// Lets it send to broadcast addresses, which is EACCES otherwise.
  void set_broadcast(bool on);
  /// 1 to 255 hops, for what goes to a single address.
  void set_ttl(int hops);

  /// The bytes, and the datagrams, that are queued and not yet sent.
  std::size_t send_queue_size() const noexcept;
  std::size_t send_queue_count() const noexcept;

  /// The kernel's buffers, in bytes; Linux gives twice what was asked for.
  int send_buffer_size() const;
  void set_send_buffer_size(int bytes);
  int recv_buffer_size() const;
  void set_recv_buffer_size(int bytes);
};

}  // namespace sheaf::runtime
