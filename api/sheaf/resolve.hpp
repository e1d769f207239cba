#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/resolver.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace sheaf {

using runtime::address;
using runtime::address_hints;
using runtime::host_name;

/// The addresses of a host: `co_await resolve("example.org", 80)`, each at most once, in the
/// system's order. An empty host is this machine: the loopback, or with hints.passive() any
/// address.
///
/// One of libuv's threads asks, and the loop goes on. Throws uv_error: EAI_NONAME for a host
/// that is not found, EAI_AGAIN. Cancellation: at once; an answer under way is dropped.
coro<std::vector<address>> resolve(std::string host, std::uint16_t port,
                                   address_hints hints = {});

/// The name that goes with an address; the address in text if it has none.
coro<host_name> reverse_resolve(address of);

}  // namespace sheaf
