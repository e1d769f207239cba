#pragma once

#include <sheaf/detail/stream_reads.hpp>
#include <sheaf/stream_errors.hpp>
#ifndef SHEAF_NO_TLS
#include <sheaf/coro.hpp>
#include <sheaf/tls_context.hpp>
#endif

#include <cstddef>
#include <iterator>
#include <optional>
#include <ranges>
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
/// Ownership: moved, never copied; destroying it closes, after what was written has gone. A
/// task that waits at it keeps what it needs: the stream may be moved, closed or destroyed
/// meanwhile, and a read then gives the end.
/// Order: bytes go out in the order of the writes. One task reads at a time, any number
/// write: a read while another one waits throws invalid_state.
/// Failure: a lost connection is a uv_error from every later call; what had come before can
/// be read first. Cancellation is total: a cancelled read consumes nothing, and a write has
/// taken its bytes before it waits.
/// Thread: its loop's. Cost: what comes is read into a buffer that all streams of the thread
/// share, or into yours (read_some), as soon as the first read is awaited; no more than twice
/// the limit is read ahead. A write of what the system takes at once does not suspend and
/// allocates nothing; what it does not take is copied.
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

  // ---- reading: cancellation is total, nothing was consumed ----

  /// Up to `n` bytes, as soon as there is one; empty at the end. As asyncio has it -1 is all
  /// until the end.
  [[nodiscard]] detail::read_up_to read(std::size_t n) { return {core(), n}; }
  /// All until the end. If the connection is lost before that, what came stays to be read by
  /// read(n).
  [[nodiscard]] detail::read_up_to read() {
    return {core(), detail::read_up_to::everything};
  }
  /// Exactly `n` bytes, whatever the limit is; throws incomplete_read, with what came, if it
  /// ends before, and std::invalid_argument for a negative number.
  [[nodiscard]] detail::read_exactly readexactly(std::size_t n) { return {core(), n}; }
  /// A line with its "\n"; without it the rest before the end; then an empty string. Throws
  /// limit_overrun for a line longer than the limit, which is dropped as far as it has come.
  [[nodiscard]] detail::read_line readline() { return detail::read_line(core()); }
  /// The same, and nothing at the end: asyncio's `async for line in reader`.
  ///
  ///     while (auto line = co_await s.next_line()) use(*line);
  [[nodiscard]] detail::read_next_line next_line() {
    return detail::read_next_line(core());
  }
  /// Up to and with the first separator, or the one of several that ends first. Throws
  /// incomplete_read if it ends before, limit_overrun, and leaves the bytes, if it does not
  /// come within the limit, std::invalid_argument for an empty separator.
  [[nodiscard]] detail::read_until readuntil(std::string_view separator = "\n") {
    return {core(), detail::separators(separator)};
  }
  [[nodiscard]] detail::read_until readuntil(std::vector<std::string> several) {
    return {core(), detail::separators(std::move(several))};
  }
  /// Reads into `room`, which must outlive the await, and gives how much: 0 at the end. Bytes
  /// that come while it waits are not copied.
  [[nodiscard]] detail::read_into read_some(std::span<char> room) {
    return {core(), room};
  }
  /// The end has come, here or by close(), and all before it was read.
  bool at_eof() const noexcept { return !core_ || core_->at_eof(); }

  // ---- writing: cancellation is total, the bytes were taken and are sent ----

  /// Sends `bytes`, which may go when the call returns: what the system does not take at once
  /// is copied. The co_await waits while the peer takes too little: above the high water
  /// mark, until the low one; cancelling it ends only this wait. Throws uv_error for a lost
  /// connection, ECONNABORTED for one that its server closed (close_clients(), shutdown());
  /// invalid_state after close() or write_eof() of one's own.
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
  /// Several pieces as one write.
  template <std::ranges::input_range Pieces>
    requires std::convertible_to<std::ranges::range_reference_t<Pieces>, std::string_view>
  [[nodiscard]] detail::drain_wait writelines(Pieces&& pieces) {
    std::string all;
    for (std::string_view piece : pieces) all += piece;
    return write(std::move(all));
  }
  /// asyncio's pair, for what is ported: writes without waiting, and waits. Whoever never
  /// waits fills the memory when the peer is slow.
  void write_nowait(std::string_view bytes) { core().write(bytes); }
  [[nodiscard]] detail::drain_wait drain() { return detail::drain_wait(core()); }

  /// When writers wait: from above `high` queued bytes until there are `low` or fewer. 64 KiB
  /// and 16 KiB if nothing is said; throws std::invalid_argument if low is above high.
  void set_write_buffer_limits(std::size_t high, std::size_t low) {
    core().set_write_buffer_limits(high, low);
  }
  std::size_t high_water() const { return core().high_water(); }
  std::size_t low_water() const { return core().low_water(); }
  /// Bytes that were written and that the system has not taken.
  std::size_t write_buffer_size() const { return core().queued(); }

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

  // ---- ending ----

  /// Ends the sending side after what is queued; reading goes on. Idempotent; nothing after
  /// close(). A pipe, which has no other side, is closed.
  void write_eof() { core().write_eof(); }
  /// Closes, after what was written has gone; a reader finds the end. Idempotent.
  void close() noexcept {
    if (!core_) return;
    core_->note_owner_closes();
    core_->close();
  }
  /// Closes at once, and drops what has not been sent: who waits in write() for that gets
  /// uv_error (ECONNABORTED).
  void abort() noexcept {
    if (!core_) return;
    core_->note_owner_closes();
    core_->abort();
  }
  /// close() or abort() was called, or the connection is lost.
  bool is_closing() const noexcept { return !core_ || core_->is_closing(); }
  /// Done when it is closed; throws the error that lost the connection. Cancellation is
  /// total: the closing goes on.
  [[nodiscard]] detail::closed_wait wait_closed() { return detail::closed_wait(core()); }

  /// asyncio's "peername", "sockname" and "socket" (the descriptor); nothing for what there
  /// is not. Over TLS also "tls_version", "cipher", "alpn", "peercert" (PEM),
  /// "peercert_subject", "server_hostname" (that a client asked for) and "ssl_object" (the
  /// address of OpenSSL's SSL).
  std::optional<std::string> get_extra_info(std::string_view what) const;

  /// For the library.
  detail::stream_core& core() const {
    if (!core_) [[unlikely]]
      refuse();
    return *core_;
  }

 private:
  [[noreturn]] static void refuse();

  detail::stream_ref core_;
};

}  // namespace sheaf
