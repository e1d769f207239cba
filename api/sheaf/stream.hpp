#pragma once

#include <sheaf/detail/stream_reads.hpp>
#include <sheaf/future.hpp>
#include <sheaf/stream_errors.hpp>
#ifndef SHEAF_NO_TLS
#include <sheaf/coro.hpp>
#include <sheaf/tls_context.hpp>
#endif

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf {

/// A connection: asyncio's StreamReader and StreamWriter in one.
///
///     stream s = co_await open_connection("127.0.0.1", 7);
///     co_await s.write("hello\n");
///     std::string line = co_await s.readline();
///
/// Ownership: moved, never copied; destroying it closes, after what was written has gone.
/// Order: bytes go out in the order of the writes. One task reads at a time, any number
/// write. Failure: a lost connection is a uv_error from every later call. Cancellation is
/// total: a cancelled read consumes nothing, and what a cancelled write had queued is sent.
/// Thread: its loop's. Cost: what comes is read into a buffer that all streams of the thread
/// share, or into yours (read_some); a write of what the system takes at once does not
/// suspend and allocates nothing.
class [[nodiscard]] stream {
 public:
  /// Connected to nothing: only to be assigned to.
  stream() = default;
  explicit stream(detail::stream_ref core) noexcept : core_(std::move(core)) {}
  stream(stream&&) noexcept = default;
  stream& operator=(stream&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~stream() {
    if (core_) core_->close();
  }

  /// Up to `n` bytes, as soon as there is one; empty at the end.
  [[nodiscard]] detail::read_up_to read(std::size_t n) { return {core(), n}; }
  /// All until the end.
  [[nodiscard]] detail::read_to_end read() { return detail::read_to_end(core()); }
  /// Exactly `n` bytes; throws incomplete_read, with what came, if it ends before.
  [[nodiscard]] detail::read_exactly readexactly(std::size_t n) { return {core(), n}; }
  /// A line with its "\n"; without it the rest before the end; then an empty string. Throws
  /// limit_overrun for a line longer than the limit, which is dropped as far as it has come.
  [[nodiscard]] detail::read_line readline() { return detail::read_line(core()); }
  /// Up to and with the first separator, or the one of several that ends first. Throws
  /// incomplete_read if it ends before, limit_overrun, and leaves the bytes, if it does not
  /// come within the limit, std::invalid_argument for an empty separator.
  [[nodiscard]] detail::read_until readuntil(std::string_view separator = "\n") {
    return {core(), separator};
  }
  [[nodiscard]] detail::read_until readuntil(std::vector<std::string> separators) {
    return {core(), std::move(separators)};
  }
  /// Reads into `room`, which must outlive the await, and gives how much: 0 at the end.
  [[nodiscard]] detail::read_into read_some(std::span<char> room) {
    return {core(), room};
  }
  /// The end has come, and all before it was read.
  bool at_eof() const noexcept { return !core_ || core_->at_eof(); }

  /// Sends `bytes`. The co_await waits while the peer takes too little: above the high water
  /// mark, until the low one. What it is given by reference may go when the call returns.
  /// Throws uv_error for a lost connection, invalid_state after close() or write_eof().
  [[nodiscard]] detail::drain_wait write(std::string_view bytes) {
    core().write(bytes);
    return drain();
  }
  [[nodiscard]] detail::drain_wait write(const char* text) {
    return write(std::string_view(text));
  }
  [[nodiscard]] detail::drain_wait write(std::string&& bytes) {
    core().write(std::move(bytes));
    return drain();
  }
  /// asyncio's pair, for what is ported: writes without waiting, and waits.
  void write_nowait(std::string_view bytes) { core().write(bytes); }
  [[nodiscard]] detail::drain_wait drain() { return detail::drain_wait(core()); }
  /// When writers wait: from above `high` queued bytes until there are `low` or fewer.
  void set_write_buffer_limits(std::size_t high, std::size_t low) {
    core().set_write_buffer_limits(high, low);
  }

#ifndef SHEAF_NO_TLS
  /// Goes over to TLS, and ends when the handshake has: asyncio's start_tls(). A client says
  /// whose certificate it expects: tls_options().server_hostname(name).
  ///
  /// What was read ahead is the handshake's, so that nothing sent in the clear is taken for
  /// what came over TLS; what is written meanwhile goes out after it. Throws tls_error,
  /// invalid_state if it is over TLS already or another task reads. Cancellation is terminal:
  /// a stream whose handshake did not end is closed, as it is by an error.
  [[nodiscard]] coro<> start_tls(tls_context context, tls_options options = {});
#endif

  /// Ends the sending side after what is queued; reading goes on. Idempotent.
  void write_eof() { core().write_eof(); }
  /// Closes, after what was written has gone. Idempotent.
  void close() {
    if (core_) core_->close();
  }
  /// Closes at once, and drops what has not been sent.
  void abort() {
    if (core_) core_->abort();
  }
  bool is_closing() const noexcept { return !core_ || core_->is_closing(); }
  /// Done when it is closed; fails with the error that lost the connection.
  future<> wait_closed() { return core().closed(); }

  /// asyncio's "peername", "sockname" and "socket" (the descriptor); nothing for what there
  /// is not. Over TLS also "tls_version", "cipher", "alpn", "peercert" (PEM),
  /// "peercert_subject", "server_hostname" (that a client asked for) and "ssl_object" (the
  /// address of OpenSSL's SSL).
  std::optional<std::string> get_extra_info(std::string_view what) const;

  /// For the library.
  detail::stream_core& core() const;

 private:
  detail::stream_ref core_;
};

}  // namespace sheaf
