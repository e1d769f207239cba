#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <system_error>

namespace sheaf::runtime {

class loop;

/// What a descriptor can be ready for; a set, as libuv's UV_READABLE and its kin.
enum class poll_events : unsigned {
  none = 0,
  readable = 1,
  writable = 2,
  disconnect = 4,   ///< the other end has shut down its writing
  prioritized = 8,  ///< out-of-band data
};

constexpr poll_events operator|(poll_events a, poll_events b) noexcept {
  return poll_events{static_cast<unsigned>(a) | static_cast<unsigned>(b)};
}
constexpr poll_events operator&(poll_events a, poll_events b) noexcept {
  return poll_events{static_cast<unsigned>(a) & static_cast<unsigned>(b)};
}
/// Whether `all` holds one of `some`.
constexpr bool has(poll_events all, poll_events some) noexcept {
  return (all & some) != poll_events::none;
}

/// A uv_poll_t: tells when a descriptor can be read or written, again in each turn while it
/// can. For descriptors of foreign libraries; loop::add_reader() is the plainer form.
///
/// Borrows the descriptor, which becomes non-blocking: stop or destroy it before you close
/// that. There is one for each descriptor at most, and none beside a stream of libuv.
class poll : public handle {
 public:
  using callback = unique_function<void(poll_events, std::error_code)>;

  /// Throws uv_error for what cannot be polled: EBADF, EPERM for a file, EEXIST if it is
  /// polled already; invalid_state if the loop is closed.
  poll(loop& owner, int descriptor, callback on_ready);

  /// Waits for any of `events`, in place of those before. On an error, such as the other end
  /// of a pipe closing, the callback gets its code and no events, and the poll has stopped.
  void start(poll_events events);

  /// Idempotent. The callback is not called after this returns.
  void stop() noexcept;
};

}  // namespace sheaf::runtime
