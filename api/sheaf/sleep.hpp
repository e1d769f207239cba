#pragma once

#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/timing_wheel.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

/// Converts, rounding up and saturating; throws std::invalid_argument for not-a-number.
std::int64_t to_delay(std::chrono::duration<double, std::nano> d);

template <class Rep, class Period>
std::int64_t to_delay(std::chrono::duration<Rep, Period> d) {
  if constexpr (std::is_floating_point_v<Rep>) {
    return to_delay(std::chrono::duration<double, std::nano>(d));
  } else if constexpr (std::ratio_less_v<Period, std::nano>) {
    return std::chrono::ceil<std::chrono::nanoseconds>(d).count();
  } else {
    constexpr auto most = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(
        std::chrono::nanoseconds::max());
    if (d >= most) return std::chrono::nanoseconds::max().count();
    if (d <= -most) return -std::chrono::nanoseconds::max().count();
    return std::chrono::nanoseconds(d).count();
  }
}

/// A deadline of the wheel, in the frame that awaits it.
class sleep_wait : public runtime::timer_node, public suspension {
 public:
  using awaits_in_task = void;

  static sleep_wait for_delay(std::int64_t ns) noexcept {
    return sleep_wait(ns > 0 ? ns : 0);
  }
  static sleep_wait until(std::int64_t ns) noexcept {
    return sleep_wait(~(ns > 0 ? ns : 0));
  }

  /// Before it is awaited it is only a time, and can be moved.
  sleep_wait(sleep_wait&& other) noexcept : sleep_wait(other.time()) {}
  ~sleep_wait() { leave_wheel(); }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    begin(*h.promise().task());
  }
  void await_resume() { task().throw_if_interrupted(); }

  // Due: the task is queued one batch later, as a future's callback would.
  void run() noexcept final {
    if (task().waiting_on() == this) task().wake();
  }
  void prefetch() const noexcept final { task().prefetch_state(); }
  bool cancel(const cancel_ref&) noexcept final;
  void interrupt() noexcept final;
  const char* kind() const noexcept final { return "sleep"; }
  std::uint64_t object() const noexcept final { return armed() ? deadline() : 0; }

 private:
  [[gnu::always_inline]] void begin(task_state& t) noexcept {
    const std::int64_t time = this->time();
    owner_ = &t;
    time == 0 ? t.yield() : enter_wheel(time);
  }
  // Not inline: the sleep(0) that yields is to stay small, in every coroutine that sleeps.
  void enter_wheel(std::int64_t time) noexcept;
  void leave_wheel() noexcept {
    if (armed()) task().loop().disarm(*this);
  }

  // Until it begins owner_ is no pointer but the time: a delay, 0 to yield, or ~deadline.
  explicit sleep_wait(std::int64_t time) noexcept {
    owner_ = reinterpret_cast<void*>(static_cast<std::intptr_t>(time));
  }
  std::int64_t time() const noexcept { return reinterpret_cast<std::intptr_t>(owner_); }
  task_state& task() const noexcept { return *static_cast<task_state*>(owner_); }

  void* owner_;
};

/// sleep(d, value): gives the value when it is over.
template <class T>
class sleep_value_wait final : public sleep_wait {
 public:
  sleep_value_wait(std::int64_t delay_ns,
                   T value) noexcept(std::is_nothrow_move_constructible_v<T>)
      : sleep_wait(for_delay(delay_ns)), value_(std::move(value)) {}
  T await_resume() {
    sleep_wait::await_resume();
    return std::move(value_);
  }

 private:
  T value_;
};

}  // namespace detail

/// Suspends the task for at least `d`; zero or less gives way for one batch: all that was
/// queued before runs once.
///
/// Never early. Equal deadlines end in the order they were armed. Cancelling it removes its
/// deadline at once; nothing else happened. A delay that is not a number throws
/// std::invalid_argument. Cost: no allocation. libuv's resolution is a millisecond: up to
/// that much late when the loop is otherwise at rest.
template <class Rep, class Period>
[[nodiscard]] detail::sleep_wait sleep(std::chrono::duration<Rep, Period> d) {
  return detail::sleep_wait::for_delay(detail::to_delay(d));
}

/// The same, and the co_await gives `value`.
template <class Rep, class Period, class T>
[[nodiscard]] detail::sleep_value_wait<T> sleep(std::chrono::duration<Rep, Period> d,
                                                T value) {
  return {detail::to_delay(d), std::move(value)};
}

/// Suspends the task until the loop's time() is at least `when`; a past one gives way for
/// one batch.
template <class Duration>
[[nodiscard]] detail::sleep_wait sleep_until(
    std::chrono::time_point<std::chrono::steady_clock, Duration> when) {
  const auto ns =
      std::chrono::ceil<std::chrono::nanoseconds>(when.time_since_epoch()).count();
  return detail::sleep_wait::until(ns);
}

}  // namespace sheaf
