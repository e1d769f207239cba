#pragma once

#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf::runtime {

namespace detail {

/// A callback on its way through the ready queue or the wheel: the untyped part.
///
/// Two hold it: the loop, until it ran or was dropped, and the handles given out. The
/// callable dies at cancel() or when it has run, not with the block.
///
/// What it has come to and who holds it are one word. Of a call made for another thread it
/// changes atomically, and where the loop is its only holder, since the handle was dropped,
/// not even that: nobody is left who could cancel it.
class call_node : public timer_node {
 public:
  void retain() noexcept {
    if (!threadsafe_) return word_.store(now() + one_holder, std::memory_order_relaxed);
    word_.fetch_add(one_holder, std::memory_order_relaxed);
  }
  void release() noexcept {
    if (!threadsafe_) {
      const auto word = now();
      if (word / one_holder == 1) return destroy();
      word_.store(word - one_holder, std::memory_order_relaxed);
    } else if (word_.fetch_sub(one_holder, std::memory_order_acq_rel) / one_holder == 1) {
      destroy();
    }
  }

  bool cancelled() const noexcept {
    return word_.load(std::memory_order_acquire) % one_holder == is_cancelled;
  }
  void cancel() noexcept;
  void drop() noexcept final;

 protected:
  explicit call_node(bool threadsafe) noexcept : threadsafe_(threadsafe) {}
  ~call_node() = default;

  virtual void discard() noexcept = 0;  // destroys the callable
  virtual void destroy() noexcept = 0;  // frees the block
  virtual void disarm() noexcept {}     // of one that has a deadline

  bool made_threadsafe() const noexcept { return threadsafe_; }
  /// Whether the loop is its only holder: what follows need not be atomic. The acquire is for
  /// what the holder of the last handle wrote before it let go.
  bool alone() const noexcept {
    return word_.load(std::memory_order_acquire) / one_holder == 1;
  }
  bool is_waiting() const noexcept { return now() % one_holder == waiting; }
  /// True if it is to be called now; it counts as finished then.
  bool begin() noexcept { return leave_waiting(is_finished); }
  static void fail(std::source_location at) noexcept;

 private:
  // In the low bits what it has come to; above, how many hold it.
  static constexpr std::uint32_t waiting = 0, is_finished = 1, is_cancelled = 2;
  static constexpr std::uint32_t one_holder = 4;

  std::uint32_t now() const noexcept { return word_.load(std::memory_order_relaxed); }
  /// True for the one caller, of any thread, that takes the call out of `waiting`.
  bool leave_waiting(std::uint32_t to) noexcept;

  std::atomic<std::uint32_t> word_{2 * one_holder};  // the loop and the first handle
  const bool threadsafe_;
};

/// Where a callback was registered, for reports; or nothing, for one that does not know.
struct no_place {
  explicit no_place(std::source_location) noexcept {}
  static std::source_location get() noexcept { return {}; }
};
struct known_place {
  explicit known_place(std::source_location at) noexcept : at_(at) {}
  std::source_location get() const noexcept { return at_; }
  std::source_location at_;
};

/// With a callable of 8 bytes, no deadline and no place it takes 32: two to a cache line,
/// which is what passing it to another processor costs.
template <class F, bool Timed, class Place>
class call_of final : public call_node {
 public:
  template <class G>
  call_of(bool threadsafe, std::source_location at, G&& f)
      : call_node(threadsafe), at_(at) {
    ::new (static_cast<void*>(&f_)) F(std::forward<G>(f));
  }
  void arm(scheduler& s, std::uint64_t deadline) noexcept {
    owner_ = &s;
    s.arm(*this, deadline);
  }

  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }
  // One virtual call for all of it: most are never asked for again.
  void run() noexcept override {
    if (alone()) [[likely]] {
      if (is_waiting()) [[likely]]
        call();
      return call_of::destroy();
    }
    if (begin()) call();
    release();
  }

  static_assert(alignof(F) <= alignof(std::max_align_t),
                "a callback must not be over-aligned: keep what is behind a pointer");

 private:
  ~call_of() {}  // the callable is gone: run, cancelled or dropped
  void call() noexcept {
    {
      const trace_callback slice(*scheduler::current(), "callback", at_.get());
      try {
        static_cast<void>(f_());
      } catch (...) {
        fail(at_.get());
      }
    }
    f_.~F();
  }
  void discard() noexcept override { f_.~F(); }
  void destroy() noexcept override {
    const bool from_afar = made_threadsafe();
    this->~call_of();
    from_afar ? frame_pool::deallocate_foreign(this, sizeof(call_of))
              : frame_pool::deallocate(this, sizeof(call_of));
  }

  void disarm() noexcept override {
    if constexpr (Timed) owner_->disarm(*this);
  }

  struct nobody {
    nobody& operator=(scheduler*) noexcept { return *this; }
  };
  // Valid while it is armed, which is when it is used.
  [[no_unique_address]] std::conditional_t<Timed, scheduler*, nobody> owner_;
  [[no_unique_address]] Place at_;
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
