#pragma once

#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace sheaf::runtime {

class loop;

/// How udp::bind() binds; a set.
enum class udp_bind : unsigned {
  none = 0,
  ipv6_only = 1,
  reuse_address = 4,  ///< several sockets may bind the port: for multicast
};

/// A uv_udp_t: a socket for datagrams.
///
/// Order: datagrams go out in the order of the sends, and may arrive in any. One that is
/// destroyed drops what it has not sent.
class udp : public handle {
 public:
  struct datagram {
    std::string_view bytes;  ///< valid during the call
    const address& from;
    bool truncated;  ///< it was larger than the 64 KiB buffer
  };
  using receive_callback = unique_function<void(const datagram&, std::error_code)>;
  using done_callback = unique_function<void(std::error_code)>;

  /// Throws invalid_state if the loop is closed.
  explicit udp(loop& owner);

  /// Takes over a socket of the system's, and closes it with this.
  void open(int socket);
  void bind(const address& to, udp_bind how = udp_bind::none);
  /// Sends to `to` alone, and receives from it alone, until disconnect().
  void connect(const address& to);
  void disconnect();

  /// Queues a datagram. Throws uv_error: EISCONN for an address other than the connected
  /// one, EDESTADDRREQ for none.
  void send(std::string bytes, const address& to, done_callback on_done = nullptr);
  void send(std::string bytes, done_callback on_done = nullptr);
  /// Sends at once; false if it would have to wait.
  bool try_send(std::string_view bytes, const address& to);
  bool try_send(std::string_view bytes);

  /// Calls `on_datagram` for each that comes, until recv_stop(). An error does not end it.
  void recv_start(receive_callback on_datagram);
  /// Idempotent. The callback is not called after this returns, and dies.
  void recv_stop() noexcept;

  address sockname() const;
  address peername() const;

  /// `group` is an address such as "239.1.2.3"; `interface_address` names the network card,
  /// empty for the system's choice; `source`, if given, the only sender.
  void join(const std::string& group, const std::string& interface_address = {},
            const std::string& source = {});
  void leave(const std::string& group, const std::string& interface_address = {},
             const std::string& source = {});
  void set_multicast_loop(bool on);
  void set_multicast_ttl(int hops);
  void set_multicast_interface(const std::string& interface_address);
  void set_broadcast(bool on);
  void set_ttl(int hops);

  std::size_t send_queue_size() const noexcept;
  std::size_t send_queue_count() const noexcept;
};

}  // namespace sheaf::runtime
