#pragma once

#include <sheaf/detail/observer.hpp>
#include <sheaf/detail/stream_core.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace sheaf::detail {

class server_core;

/// One connection of a server, until its handler has ended and its stream is closed.
///
/// Counted: the handler's task holds it, by being watched, and the stream, by its callback.
/// In turn it holds its server, whose handler the task's coroutine may refer to.
class server_connection final : public observer, public runtime::pooled {
 public:
  server_connection(server_core& s, stream_core& stream, std::uint64_t number,
                    std::optional<runtime::address> peer);

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  /// What the stream holds: tells when it is closed, or is gone without.
  class stream_end {
   public:
    explicit stream_end(server_connection& c) noexcept : connection_(&c) { c.retain(); }
    stream_end(stream_end&& other) noexcept
        : connection_(std::exchange(other.connection_, nullptr)) {}
    ~stream_end() {
      if (connection_) connection_->stream_ended();
    }
    void operator()() const noexcept {}

   private:
    server_connection* connection_;
  };

  void watch(task_ref handler) noexcept;
  /// It could not be begun.
  void handler_failed(std::exception_ptr e) noexcept;

  /// "connection 3 from 127.0.0.1:4711", "connection 3 on '/run/app.sock'"
  std::string name() const;
  /// Empty if it has none: that of a local socket.
  std::string peer() const;
  std::uint64_t number() const noexcept { return number_; }

  /// Null before it has begun and once it has ended.
  task_state* handler() const noexcept { return handler_.get(); }
  stream_core* stream() const noexcept { return stream_; }
  bool over() const noexcept { return handler_over_ && !stream_; }
  /// What the handler threw; null if nothing.
  const std::exception_ptr& error() const noexcept { return error_; }

  /// Bytes that were written and that the system has not taken.
  std::size_t unsent() const noexcept;
  void cancel(const cancel_ref& cause) noexcept {
    if (handler_) handler_->cancel(cause);
  }
  void close() noexcept {
    if (!stream_) return;
    stream_->note_taken_away();
    stream_->close();
  }
  void abort() noexcept {
    if (!stream_) return;
    stream_->note_taken_away();
    stream_->abort();
  }

  void settled(watcher&) noexcept override;
  std::string task_name() const override { return name(); }
  void run() noexcept override;
  void drop() noexcept override;

 private:
  friend class server_core;
  ~server_connection();
  void stream_ended() noexcept;
  void handler_ended() noexcept;
  void report(exception_context what) const noexcept;

  std::uint32_t references_ = 1;
  bool handler_over_ = false;
  server_connection* prev_ = nullptr;
  server_connection* next_ = nullptr;
  const runtime::intrusive_ptr<server_core> server_;
  stream_core* stream_;
  task_ref handler_;
  watcher registration_;
  std::exception_ptr error_;
  const std::uint64_t number_;
  const std::optional<runtime::address> peer_;
};

using connection_ref = runtime::intrusive_ptr<server_connection>;

}  // namespace sheaf::detail
