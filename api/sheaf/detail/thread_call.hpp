#pragma once

#include <sheaf/context_var.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/future.hpp>
#include <sheaf/runtime/thread_pool.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

enum class with_context : bool { no, yes };

/// A call under way on a thread, and the future of its result, in one block: the untyped part.
///
/// The future is touched on the loop's thread alone, but for its value and its error, which the
/// call fills, and which nobody reads before it has settled so: when the job is back. Two hold
/// it: the job until then, and handles.
class thread_call : public future_state, public runtime::pool_job {
 public:
  /// Gives it to the pool; if that fails, throws and lets go.
  void submit(const char* what, runtime::thread_pool& pool, with_context c);

  /// A call that has not begun by then is not made.
  bool cancel(const cancel_ref& cause) noexcept override {
    withdrawn_.store(true, std::memory_order_relaxed);
    return future_state::cancel(cause);
  }

  void execute() noexcept final;
  void run() noexcept final;
  void drop() noexcept final;

 protected:
  explicit thread_call(loop_core& l) noexcept : future_state(l, false, 2) {}
  ~thread_call() override = default;
  virtual void call() = 0;             // on the thread, or instead
  virtual void forget() noexcept = 0;  // what is not called

 private:
  /// What a trace tells of it.
  struct record {
    const char* what;
    std::uint64_t request;
    runtime::pool_job::times ran;
  };
  void trace_submit(const char* what);
  void trace_ran() noexcept;
  void let_go() noexcept;

  enum class ending : std::uint8_t { not_called, value, error };
  std::atomic<bool> withdrawn_ = false;
  ending ended_ = ending::not_called;
  context_ref context_;             // null: none of its own
  std::unique_ptr<record> record_;  // null: not traced
};

template <class R, class F, class... Args>
class thread_call_of final : public holding<R, thread_call> {
 public:
  template <class G, class... As>
  explicit thread_call_of(loop_core& l, G&& f, As&&... args)
      : holding<R, thread_call>(l),
        what_(std::in_place, std::forward<G>(f), std::forward<As>(args)...) {}

 private:
  ~thread_call_of() override = default;

  // The callable and its arguments die on the thread, as the locals of a call would.
  void call() override {
    auto what = std::move(*what_);
    what_.reset();
    const auto invoke = [](F&& f, Args&&... args) -> R {
      return std::invoke(std::move(f), std::move(args)...);
    };
    if constexpr (std::is_void_v<R>) {
      std::apply(invoke, std::move(what));
    } else {
      this->emplace_from([&]() -> R { return std::apply(invoke, std::move(what)); });
    }
  }

  void forget() noexcept override { what_.reset(); }

  std::optional<std::tuple<F, Args...>> what_;
};

template <class F, class... Args>
using called_result =
    std::remove_cvref_t<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>;

/// Calls `fn(args...)` on a thread of `pool`; `name` is the function of the interface.
template <class F, class... Args>
auto call_on(loop_core& l, runtime::thread_pool& pool, const char* name, with_context c,
             F&& fn, Args&&... args) {
  using R = called_result<F, Args...>;
  using job = thread_call_of<R, std::decay_t<F>, std::decay_t<Args>...>;
  auto* const call = new job(l, std::forward<F>(fn), std::forward<Args>(args)...);
  future<R> result(state_ref::adopt(call));
  call->submit(name, pool, c);
  return result;
}

}  // namespace sheaf::detail
