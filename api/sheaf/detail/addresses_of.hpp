#pragma once

#include <sheaf/resolve.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::detail {

/// resolve(), without a thread for what is an address in text already.
inline coro<std::vector<address>> addresses_of(std::string host, std::uint16_t port,
                                               bool to_listen) {
  if (const auto known = address::try_ip(host, port)) {
    co_return std::vector<address>(1, *known);
  }
  const auto hints = to_listen ? address_hints().passive() : address_hints();
  co_return co_await resolve(std::move(host), port, hints);
}

}  // namespace sheaf::detail
