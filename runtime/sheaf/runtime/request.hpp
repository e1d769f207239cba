#pragma once

#include <memory>

namespace sheaf::runtime {

namespace detail {
class request_block;
struct request_deleter {
  void operator()(request_block* b) const noexcept;
};
}  // namespace detail

/// A request that was given to libuv, which answers it once: a file operation, a name to
/// resolve, work for a thread.
///
/// Lifetime: once the destructor has returned the callback is not called; libuv is asked to
/// drop the request, and keeps its memory and buffers until it has let go. detach() lets it
/// go on by itself. A loop that closes first cancels what it can and waits for the rest.
/// Order: callbacks run in libuv's own phases, as those of handles. Failure: what a callback
/// throws goes to the loop's exception handler. Thread: the loop's. Moved from, only to be
/// destroyed or assigned to.
class [[nodiscard("the request is cancelled when this is destroyed")]] request {
 public:
  request(request&&) noexcept = default;
  request& operator=(request&&) noexcept = default;

  /// Whether the answer is still to come.
  bool pending() const noexcept;

  /// Asks libuv to drop it. True if it will: the callback then gets UV_ECANCELED. False once
  /// a thread has begun with it: it runs to its end, and the callback gets its result. What the
  /// kernel does by io_uring can be dropped while it waits, since libuv 1.53; not before.
  bool cancel() noexcept;

  /// Keeps `what`, which its thread needs, until libuv has let go, this object gone or not;
  /// it dies on the loop's thread.
  void keep(std::shared_ptr<const void> what) noexcept;

  /// Lets it go on without this object; the callback is called as before.
  void detach() && noexcept;

  /// For the library: owns `fresh`.
  explicit request(detail::request_block* fresh) noexcept : block_(fresh) {}

 private:
  std::unique_ptr<detail::request_block, detail::request_deleter> block_;
};

}  // namespace sheaf::runtime
