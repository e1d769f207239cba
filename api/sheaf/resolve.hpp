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
using runtime::name_flags;

/// The addresses of a host: asyncio's loop.getaddrinfo().
///
///     std::vector<address> all = co_await resolve("example.org", 80);
///     std::vector<address> web = co_await resolve("example.org", "https");
///
/// Each address comes once, in the system's order, with the port. A service is a name or a
/// number; an empty host is this machine: the loopback, or with hints.passive() any address.
/// An address in text is itself, with its zone: "fe80::1%eth0"; hints.numeric_host() allows
/// nothing else, and asks nobody.
///
/// Failure: uv_error, "resolve 'no.such.host': EAI_NONAME"; the codes are libuv's, EAI_AGAIN
/// where asking again may help. Cancellation is total and at once: who asks is let go, and
/// its answer dropped. Cost: one of libuv's four threads for as long as the system's resolver
/// takes, perhaps seconds; a loop that closes waits for it.
[[nodiscard]] coro<std::vector<address>> resolve(std::string host, std::uint16_t port,
                                                 address_hints hints = {});
[[nodiscard]] coro<std::vector<address>> resolve(std::string host, std::string service,
                                                 address_hints hints = {});

/// The name that goes with an address, and that of the service of its port; in figures where
/// there is none: asyncio's loop.getnameinfo(). With name_flags::numeric_host nobody is asked.
/// Failure and cancellation: as resolve().
[[nodiscard]] coro<host_name> reverse_resolve(address of,
                                              name_flags how = name_flags::none);

}  // namespace sheaf
