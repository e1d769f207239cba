#pragma once

#include <sheaf/detail/connection_handler.hpp>
#include <sheaf/detail/deadline.hpp>
#include <sheaf/detail/late_supply.hpp>
#include <sheaf/detail/server_connection.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/listener.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <source_location>
#include <string>
#include <vector>

namespace sheaf::detail {

/// A server: its listeners, its handler, and its connections.
///
/// Counted: the server object holds it, and each of its connections.
class server_core {
 public:
  server_core(loop_core& l, connection_handler handler, int backlog, std::size_t limit,
              std::source_location made_at);
  server_core(const server_core&) = delete;
  server_core& operator=(const server_core&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  loop_core& loop() const noexcept { return *loop_; }
  void add(runtime::listener l);

  using accepted = runtime::listener::connection;
  using router = runtime::unique_function<bool(const accepted&)>;
  /// `to(connection)` is asked about each first, and says whether it took it.
  void route(router to) { route_ = std::move(to); }
  /// Serves a TCP connection that was accepted elsewhere, and owns it; once closed it closes
  /// it.
  void take(const accepted& made) noexcept;

  /// Listens on all that were added. Idempotent; throws invalid_state after close().
  void listen();
  /// Takes no more connections. Idempotent.
  void close() noexcept;
  /// Takes those that wait, so that close() refuses nobody who is connected.
  void accept_waiting() noexcept;
  bool serving() const noexcept { return serving_; }
  bool is_closed() const noexcept { return is_closed_; }
  /// Closed, and its last connection has ended.
  bool over() const noexcept { return is_closed_ && connections_ == 0; }
  /// Done then. Each call has its own, so that cancelling one is nobody else's business.
  future<> closed();

  std::vector<std::string> sockets() const;
  std::uint16_t port() const;
  /// Of a local socket, also after close().
  const std::string& path() const noexcept { return path_; }

  std::size_t connections() const noexcept { return connections_; }
  /// Those there are now, the oldest first.
  std::vector<connection_ref> all() const;

  /// A server serves for ever once at a time.
  bool enter_forever() noexcept { return !std::exchange(forever_, true); }
  void leave_forever() noexcept { forever_ = false; }

  void ended(server_connection& c) noexcept;
  void on_time() noexcept;
  void on_dropped() noexcept { release(); }

 private:
  ~server_core() = default;
  void accept_from(runtime::listener& l, int most) noexcept;
  void connect(bool local, const accepted& made);
  stream_ref open(bool local, int descriptor);
  void begin(server_connection& c, stream s);
  void link(server_connection& c) noexcept;
  void out_of_descriptors(std::error_code error) noexcept;
  void stop_waiting() noexcept;
  void accept_again() noexcept;
  void settle_closed() noexcept;

  std::uint32_t references_ = 1;
  bool serving_ = false;
  bool is_closed_ = false;
  bool forever_ = false;
  runtime::intrusive_ptr<loop_core> loop_;
  connection_handler handler_;
  router route_;          // empty for none
  kept_context context_;  // but no deadline: connections are no part of the call
  const int backlog_;
  const std::size_t limit_;
  const std::source_location made_at_;
  std::list<runtime::listener> listeners_;
  std::string path_;
  server_connection* first_ = nullptr;
  server_connection* last_ = nullptr;
  std::size_t connections_ = 0;
  std::uint64_t last_number_ = 0;
  std::vector<promise<>> closed_;
  deadline<server_core> pause_{*this};  // holds this while it runs
  std::uint64_t reported_ = 0;          // when it last was out of descriptors
};

using server_ref = runtime::intrusive_ptr<server_core>;

}  // namespace sheaf::detail
