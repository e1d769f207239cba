#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/runtime/frame_pool.hpp>

#include <cstdint>
#include <utility>

namespace sheaf::detail {

/// A done callback: the untyped part. Owns itself from its registration until it has run,
/// was removed, or its future died.
class done_callback : public observer, public runtime::pooled {
 public:
  /// Registers, or queues at once if the future is done already (FUT-8). Gives the id.
  std::uint64_t attach(future_state& s) noexcept;

  void settled(watcher&) noexcept final;
  void forsaken(watcher&) noexcept final { delete this; }
  std::uint64_t callback_id() const noexcept final { return id_; }
  void run() noexcept final;
  void drop() noexcept final { delete this; }

  static std::size_t remove(future_state& s, std::uint64_t id) noexcept;

  virtual ~done_callback() = default;

 protected:
  done_callback() = default;
  virtual void invoke(const state_ref& s) = 0;

 private:
  watcher registration_;
  future_state* state_ = nullptr;
  state_ref keep_;  // from settling to running
  std::uint64_t id_ = 0;
};

template <class Future, class F>
class done_callback_of final : public done_callback {
 public:
  template <class G>
  explicit done_callback_of(G&& f) : f_(std::forward<G>(f)) {}

 private:
  void invoke(const state_ref& s) override { static_cast<void>(f_(Future(s))); }
  F f_;
};

}  // namespace sheaf::detail
