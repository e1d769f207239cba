#pragma once

#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/unique_function.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_async_t: calls its callback on the loop's thread when any thread has sent.
///
/// Sends coalesce: the callback runs at least once after the last one, not once for each. It
/// keeps its loop running for as long as it exists, unless unref().
/// To hand a callable over, and nothing be coalesced, use call_soon_threadsafe().
class async : public handle {
 public:
  /// Throws invalid_state if the loop is closed.
  async(loop& owner, unique_function<void()> on_sent);

  /// May be called from any thread, but not from a signal's handler, for as long as the
  /// object exists: it must not be moved or destroyed meanwhile. False, and nothing happens,
  /// once the loop is closed. Cost: a lock; a system call if none is pending.
  bool send() const noexcept;
};

}  // namespace sheaf::runtime
