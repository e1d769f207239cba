#pragma once

#include "certificates.hpp"
#include "stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/coro.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/stream.hpp>
#include <sheaf/tls_context.hpp>

#include <string>
#include <system_error>
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

/// Two streams that are connected to each other.
struct both_ends {
  sheaf::stream client;
  sheaf::stream server;
};
inline both_ends plain_pair(std::size_t limit = 65'536) {
  stream_pair p = connected_streams(limit);
  return {std::move(p.near), std::move(p.far)};
}

/// The same, over TLS.
inline sheaf::coro<both_ends> tls_pair(sheaf::tls_context client,
                                       sheaf::tls_context server,
                                       sheaf::tls_options options = to_localhost()) {
  both_ends p = plain_pair();
  co_await sheaf::gather(p.client.start_tls(client, options),
                         p.server.start_tls(server, options));
  co_return p;
}

/// How both sides of a handshake ended: "ok", or what they threw.
struct handshake_ends {
  std::string client;
  std::string server;
  std::error_code client_code;
  std::error_code server_code;
};

inline std::string end_of(const sheaf::outcome<>& o, std::error_code& code) {
  if (o.has_value()) return "ok";
  try {
    std::rethrow_exception(o.error());
  } catch (const std::system_error& e) {
    code = e.code();
    return e.what();
  } catch (const std::exception& e) {
    return e.what();
  }
}

/// Both sides over a pair of sockets; the client reads a byte, so that it hears of a server
/// that is not content.
inline sheaf::coro<> client_side(sheaf::stream& s, sheaf::tls_context c,
                                 sheaf::tls_options o) {
  co_await s.start_tls(c, o);
  co_await s.readexactly(1);
}
inline sheaf::coro<> server_side(sheaf::stream& s, sheaf::tls_context c) {
  co_await s.start_tls(c);
  co_await s.write("x");
}
inline sheaf::coro<handshake_ends> handshake(
    sheaf::tls_context client, sheaf::tls_context server,
    sheaf::tls_options options = to_localhost()) {
  both_ends p = plain_pair();
  const auto [c, s] = co_await sheaf::gather(sheaf::return_exceptions,
                                             client_side(p.client, client, options),
                                             server_side(p.server, server));
  handshake_ends ends;
  ends.client = end_of(c, ends.client_code);
  ends.server = end_of(s, ends.server_code);
  co_return ends;
}

}  // namespace test
