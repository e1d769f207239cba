#pragma once

#include <memory>

namespace sheaf::runtime {

namespace detail {
class handle_block;
struct block_deleter {
  void operator()(handle_block* b) const noexcept;
};
}  // namespace detail

/// What all wrappers of libuv's handles have in common: they own a handle and its callback.
///
/// Lifetime: may be destroyed at any moment, also in its own callback, in another's, and
/// after its loop. Once the destructor has returned the callback is not called again, and
/// what it holds is destroyed, if it runs just then when it has returned; libuv keeps the
/// memory of the handle until a later turn of the loop. A loop that closes first takes its
/// handles with it: their callbacks are destroyed, and what would start one again throws
/// invalid_state.
///
/// Order: callbacks run in libuv's own phases, not in the loop's queue: whoever needs the
/// loop's order uses call_soon() in them. Failure: what a callback throws goes to the loop's
/// exception handler. Thread: the loop's. Moved from, only to be destroyed or assigned to.
class handle {
 public:
  handle(handle&&) noexcept = default;
  handle& operator=(handle&&) noexcept = default;

  /// Whether it waits for something, in libuv's sense; never after the loop has closed.
  bool active() const noexcept;

  /// Whether it keeps its loop running while it is active. It does, until unref().
  bool has_ref() const noexcept;
  void ref() noexcept;
  void unref() noexcept;

 protected:
  /// Owns `fresh`.
  explicit handle(detail::handle_block* fresh) noexcept : block_(fresh) {}
  ~handle() = default;

  detail::handle_block& block() const noexcept { return *block_; }

  /// Takes `fresh` in place of the block that it has, which is disposed of.
  void replace(detail::handle_block* fresh) noexcept { block_.reset(fresh); }

 private:
  friend class detail::handle_block;
  std::unique_ptr<detail::handle_block, detail::block_deleter> block_;
};

}  // namespace sheaf::runtime
