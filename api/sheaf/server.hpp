#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/server_core.hpp>
#include <sheaf/detail/time_limit.hpp>
#include <sheaf/future.hpp>
#include <sheaf/port_number.hpp>
#include <sheaf/server_options.hpp>
#include <sheaf/shutdown_report.hpp>
#include <sheaf/stream.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

namespace sheaf {

/// What start_server() gives: asyncio's Server.
///
///     server s = co_await start_server(echo, "127.0.0.1", 4711);
///     co_await s.serve_forever();
///
/// Ownership: moved, never copied. Its handlers are tasks of the loop. Destroying it closes
/// it and asks them to stop, but a destructor cannot wait for them: leave by serve_forever(),
/// shutdown() or wait_closed(), which do, before what the handlers refer to goes.
/// Order: connections are accepted in the order in which they came. Thread: its loop's.
class [[nodiscard("the server closes when this is destroyed")]] server {
 public:
  explicit server(detail::server_ref core) noexcept : core_(std::move(core)) {}
  server(server&&) noexcept = default;
  server& operator=(server&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~server() { leave(); }

  /// Idempotent. Throws invalid_state after close(), and uv_error (EADDRINUSE) if another
  /// listens there by now.
  void start_serving() { core_->listen(); }
  /// Serves until it is closed, by another task, and its last connection has ended.
  ///
  /// Cancelled it closes, cancels its handlers, waits until they have ended, a second at
  /// most (see shutdown()), and lets the cancellation through. Throws invalid_state after
  /// close(), and while another task is in it.
  coro<> serve_forever(std::source_location at = std::source_location::current());
  bool is_serving() const noexcept { return core_->serving(); }

  /// Takes no more connections; those there are live on. Who has connected and was not
  /// accepted yet is refused. Idempotent.
  void close() noexcept { core_->close(); }
  /// Done when it is closed, its last handler has ended, and its last connection is closed.
  /// Cancellation: total, and of this call's future alone.
  future<> wait_closed() { return core_->closed(); }
  /// Closes each connection, after what was written has gone; or at once. Their handlers
  /// find an end of the stream, and what they write from then on is a uv_error
  /// (ECONNABORTED).
  void close_clients() noexcept;
  void abort_clients() noexcept;

  /// Closes, when it has taken those who are connected, and lets the handlers finish; what
  /// has not ended after `within`, or at a time of the loop's clock, is ended: the handler is
  /// cancelled (cancelled::why() is cancel_why::shutdown, at() is the place of this call),
  /// and after the options' grace the connection is aborted, so that no read or write of it
  /// works any more, and the handler cancelled a second time. One that swallows that too is
  /// left behind, as a task of the loop, and the report says so, and where it is. Takes
  /// `within` and the grace at most.
  ///
  /// A handler that has ended does not mean that all it wrote was sent: its connection
  /// counts until then. Failure: what a handler throws is reported, as ever, and in the
  /// report. Throws invalid_state in a handler of this very server, which it would wait for.
  /// Cancellation: partial; the server is closed, and the handlers are left alone.
  [[nodiscard]] coro<shutdown_report> shutdown(
      detail::time_limit within, shutdown_options options = {},
      std::source_location at = std::source_location::current());
  [[nodiscard]] coro<shutdown_report> shutdown(
      detail::due_time deadline, shutdown_options options = {},
      std::source_location at = std::source_location::current());

  /// The addresses, or paths, it listens on; none after close().
  std::vector<std::string> sockets() const { return core_->sockets(); }
  /// The port it listens on; throws invalid_state for a path, or after close().
  std::uint16_t port() const { return core_->port(); }
  /// For the library.
  detail::server_core& core() const noexcept { return *core_; }

  /// Those whose handler has not ended, or that are not closed yet.
  std::size_t connections() const noexcept { return core_->connections(); }

 private:
  void leave() noexcept;
  detail::server_ref core_;
};

namespace detail {
/// The core of a server with these options that listens nowhere yet.
server_ref make_server(connection_handler handler, const server_options& o,
                       std::source_location at);
}  // namespace detail

/// Listens, and calls `handler(stream)`, which gives a coro<>, or nothing, for each
/// connection, in a task of its own: "connection 3 from 127.0.0.1:4711" in dumps and reports.
///
/// An empty host is every address of this machine; port 0 picks a free one, the same for all
/// addresses. What a handler throws is reported, once, and closes its connection; one that
/// is cancelled is silent. When the system has no descriptors left that is reported, nobody
/// is dropped, and the server goes on when there are some again.
///
/// The handler is kept until the last connection has ended; a lambda with captures is named
/// first, or std::bind_front(f, ...) (g++ 12 destroys a temporary one twice).
/// Failure: uv_error if an address cannot be had, with the address in what(): EADDRINUSE,
/// EADDRNOTAVAIL, EACCES; EAI_NONAME for a host that is not found; std::out_of_range for
/// what is no port. Cancellation: total.
coro<server> start_server(detail::connection_handler handler, std::string host,
                          port_number port, server_options options = {},
                          std::source_location at = std::source_location::current());
/// On the addresses of several hosts.
coro<server> start_server(detail::connection_handler handler,
                          std::vector<std::string> hosts, port_number port,
                          server_options options = {},
                          std::source_location at = std::source_location::current());

/// The same at a path. A socket that nobody listens on any more is replaced; one that is in
/// use, and any other file, is a uv_error (EADDRINUSE). The file goes when the server closes,
/// if it still is its own.
coro<server> start_unix_server(detail::connection_handler handler, std::string path,
                               server_options options = {},
                               std::source_location at = std::source_location::current());

}  // namespace sheaf
