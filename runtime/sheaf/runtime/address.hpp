#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace sheaf::runtime {

/// Which kind of address; `any` where there is none yet.
enum class address_family { any, ipv4, ipv6 };

/// The address of a socket, IPv4 or IPv6, as the system has it (sockaddr_in, sockaddr_in6): a
/// value, of 32 bytes. ip(a.host(), a.port()) is `a` again.
class address {
 public:
  /// 0.0.0.0, port 0.
  address() noexcept;

  /// From text: "127.0.0.1", "::1", "fe80::1%eth0". Throws uv_error (EINVAL) for what is no
  /// address; names are getaddrinfo's business.
  static address ip(std::string_view host, std::uint16_t port);
  /// The same; nothing for what is no address.
  static std::optional<address> try_ip(std::string_view host,
                                       std::uint16_t port) noexcept;
  /// A copy of the system's. Throws uv_error (EAFNOSUPPORT) for another family.
  static address from(const sockaddr* raw);

  /// "127.0.0.1", "::1", "fe80::1%eth0": with the zone, if it has one.
  std::string host() const;
  std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  bool is_ipv6() const noexcept;
  /// "127.0.0.1:80", "[::1]:80"
  std::string to_string() const;

  const sockaddr* raw() const noexcept;

  friend bool operator==(const address& a, const address& b) noexcept;

 private:
  static constexpr std::size_t room = 28;  // of a sockaddr_in6, the larger of the two
  alignas(8) std::array<std::byte, room> bytes_{};
};

}  // namespace sheaf::runtime
