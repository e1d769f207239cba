#pragma once

#include "certificates.hpp"

#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/stream.hpp>
#include <sheaf/tls_context.hpp>

#include <string>
#include <utility>

namespace test {

inline sheaf::tls_context server_context() {
  return sheaf::tls_context::server(local_certificate().file(),
                                    local_certificate().key_file());
}

inline sheaf::tls_context client_context() {
  return sheaf::tls_context::client().load_verify_locations(authority().file());
}

inline sheaf::tls_options to_localhost() {
  return sheaf::tls_options().server_hostname("localhost");
}

/// A stream over a socket of the system's.
inline sheaf::stream stream_over(int socket, std::size_t limit = 65'536) {
  auto& core = sheaf::detail::loop_core::current("test");
  sheaf::runtime::tcp handle(*core.facade());
  handle.open(socket);
  return sheaf::stream(sheaf::detail::stream_ref::adopt(
      new sheaf::detail::stream_core(core, std::move(handle), limit)));
}

/// Two streams that are connected to each other.
struct stream_pair {
  sheaf::stream client;
  sheaf::stream server;
};
inline stream_pair plain_pair(std::size_t limit = 65'536) {
  const auto ends = sheaf::runtime::make_socket_pair();
  return {stream_over(ends.first, limit), stream_over(ends.second, limit)};
}

}  // namespace test
