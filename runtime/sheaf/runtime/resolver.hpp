#pragma once

#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/request.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace sheaf::runtime {

class loop;

/// What getaddrinfo() looks for.
class address_hints {
 public:
  using family = address_family;

  address_hints& only(family f) {
    family_ = f;
    return *this;
  }
  /// For datagrams rather than streams.
  address_hints& datagrams(bool on = true) {
    datagrams_ = on;
    return *this;
  }
  /// For bind(): no host is any address of this machine, not the loopback.
  address_hints& passive(bool on = true) {
    passive_ = on;
    return *this;
  }
  /// The host must be an address in text, and nobody is asked.
  address_hints& numeric_host(bool on = true) {
    numeric_ = on;
    return *this;
  }

  /// Only kinds of addresses that this machine has itself (AI_ADDRCONFIG).
  address_hints& configured(bool on = true) {
    configured_ = on;
    return *this;
  }

  family which() const noexcept { return family_; }
  bool datagrams() const noexcept { return datagrams_; }
  bool passive() const noexcept { return passive_; }
  bool numeric_host() const noexcept { return numeric_; }
  bool configured() const noexcept { return configured_; }

 private:
  family family_ = family::any;
  bool datagrams_ = false;
  bool passive_ = false;
  bool numeric_ = false;
  bool configured_ = false;
};

using addresses_callback = unique_function<void(std::vector<address>, std::error_code)>;

/// The addresses of a host and a service (a name or a number), each at most once, in the
/// system's order. Either may be empty, not both (EINVAL, thrown, with the host as its path).
/// Errors are UV_EAI_NONAME and its kin. A request that is destroyed, or cancelled before a
/// thread began with it, changes nothing; one that a thread has begun with cannot be stopped.
/// Cost: a thread of libuv's pool for as long as the system asks around.
request getaddrinfo(loop& l, std::string_view host, std::string_view service,
                    const address_hints& hints, addresses_callback f);

struct host_name {
  std::string host;
  std::string service;
};
using name_callback = unique_function<void(host_name, std::error_code)>;

/// How getnameinfo() answers; a set.
enum class name_flags : unsigned {
  none = 0,
  numeric_host = 1,     ///< the address in text; nobody is asked
  numeric_service = 2,  ///< the port in text
  name_required = 4,    ///< an error (UV_EAI_NONAME) where there is no name
  datagrams = 8,        ///< the service of UDP
  local_name = 16,      ///< without the domain, for hosts of this one
};
constexpr name_flags operator|(name_flags a, name_flags b) noexcept {
  return name_flags{static_cast<unsigned>(a) | static_cast<unsigned>(b)};
}
constexpr bool has(name_flags all, name_flags some) noexcept {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(some)) != 0;
}

/// The name that goes with an address; the address in text if it has none. As getaddrinfo().
request getnameinfo(loop& l, const address& of, name_callback f);
request getnameinfo(loop& l, const address& of, name_flags how, name_callback f);

}  // namespace sheaf::runtime
