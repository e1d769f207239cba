#pragma once

#include <sheaf/detail/task_state.hpp>

#include <coroutine>
#include <cstdint>
#include <ranges>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// A task that awaits a future; stands in the awaiting frame and holds the future's state.
class future_wait : public suspension {
 public:
  using awaits_in_task = void;

  explicit future_wait(state_ref s) noexcept : state_(std::move(s)) {}
  ~future_wait() { state_->unwatch(registration_); }

  bool await_ready() const noexcept { return state_->done(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }

  bool cancel(const cancel_ref& cause) noexcept override {
    if (state_->being_cancelled()) return interrupt(), true;  // a cycle: break it here
    return state_->cancel(cause);
  }
  void interrupt() noexcept final;
  task_state* awaited_task() const noexcept override {
    return state_->is_task() ? static_cast<task_state*>(state_.get()) : nullptr;
  }
  future_state& awaited() const noexcept { return *state_; }
  const char* kind() const noexcept final { return state_->kind(); }
  std::uint64_t object() const noexcept final { return state_->trace_id(); }

 protected:
  /// The state with its value; throws what there is instead, from the frame that awaits.
  [[gnu::always_inline]] future_state& settled_value() {
    if (task_) [[likely]]
      task_->throw_if_interrupted(*state_);
    if (misuse_ != misuse::none) [[unlikely]]
      refuse();
    state_->require_value();
    return *state_;
  }
  future_state& state() const noexcept { return *state_; }

 private:
  enum class misuse : std::uint8_t { none, itself, other_loop };
  /// Suspends; false if that cannot be.
  bool begin(task_state& t) noexcept {
    task_ = &t;
    if (&state_->loop() != &t.loop() || state_.get() == &t) [[unlikely]]
      return misused(t);
    state_->watch(registration_, t);
    t.suspended_on(*this);
    return true;
  }
  bool misused(task_state& t) noexcept;
  [[noreturn]] void refuse() const;

  state_ref state_;
  watcher registration_;
  task_state* task_ = nullptr;
  misuse misuse_ = misuse::none;
};

/// co_await on an lvalue: the value stays where it is.
template <class T>
class future_ref_wait final : public future_wait {
 public:
  using future_wait::future_wait;
  decltype(auto) await_resume() {
    if constexpr (std::is_void_v<T>) {
      settled_value();
    } else {
      return static_cast<const T&>(settled_value().template value<T>());
    }
  }
};

/// Whether T can be copied in earnest: a container says yes whatever it holds.
template <class T>
inline constexpr bool copyable = std::is_copy_constructible_v<T>;
template <class T>
  requires(std::ranges::range<T> && !std::is_same_v<std::ranges::range_value_t<T>, T>)
inline constexpr bool copyable<T> =
    std::is_copy_constructible_v<T> && copyable<std::ranges::range_value_t<T>>;

/// Takes the value of a settled state: moved out if nobody else holds it or T cannot be
/// copied, copied otherwise. `holders` is how many references the caller has itself.
template <class T>
T take_value(future_state& s, std::uint32_t holders) {
  if constexpr (!copyable<T>) {
    s.mark_taken();
    return std::move(s.value<T>());
  } else {
    if (s.references() <= holders) return std::move(s.value<T>());
    return s.value<T>();
  }
}

/// co_await on an rvalue: the value is handed over.
template <class T>
class future_value_wait final : public future_wait {
 public:
  using future_wait::future_wait;
  T await_resume() {
    future_state& s = settled_value();
    if constexpr (!std::is_void_v<T>) return take_value<T>(s, 1);
  }
};

}  // namespace sheaf::detail
