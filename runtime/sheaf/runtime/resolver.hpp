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
  enum class family { any, ipv4, ipv6 };

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

  family which() const noexcept { return family_; }
  bool datagrams() const noexcept { return datagrams_; }
  bool passive() const noexcept { return passive_; }
  bool numeric_host() const noexcept { return numeric_; }

 private:
  family family_ = family::any;
  bool datagrams_ = false;
  bool passive_ = false;
  bool numeric_ = false;
};

using addresses_callback = unique_function<void(std::vector<address>, std::error_code)>;

/// The addresses of a host and a service (a name or a number), each at most once, in the
/// system's order. Either may be empty, not both. One of libuv's threads asks.
request getaddrinfo(loop& l, std::string_view host, std::string_view service,
                    const address_hints& hints, addresses_callback f);

struct host_name {
  std::string host;
  std::string service;
};
using name_callback = unique_function<void(host_name, std::error_code)>;

/// The name that goes with an address; the address in text if it has none.
request getnameinfo(loop& l, const address& of, name_callback f);

}  // namespace sheaf::runtime
