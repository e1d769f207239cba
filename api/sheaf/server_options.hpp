#pragma once

#include <sheaf/open_connection.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace sheaf {

/// How a server listens, and the buffers of its connections.
class server_options {
 public:
  /// How many connections the system keeps waiting to be accepted: 1024 if nothing is said,
  /// where asyncio has 100; the system may have a lower limit (net.core.somaxconn). Throws
  /// std::invalid_argument below 1.
  server_options& backlog(int n) &;
  server_options&& backlog(int n) && { return std::move(backlog(n)); }
  /// Several servers, of other threads or processes, share the port, and the kernel spreads
  /// the connections. Where it does not (all but Linux, FreeBSD and DragonFly) start_server()
  /// throws uv_error (ENOTSUP).
  server_options& reuse_port(bool on = true) & {
    reuse_port_ = on;
    return *this;
  }
  server_options&& reuse_port(bool on = true) && { return std::move(reuse_port(on)); }
  /// Off: a socket on "::" takes IPv4 as well. It is on, and an empty host listens on both.
  server_options& ipv6_only(bool on) & {
    ipv6_only_ = on;
    return *this;
  }
  server_options&& ipv6_only(bool on) && { return std::move(ipv6_only(on)); }
  /// As connection_options::limit().
  server_options& limit(std::size_t bytes) & {
    connection_.limit(bytes);
    return *this;
  }
  server_options&& limit(std::size_t bytes) && { return std::move(limit(bytes)); }
  /// Off: it listens when start_serving() or serve_forever() is called.
  server_options& start_serving(bool on) & {
    start_ = on;
    return *this;
  }
  server_options&& start_serving(bool on) && { return std::move(start_serving(on)); }

#ifndef SHEAF_NO_TLS
  /// Over TLS: a handler is called when the handshake of its stream has ended. One that fails
  /// is reported, and the server goes on.
  server_options& tls(const tls_context& context, tls_options options = {}) & {
    connection_.tls(context, std::move(options));
    return *this;
  }
  server_options&& tls(const tls_context& context, tls_options options = {}) && {
    return std::move(tls(context, std::move(options)));
  }
  const std::optional<tls_wish>& tls() const noexcept { return connection_.tls(); }
#endif

  int backlog() const noexcept { return backlog_; }
  bool reuse_port() const noexcept { return reuse_port_; }
  bool ipv6_only() const noexcept { return ipv6_only_; }
  std::size_t limit() const noexcept { return connection_.limit(); }
  bool start_serving() const noexcept { return start_; }

 private:
  int backlog_ = 1024;
  bool reuse_port_ = false;
  bool ipv6_only_ = true;
  bool start_ = true;
  connection_options connection_;
};

}  // namespace sheaf
