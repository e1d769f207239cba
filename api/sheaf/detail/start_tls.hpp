#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/connection_handler.hpp>
#include <sheaf/detail/stream_core.hpp>
#include <sheaf/stream.hpp>
#include <sheaf/tls_context.hpp>

#include <string>

namespace sheaf::detail {

/// stream::start_tls(): a filter, and its handshake. Left early it closes the stream.
coro<> start_tls(stream_ref core, tls_context context, tls_options options);

/// For open_connection(): what `plain` connects, over TLS; `host` is whom it has asked for.
coro<stream> secured(coro<stream> plain, tls_wish wish, std::string host);

/// For start_server(): a handler whose streams have had their handshake. One that fails is
/// reported, and `handler` hears nothing of it.
connection_handler over_tls(connection_handler handler, tls_wish wish);

}  // namespace sheaf::detail
