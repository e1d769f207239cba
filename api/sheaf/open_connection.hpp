#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/runtime/address.hpp>
#include <sheaf/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace sheaf {

using runtime::address;

/// How a connection is made, and its buffers.
class connection_options {
 public:
  /// How much readline() and readuntil() may look through, and half of what is read ahead.
  /// 64 KiB if nothing is said; throws std::invalid_argument for 0.
  connection_options& limit(std::size_t bytes) &;
  connection_options&& limit(std::size_t bytes) && { return std::move(limit(bytes)); }

  std::size_t limit() const noexcept { return limit_; }

 private:
  std::size_t limit_ = detail::stream_core::default_limit;
};

/// Connects to the first of the host's addresses that answers, in their order.
///
/// Throws uv_error if none does: the error of the only address, or one that names all; EAI_
/// codes if the host is not found. Cancellation is total: the sockets of tries are closed.
coro<stream> open_connection(std::string host, std::uint16_t port,
                             connection_options options = {});
coro<stream> open_connection(address to, connection_options options = {});

/// Connects to a socket of this machine that goes by a path.
coro<stream> open_unix_connection(std::string path, connection_options options = {});

}  // namespace sheaf
