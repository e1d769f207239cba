#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/server_core.hpp>
#include <sheaf/future.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/stream.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sheaf {

/// How a server listens, and the buffers of its connections.
class server_options {
 public:
  /// How many connections the system keeps waiting to be accepted.
  server_options& backlog(int n) & {
    backlog_ = n;
    return *this;
  }
  server_options&& backlog(int n) && { return std::move(backlog(n)); }
  /// Several servers, of other threads or processes, share the port.
  server_options& reuse_port(bool on = true) & {
    reuse_port_ = on;
    return *this;
  }
  server_options&& reuse_port(bool on = true) && { return std::move(reuse_port(on)); }
  /// As connection_options::limit().
  server_options& limit(std::size_t bytes) & {
    connection_.limit(bytes);
    return *this;
  }
  server_options&& limit(std::size_t bytes) && { return std::move(limit(bytes)); }
  /// Off: it listens when start_serving() or serve_forever() is called.
  server_options& start_serving(bool on) & {
    start_ = on;
    return *this;
  }
  server_options&& start_serving(bool on) && { return std::move(start_serving(on)); }

  int backlog() const noexcept { return backlog_; }
  bool reuse_port() const noexcept { return reuse_port_; }
  std::size_t limit() const noexcept { return connection_.limit(); }
  bool start_serving() const noexcept { return start_; }

 private:
  int backlog_ = 100;
  bool reuse_port_ = false;
  bool start_ = true;
  connection_options connection_;
};

/// What start_server() gives: asyncio's Server.
///
/// Ownership: moved, never copied; destroying it closes it. Connections live on by
/// themselves, each with the task of its handler.
class [[nodiscard("the server closes when this is destroyed")]] server {
 public:
  explicit server(detail::server_ref core) noexcept : core_(std::move(core)) {}
  server(server&&) noexcept = default;
  server& operator=(server&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~server() {
    if (core_) core_->close();
  }

  /// Idempotent.
  void start_serving() { core_->listen(); }
  /// Serves until it is cancelled, then closes and lets the cancellation through. Throws
  /// invalid_state after close().
  coro<> serve_forever();
  bool is_serving() const noexcept { return core_->serving(); }

  /// Takes no more connections; those there are live on. Idempotent.
  void close() noexcept { core_->close(); }
  /// Done when it is closed and its last connection has ended.
  future<> wait_closed() { return core_->closed(); }
  /// Closes each connection, after what was written has gone; or at once.
  void close_clients() noexcept { core_->each(&detail::stream_core::close); }
  void abort_clients() noexcept { core_->each(&detail::stream_core::abort); }

  /// The addresses it listens on; none after close().
  std::vector<std::string> sockets() const { return core_->sockets(); }
  /// The port it listens on; throws invalid_state for a path, or after close().
  std::uint16_t port() const { return core_->port(); }
  std::size_t connections() const noexcept { return core_->connections(); }

 private:
  detail::server_ref core_;
};

/// Listens, and calls `handler(stream)`, which gives a coro<>, for each connection, as a task
/// of its own.
///
/// An empty host is every address of this machine; port 0 picks a free one. What a handler
/// throws is reported as any task's, and closes its connection. When the system has no
/// descriptors left it is reported, and the server goes on. Throws uv_error if an address
/// cannot be had.
coro<server> start_server(detail::connection_handler handler, std::string host,
                          std::uint16_t port, server_options options = {});

/// The same at a path. A socket that nobody listens on any more is replaced; any other file
/// is a uv_error (EADDRINUSE). The socket goes with the server.
coro<server> start_unix_server(detail::connection_handler handler, std::string path,
                               server_options options = {});

}  // namespace sheaf
