#pragma once

#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace sheaf::runtime {

namespace detail {

/// A callback on its way through the ready queue or the wheel: the untyped part.
///
/// Two hold it: the loop, until it ran or was dropped, and the handles given out. The
/// callable dies at cancel() or when it has run, not with the block. One made for another
/// thread counts its references atomically; the others need not.
class call_node : public timer_node {
 public:
  void retain() noexcept {
    const auto n = references_.load(std::memory_order_relaxed);
    if (!threadsafe_) return references_.store(n + 1, std::memory_order_relaxed);
    references_.fetch_add(1, std::memory_order_relaxed);
  }
  void release() noexcept {
    if (!threadsafe_) {
      const auto n = references_.load(std::memory_order_relaxed);
      references_.store(n - 1, std::memory_order_relaxed);
      if (n == 1) destroy();
    } else if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      destroy();
    }
  }

  bool cancelled() const noexcept { return state_.load() == state::cancelled; }
  void cancel() noexcept;

  void run() noexcept final;
  void drop() noexcept final;

 protected:
  call_node(scheduler& s, bool threadsafe) noexcept
      : owner_(s), threadsafe_(threadsafe) {}
  ~call_node() = default;

  virtual void invoke() = 0;
  virtual void discard() noexcept = 0;  // destroys the callable
  virtual void destroy() noexcept = 0;  // frees the block
  bool made_threadsafe() const noexcept { return threadsafe_; }

 private:
  enum class state : std::uint8_t { waiting, finished, cancelled };
  /// True for the one caller, of any thread, that takes the call out of `waiting`.
  bool leave_waiting(state to) noexcept;

  scheduler& owner_;  // valid while the node is queued or armed, which is when it is used
  std::atomic<std::uint32_t> references_{2};  // the loop's and the first handle's
  std::atomic<state> state_{state::waiting};
  const bool threadsafe_;
};

template <class F>
class call_of final : public call_node {
 public:
  template <class G>
  call_of(scheduler& s, bool threadsafe, G&& f) : call_node(s, threadsafe) {
    ::new (static_cast<void*>(&f_)) F(std::forward<G>(f));
  }

  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }
  static_assert(alignof(F) <= alignof(std::max_align_t),
                "a callback must not be over-aligned: keep what is behind a pointer");

 private:
  ~call_of() {}  // the callable is gone: run, cancelled or dropped
  void invoke() override { static_cast<void>(f_()); }
  void discard() noexcept override { f_.~F(); }
  void destroy() noexcept override {
    const bool from_afar = made_threadsafe();
    this->~call_of();
    from_afar ? frame_pool::deallocate_foreign(this, sizeof(call_of))
              : frame_pool::deallocate(this, sizeof(call_of));
  }

  union {
    F f_;
  };
};

}  // namespace detail

/// What call_soon() and its kin give: asyncio's Handle. A counted reference; dropping it
/// cancels nothing. May be used on the loop's thread only, but for the handle of
/// call_soon_threadsafe(), which any thread may cancel.
class call_handle {
 public:
  call_handle() = default;
  explicit call_handle(intrusive_ptr<detail::call_node> node) noexcept
      : node_(std::move(node)) {}

  /// The callback will not run; what it holds is destroyed now. Harmless when repeated, and
  /// without effect once it has run.
  void cancel() noexcept {
    if (node_) node_->cancel();
  }
  bool cancelled() const noexcept { return node_ && node_->cancelled(); }

 private:
  intrusive_ptr<detail::call_node> node_;
};

/// What call_later() and call_at() give: asyncio's TimerHandle.
class timer_handle : public call_handle {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  timer_handle() = default;
  timer_handle(intrusive_ptr<detail::call_node> node, time_point when) noexcept
      : call_handle(std::move(node)), when_(when) {}

  /// The deadline, of the loop's clock.
  time_point when() const noexcept { return when_; }

 private:
  time_point when_{};
};

}  // namespace sheaf::runtime
