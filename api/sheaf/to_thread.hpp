#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/future.hpp>
#include <sheaf/runtime/thread_pool.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace sheaf {

namespace detail {

/// A call under way on a thread: the untyped part. Its future is touched on the loop's
/// thread alone.
class thread_call : public runtime::pool_job {
 public:
  /// Gives it to the pool, which owns it from then on. Throws, and frees it, if that fails.
  void submit();

  void execute() noexcept final;
  void run() noexcept final;
  void drop() noexcept final;

 protected:
  explicit thread_call(state_ref result) noexcept : result_(std::move(result)) {
    result_->watch(watch_, withdrawn_);
  }
  virtual ~thread_call() = default;
  virtual void call() = 0;  // on the thread
  virtual void deliver(
      future_state&) = 0;  // on the loop, after a call that did not throw

 private:
  /// Set when the future is cancelled: a call that has not begun by then is not made.
  class withdrawal final : public observer {
   public:
    void settled(watcher&) noexcept override { is_ = true; }
    void run() noexcept override {}
    explicit operator bool() const noexcept { return is_; }

   private:
    std::atomic<bool> is_ = false;
  };

  void leave() noexcept;
  void trace_submit() noexcept;
  void trace_ran() noexcept;

  state_ref result_;
  withdrawal withdrawn_;
  watcher watch_;
  std::exception_ptr error_;
  std::uint64_t request_ = 0;  // of the trace
};

template <class R, class F, class... Args>
class thread_call_of final : public thread_call {
 public:
  template <class G, class... As>
  explicit thread_call_of(state_ref result, G&& f, As&&... args)
      : thread_call(std::move(result)),
        what_(std::in_place, std::forward<G>(f), std::forward<As>(args)...) {}

 private:
  using value = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

  // The callable and its arguments die on the thread, as the locals of a call would.
  void call() override {
    auto what = std::move(*what_);
    what_.reset();
    const auto invoke = [](F&& f, Args&&... args) -> R {
      return std::invoke(std::move(f), std::move(args)...);
    };
    if constexpr (std::is_void_v<R>) {
      std::apply(invoke, std::move(what));
      value_.emplace();
    } else {
      value_.emplace(std::apply(invoke, std::move(what)));
    }
  }
  void deliver(future_state& s) override {
    if constexpr (!std::is_void_v<R>) {
      static_cast<promised<R>&>(s).emplace(std::move(*value_));
    }
    s.settle_value();
  }

  std::optional<std::tuple<F, Args...>> what_;
  std::optional<value> value_;
};

}  // namespace detail

/// Calls `fn(args...)` on a thread of the loop's pool and gives its result: asyncio's
/// to_thread.
///
///     std::string text = co_await to_thread(read_file, path);
///
/// Function and arguments are copied or moved in, and destroyed on the thread; pass
/// references with std::ref and keep what they refer to until it has ended. Order: calls
/// begin in the order they were made. Failure: what `fn` throws comes out of the await.
/// Cancelling the future drops the result; a call that has not begun is not made, one under
/// way goes on to its end, and the loop's close waits for it. Cost: a block, and a wake-up of the loop.
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto to_thread(F&& fn, Args&&... args) {
  using R =
      std::remove_cvref_t<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>;
  using job = detail::thread_call_of<R, std::decay_t<F>, std::decay_t<Args>...>;
  auto& l = detail::loop_core::current("to_thread");
  const auto result = detail::state_ref::adopt(new detail::promised<R>(l));
  (new job(result, std::forward<F>(fn), std::forward<Args>(args)...))->submit();
  return future<R>(result);
}

}  // namespace sheaf
