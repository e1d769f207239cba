#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/as_coro.hpp>
#include <sheaf/detail/future_wait.hpp>
#include <sheaf/future.hpp>
#include <sheaf/task.hpp>

#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

/// Waits for a future and refuses to be cancelled: the request is delivered when the wait is
/// over, as one that a task makes of itself.
template <class T>
class finish_wait final : public future_wait {
 public:
  using future_wait::future_wait;
  bool cancel(const cancel_ref&) noexcept override { return false; }
  task_state* awaited_task() const noexcept override { return nullptr; }
  T await_resume() {
    future_state& s = settled_value();
    if constexpr (!std::is_void_v<T>) return take_value<T>(s, 1);
  }
};

/// finish() before it is awaited.
template <class T>
class [[nodiscard("finish does nothing until it is awaited")]] finish_call {
 public:
  using value_type = T;
  using coro_type = coro<T>;

  finish_call(coro<T> what, std::source_location at) noexcept
      : what_(std::move(what)), at_(at) {}

  finish_wait<T> await_in_task() && {
    auto t = create_task(std::move(what_), at_);
    t.state().set_finishing();
    return finish_wait<T>(t.checked());
  }
  operator coro_type() && { return as_coro(std::move(*this)); }  // NOLINT: it is one

 private:
  coro<T> what_;
  std::source_location at_;
};

}  // namespace detail

/// Runs a clean-up to its end, although the awaiting task is cancelled meanwhile.
///
///     std::exception_ptr error;
///     try {
///       co_await serve(connection);
///     } catch (...) {
///       error = std::current_exception();  // C++ has no co_await in a catch
///     }
///     co_await finish(say_goodbye(connection));
///     if (error) std::rethrow_exception(error);
///
/// A task that was cancelled once may await as it likes; it is the second request that would
/// hit its clean-up, such as that of run() on its way out. Here it is held back until `what`
/// has ended, and then thrown in place of the value; an error that is passed over so is
/// reported. Unlike shield(), which lets the awaiter go at once, nothing is left running: what
/// `what` refers to in the awaiting frame stays. It is a task of its own, so bound it from
/// inside: `finish(wait_for(say_goodbye(c), 1s))`. run() does not cancel it; it waits.
template <class T>
[[nodiscard]] detail::finish_call<T> finish(
    coro<T> what, std::source_location at = std::source_location::current()) {
  return {std::move(what), at};
}
template <detail::coro_like A>
[[nodiscard]] auto finish(A&& what,
                          std::source_location at = std::source_location::current()) {
  return finish(detail::to_coro(std::forward<A>(what)), at);
}

}  // namespace sheaf
