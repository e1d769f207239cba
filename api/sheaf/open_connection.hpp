#pragma once

#include <sheaf/connect_error.hpp>
#include <sheaf/coro.hpp>
#include <sheaf/port_number.hpp>
#include <sheaf/runtime/address.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/stream.hpp>
#ifndef SHEAF_NO_TLS
#include <sheaf/tls_context.hpp>
#endif

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf {

using runtime::address;

/// How a connection is made, and its buffers.
class connection_options {
 public:
  /// How much readline() and readuntil() may look through, and half of what is read ahead.
  /// 64 KiB if nothing is said; throws std::invalid_argument for 0.
  connection_options& limit(std::size_t bytes) &;
  connection_options&& limit(std::size_t bytes) && { return std::move(limit(bytes)); }

  /// How long an address is given before the next one is tried beside it: 250 ms, as RFC
  /// 8305 has it, if nothing is said. (asyncio waits for each try to fail by default.)
  template <class Rep, class Period>
  connection_options& happy_eyeballs_delay(std::chrono::duration<Rep, Period> d) & {
    delay_ns_ = detail::to_delay(d);
    return *this;
  }
  template <class Rep, class Period>
  connection_options&& happy_eyeballs_delay(std::chrono::duration<Rep, Period> d) && {
    return std::move(happy_eyeballs_delay(d));
  }
  /// Off: addresses are tried in the order given; else IPv6 and IPv4 take turns, beginning
  /// with the family of the first.
  connection_options& interleave(bool on) & {
    interleave_ = on;
    return *this;
  }
  connection_options&& interleave(bool on) && { return std::move(interleave(on)); }
  /// Where to connect from; port 0 picks one. Addresses of the other family are left out.
  connection_options& local_address(const address& from) & {
    local_ = from;
    return *this;
  }
  connection_options&& local_address(const address& from) && {
    return std::move(local_address(from));
  }

#ifndef SHEAF_NO_TLS
  /// Over TLS: the stream is given when its handshake has ended. The server's certificate
  /// must be good for the host that was asked for, or for server_hostname() of `options`,
  /// which a list of addresses and a path need.
  connection_options& tls(const tls_context& context, tls_options options = {}) & {
    tls_ = tls_wish{context, std::move(options)};
    return *this;
  }
  connection_options&& tls(const tls_context& context, tls_options options = {}) && {
    return std::move(tls(context, std::move(options)));
  }
  const std::optional<tls_wish>& tls() const noexcept { return tls_; }
#endif

  std::size_t limit() const noexcept { return limit_; }
  std::int64_t delay_ns() const noexcept { return delay_ns_; }
  bool interleave() const noexcept { return interleave_; }
  const std::optional<address>& local_address() const noexcept { return local_; }

 private:
  std::size_t limit_ = detail::stream_core::default_limit;
  std::int64_t delay_ns_ = 250'000'000;
  bool interleave_ = true;
  std::optional<address> local_;
#ifndef SHEAF_NO_TLS
  std::optional<tls_wish> tls_;
#endif
};

/// Connects to the first of the host's addresses that answers ("happy eyeballs", RFC 8305):
/// the next one is tried when the last has failed, or has not answered in time.
///
/// Failure: uv_error: the error of the only address (ECONNREFUSED, ETIMEDOUT, EMFILE), or a
/// connect_error, which names all; EAI_NONAME and its kin if the host is not found.
/// std::out_of_range for what is no port; tls_error from the handshake, over TLS, which no
/// other address is tried after. The sockets of all other tries are closed when this
/// returns. Cancellation: total; they all are.
/// Cost: with one address, no task; with more, a task for each try.
coro<stream> open_connection(std::string host, port_number port,
                             connection_options options = {});
/// The same with addresses that are known; throws std::invalid_argument if there is none.
coro<stream> open_connection(std::vector<address> to, connection_options options = {});
coro<stream> open_connection(address to, connection_options options = {});

/// Connects to a socket of this machine that goes by a path. Throws uv_error: ENOENT,
/// ECONNREFUSED if nobody listens, EINVAL for a path with a NUL in it, ENAMETOOLONG.
/// Cancellation: total.
coro<stream> open_unix_connection(std::string path, connection_options options = {});

}  // namespace sheaf
