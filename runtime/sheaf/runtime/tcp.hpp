#pragma once

#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/stream.hpp>

#include <chrono>

namespace sheaf::runtime {

class loop;

/// How tcp::bind() binds; a set.
enum class tcp_bind : unsigned {
  none = 0,
  ipv6_only = 1,   ///< an IPv6 socket that takes no IPv4
  reuse_port = 2,  ///< several sockets share the port, and the kernel spreads connections
};
constexpr tcp_bind operator|(tcp_bind a, tcp_bind b) noexcept {
  return tcp_bind{static_cast<unsigned>(a) | static_cast<unsigned>(b)};
}
constexpr bool has(tcp_bind all, tcp_bind some) noexcept {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(some)) != 0;
}

/// A uv_tcp_t: a TCP socket, connecting, connected or listening.
class tcp : public stream {
 public:
  /// Without a socket until it connects, binds or accepts. Throws invalid_state if the loop
  /// is closed.
  explicit tcp(loop& owner);
  /// With a socket at once, to set options on. Throws uv_error (EMFILE).
  tcp(loop& owner, address_family family);

  /// Takes over a socket of the system's, and closes it with this; it becomes non-blocking.
  /// Throws uv_error (EBUSY if there is one already, EEXIST if a handle of the loop has this
  /// one); the socket then stays the caller's.
  void open(int socket);

  /// Takes an address; port 0 picks a free one. EADDRINUSE comes from here or from listen(),
  /// as libuv has it. Before libuv 1.49 reuse_port is set on the socket by ourselves.
  void bind(const address& to, tcp_bind how = tcp_bind::none);

  /// Connects, then calls `on_connected`, with the error if there is one. Throws uv_error, with
  /// the address as its path: EALREADY while it connects, EISCONN on a listener.
  void connect(const address& to, done_callback on_connected);

  /// Sends small writes at once (TCP_NODELAY).
  void nodelay(bool on);
  /// Probes a silent connection after `delay`, then once a second; ten that are not answered
  /// end it with ETIMEDOUT. Throws uv_error (EINVAL) for less than a second. Before there is a
  /// socket libuv keeps that it is on, and not the delay: 60 seconds then.
  void keepalive(bool on, std::chrono::seconds delay = std::chrono::seconds(60));
  /// The same with the pause between probes, and how many. Needs a socket (EBADF).
  void keepalive(std::chrono::seconds delay, std::chrono::seconds interval, int count);
  /// Windows alone does something here.
  void simultaneous_accepts(bool on);

  address sockname() const;
  address peername() const;

  /// Closes with a reset, so that the other side gets ECONNRESET; as a destructor otherwise:
  /// nothing is called afterwards, and every use is invalid_state. Throws uv_error, and stays
  /// open: EINVAL after shutdown(), which a reset would contradict, EBADF without a socket.
  void close_reset();
};

/// Two connected stream sockets of the system's: uv_socketpair, non-blocking and closed on
/// exec. For pipe::open() or tcp::open(); the caller closes them otherwise.
struct socket_pair {
  int first;
  int second;
};
socket_pair make_socket_pair();

}  // namespace sheaf::runtime
