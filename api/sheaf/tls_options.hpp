#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace sheaf {

/// How one stream, or each of a server, goes over to TLS.
class tls_options {
 public:
  using duration = std::chrono::nanoseconds;

  /// Clients: whose certificate is expected, a name or an address. open_connection() takes
  /// its host if nothing is said.
  tls_options& server_hostname(std::string name) & {
    server_hostname_ = std::move(name);
    return *this;
  }
  tls_options&& server_hostname(std::string name) && {
    return std::move(server_hostname(std::move(name)));
  }
  /// How long the handshake may take: 60 s if nothing is said, as in asyncio. Throws
  /// std::invalid_argument unless it is more than zero.
  tls_options& handshake_timeout(duration d) &;
  tls_options&& handshake_timeout(duration d) && {
    return std::move(handshake_timeout(d));
  }
  /// How long close() waits for the peer's end after all was sent: 30 s, as in asyncio.
  tls_options& shutdown_timeout(duration d) &;
  tls_options&& shutdown_timeout(duration d) && { return std::move(shutdown_timeout(d)); }

  const std::string& server_hostname() const noexcept { return server_hostname_; }
  duration handshake_timeout() const noexcept { return handshake_; }
  duration shutdown_timeout() const noexcept { return shutdown_; }

 private:
  std::string server_hostname_;
  duration handshake_ = std::chrono::seconds(60);
  duration shutdown_ = std::chrono::seconds(30);
};

}  // namespace sheaf
