#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/stream_core.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/unique_function.hpp>
#include <sheaf/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::detail {

using connection_handler = runtime::unique_function<coro<>(stream)>;

/// A server: its listeners, its handler, and its connections.
///
/// Counted: the server object holds it, and each of its connections.
class server_core {
 public:
  server_core(loop_core& l, connection_handler handler, int backlog, std::size_t limit)
      : loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
        handler_(std::move(handler)),
        backlog_(backlog),
        limit_(limit) {}
  server_core(const server_core&) = delete;
  server_core& operator=(const server_core&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  void add(stream_core::raw_stream listener) {
    listeners_.push_back(std::move(listener));
  }
  /// Listens on all that were added. Idempotent; throws invalid_state after close().
  void listen();
  void close() noexcept;
  future<> closed();
  bool serving() const noexcept { return serving_; }
  bool is_closed() const noexcept { return is_closed_; }

  std::vector<std::string> sockets() const;
  std::uint16_t port() const;
  std::size_t connections() const noexcept { return connections_.size(); }
  void each(void (stream_core::*f)() noexcept) noexcept;

 private:
  ~server_core() = default;
  void listen_on(stream_core::raw_stream& listener);
  void connect(stream_core::raw_stream& listener, std::error_code error);
  void accept(stream_core::raw_stream& listener);
  void ended(std::list<stream_core*>::iterator connection) noexcept;
  void settle_closed() noexcept;

  std::uint32_t references_ = 1;
  bool serving_ = false;
  bool is_closed_ = false;
  runtime::intrusive_ptr<loop_core> loop_;
  connection_handler handler_;
  int backlog_;
  std::size_t limit_;
  std::vector<stream_core::raw_stream> listeners_;
  std::list<stream_core*> connections_;
  std::optional<promise<>> closed_;
};

using server_ref = runtime::intrusive_ptr<server_core>;

}  // namespace sheaf::detail
