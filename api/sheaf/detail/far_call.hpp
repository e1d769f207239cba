#pragma once

#include <sheaf/detail/flight.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/in_context.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/future.hpp>
#include <sheaf/task.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

class far_result;

/// A coroutine on its way into another loop, and its result on the way back: the untyped part.
///
/// Two threads have a share in it, so it is counted atomically: the one that asked (home), and
/// the one that runs it (far), which also has one for each message under way. Messages go
/// through the loops' inboxes, which outlive the loops: whichever of the two ends first, the
/// other finds that out there, and touches nothing that is gone. Each member belongs to one of
/// the threads at a time; the inboxes order what one leaves to the other.
class far_call : public observer, public runtime::pooled {
 public:
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // ---- on the home thread ----
  /// On the way to `far`; false if that is closed.
  bool send(far_result& home, loop_core& far);
  /// Asks the task to end. Runs nothing; one that has ended does not mind.
  void ask(const cancel_ref& cause) noexcept;
  /// Nobody at home waits any more.
  void forget_home() noexcept { home_ = nullptr; }

  // ---- on the far thread ----
  void run() noexcept final;
  void drop() noexcept final;
  void settled(watcher&) noexcept final { far_->post(*this); }

 protected:
  explicit far_call(loop_core& home);
  virtual ~far_call() = default;

  /// Far: makes the task, keeps its value, and lets go of what was called.
  virtual task_ref make_task(loop_core& l, const task_options& options) = 0;
  virtual void keep_value(task_state& ended) = 0;
  virtual void forget() noexcept = 0;
  /// Home: hands the value over.
  virtual void give_value(far_result& to) = 0;

 private:
  enum class ending : std::uint8_t { none, value, error, cancelled };
  void begin();
  void finish() noexcept;
  void end_with(std::exception_ptr e) noexcept;
  void tell() noexcept;
  void requested() noexcept;
  void answered() noexcept;
  void deliver(far_result& to) noexcept;
  void report_unheard(loop_core& l) noexcept;

  /// Arrives at the loop that it is sent to, closed or not.
  template <void (far_call::*Arrives)() noexcept>
  class message final : public runtime::ready_node {
   public:
    explicit message(far_call& of) noexcept : of_(of) {}
    void run() noexcept override { (of_.*Arrives)(); }
    void drop() noexcept override { (of_.*Arrives)(); }

   private:
    far_call& of_;
  };

  std::atomic<std::uint32_t> references_{1};
  std::atomic<bool> asked_{false};  // the request is in the far inbox
  std::shared_ptr<runtime::inbox> home_mail_;
  std::shared_ptr<runtime::inbox> far_mail_;
  message<&far_call::requested> request_{*this};
  message<&far_call::answered> answer_{*this};
  cancel_ref wish_;  // of the request under way

  // Home's.
  loop_core& home_loop_;
  far_result* home_ = nullptr;

  // The far side's, and home's when the answer has come.
  loop_core* far_ = nullptr;
  context_ref context_;  // the caller's; null if nothing is set there
  task_ref task_;
  watcher entry_;
  cancel_ref before_;  // asked for before it began
  bool over_ = false;
  ending ended_ = ending::none;
  std::exception_ptr error_;
  cancel_ref cause_;
};

using far_call_ref = runtime::intrusive_ptr<far_call>;

/// The future of a coroutine that another loop runs: the home half of a far_call.
///
/// Held by handles and, until the answer has come or the loop ends, by itself. All of it
/// belongs to the home thread.
class far_result : public future_state, public flight {
 public:
  /// Passes the request on; settles when the task over there has ended.
  bool cancel(const cancel_ref& cause) noexcept final;
  bool is_work() const noexcept final { return true; }
  const char* kind() const noexcept final { return "spawn_on"; }

  /// Throws invalid_state if `far` is closed.
  void send(loop_core& far);
  /// The answer has come, and settles this next; the caller has the flight's hold on it.
  void land() noexcept;
  void leave() noexcept final;

 protected:
  far_result(loop_core& l, far_call_ref c) noexcept
      : future_state(l), call_(std::move(c)) {}

 private:
  far_call_ref call_;  // null when it is over
};

template <class F, class... Args>
using spawned_coro = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;

template <class T>
class far_result_of final : public holding<T, far_result> {
 public:
  far_result_of(loop_core& l, far_call_ref c) : holding<T, far_result>(l, std::move(c)) {}

 private:
  ~far_result_of() override = default;
};

/// What it calls lives until the task has ended: a lambda's coroutine refers to the lambda.
template <class T, class F, class... Args>
class far_call_of final : public far_call {
 public:
  template <class G, class... As>
  far_call_of(loop_core& home, std::source_location at, G&& f, As&&... args)
      : far_call(home),
        at_(at),
        what_(std::in_place, std::forward<G>(f), std::forward<As>(args)...) {}

 private:
  ~far_call_of() override = default;

  task_ref make_task(loop_core& l, const task_options& options) override {
    const auto invoke = [](F& f, Args&... args) {
      return std::invoke(std::move(f), std::move(args)...);
    };
    const auto made = create_task_on(l, std::apply(invoke, *what_), options, at_);
    return task_ref::share(&made.state());
  }
  void keep_value(task_state& ended) override {
    if constexpr (!std::is_void_v<T>) value_.emplace(std::move(ended.value<T>()));
  }
  void forget() noexcept override { what_.reset(); }
  void give_value(far_result& to) override {
    auto& home = static_cast<far_result_of<T>&>(to);
    if constexpr (std::is_void_v<T>) {
      home.emplace();
    } else {
      home.emplace(std::move(*value_));
    }
  }

  struct nothing {};
  std::source_location at_;
  std::optional<std::tuple<F, Args...>> what_;
  [[no_unique_address]] std::conditional_t<std::is_void_v<T>, nothing, std::optional<T>>
      value_;
};

/// Calls `f(args...)` on `far`, in the name of `home`, which runs here.
template <class T, class F, class... Args>
future<T> call_far(loop_core& home, loop_core& far, std::source_location at, F&& f,
                   Args&&... args) {
  using call = far_call_of<T, std::decay_t<F>, std::decay_t<Args>...>;
  auto sent = far_call_ref::adopt(
      new call(home, at, std::forward<F>(f), std::forward<Args>(args)...));
  auto* const result = new far_result_of<T>(home, std::move(sent));
  future<T> given(state_ref::adopt(result));
  result->send(far);
  return given;
}

}  // namespace sheaf::detail
