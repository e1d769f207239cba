#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

namespace sheaf::runtime {

namespace {

template <class Raw>
Raw copy_out(const sockaddr* from) noexcept {
  Raw raw;
  std::memcpy(&raw, from, sizeof raw);
  return raw;
}

/// "%eth0", or the number of a card that is gone.
std::string zone(unsigned card) {
  char name[UV_IF_NAMESIZE];
  std::size_t size = sizeof name;
  const bool known = uv_if_indextoiid(card, name, &size) == 0;
  return '%' + (known ? std::string(name, size) : std::to_string(card));
}

}  // namespace

static_assert(sizeof(sockaddr_in6) == 28 && sizeof(sockaddr_in) <= 28);

address::address() noexcept {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  std::memcpy(bytes_.data(), &any, sizeof any);
}

address address::ip(std::string_view host, std::uint16_t port) {
  const auto found = try_ip(host, port);
  if (!found) throw uv_error(UV_EINVAL, "address '" + std::string(host) + "'");
  return *found;
}

std::optional<address> address::try_ip(std::string_view host,
                                       std::uint16_t port) noexcept {
  // An IPv6 address in its longest form, and a name of an interface.
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
  if (host.size() >= sizeof text || host.find('\0') != std::string_view::npos) return {};
  text[host.copy(text, sizeof text - 1)] = '\0';
  sockaddr_in v4;
  if (uv_ip4_addr(text, port, &v4) == 0) {
    return from(reinterpret_cast<const sockaddr*>(&v4));
  }
  sockaddr_in6 v6;
  if (uv_ip6_addr(text, port, &v6) != 0) return {};
  return from(reinterpret_cast<const sockaddr*>(&v6));
}

address address::from(const sockaddr* raw) {
  address a;
  const int family = raw ? raw->sa_family : AF_UNSPEC;
  if (family != AF_INET && family != AF_INET6) throw uv_error(UV_EAFNOSUPPORT, "address");
  std::memcpy(a.bytes_.data(), raw,
              family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return a;
}

bool address::is_ipv6() const noexcept { return raw()->sa_family == AF_INET6; }

std::uint16_t address::port() const noexcept {
  // At the same place in both kinds.
  return ntohs(copy_out<sockaddr_in>(raw()).sin_port);
}

void address::set_port(std::uint16_t port) noexcept {
  const in_port_t value = htons(port);
  std::memcpy(bytes_.data() + offsetof(sockaddr_in, sin_port), &value, sizeof value);
}
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

std::string address::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_ipv6()) {
    const auto v6 = copy_out<sockaddr_in6>(raw());
    uv_ip6_name(&v6, text, sizeof text);
    if (v6.sin6_scope_id != 0) return text + zone(v6.sin6_scope_id);
  } else {
    const auto v4 = copy_out<sockaddr_in>(raw());
    uv_ip4_name(&v4, text, sizeof text);
  }
  return text;
}

std::string address::to_string() const {
  const std::string name = is_ipv6() ? '[' + host() + ']' : host();
  return name + ':' + std::to_string(port());
}

const sockaddr* address::raw() const noexcept {
  return reinterpret_cast<const sockaddr*>(bytes_.data());
}

bool operator==(const address& a, const address& b) noexcept {
  return a.bytes_ == b.bytes_;
}

}  // namespace sheaf::runtime
