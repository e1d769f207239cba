#pragma once

#include <sheaf/child_report.hpp>
#include <sheaf/detail/done_callback.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/future_wait.hpp>
#include <sheaf/detail/in_context.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/fwd.hpp>
#include <sheaf/outcome.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf {

/// What add_done_callback() gives, for remove_done_callback().
enum class callback_id : std::uint64_t {};

/// The result of something that may not have ended: asyncio's Future, read-only.
///
/// A counted handle: copies refer to the same result, which lives as long as one of them.
/// Made by a promise, create_task(), gather(). It may be awaited by many tasks and many
/// times: an lvalue gives `const T&`, valid while a handle lives; an rvalue gives T, moved
/// out if this is the last handle or T cannot be copied. Once done it never changes.
///
/// Order: who waits is queued in the order of registration when it is done; nothing runs
/// inside the call that makes it done. Failure: an error that nobody reads is reported to
/// the loop's exception handler when the last handle goes. Thread: its loop's.
template <class T>
class [[nodiscard]] future {
 public:
  using value_type = T;

  /// Refers to nothing; only assignment and destruction are allowed.
  future() = default;

  bool valid() const noexcept { return static_cast<bool>(state_); }
  bool done() const { return state().done(); }
  bool cancelled() const { return state().status() == detail::future_status::cancelled; }

  /// The value, as often as you ask. Throws the error, `cancelled`, or invalid_state while
  /// it is not done.
  decltype(auto) result() const {
    state().require_value();
    if constexpr (!std::is_void_v<T>) {
      return static_cast<const T&>(state().template value<T>());
    }
  }

  /// The exception; null for a value. Throws `cancelled`, or invalid_state while not done.
  std::exception_ptr exception() const { return state().exception(); }

  /// How it ended, as a value; throws invalid_state while it is not done.
  sheaf::outcome<T> outcome() const { return detail::read_outcome<T>(state()); }

  /// One report for each child, if this is a gather, race, quorum or the like and has
  /// failed; else nothing. The children's errors count as seen by their combinator anyway.
  std::vector<child_report> children() const { return detail::children_of(state()); }

  /// Cancels it; false if it is done. A future is cancelled when this returns; a task or a
  /// gather passes the request on and ends later, or not at all. Runs nothing.
  bool cancel(std::string reason = {},
              std::source_location at = std::source_location::current()) const {
    state().loop().require_thread("cancel");
    if (state().done()) return state().cancel({});
    return state().cancel(detail::make_cause(state().loop(), std::move(reason), at));
  }

  /// Calls `f(future)` once, in a batch after it is done, in the order of registration; if
  /// it is done already, in the next batch. What `f` throws goes to the exception handler.
  template <std::invocable<future> F>
  callback_id add_done_callback(F&& f) const {
    state().loop().require_open("add_done_callback");
    using function = std::decay_t<F>;
    if (detail::has_context()) [[unlikely]] {
      return attach(detail::in_context<function>(state().loop(), std::forward<F>(f)));
    }
    return attach(function(std::forward<F>(f)));
  }

  /// Takes a callback back; gives how many were registered under that id: 1 or 0.
  std::size_t remove_done_callback(callback_id id) const {
    return detail::done_callback::remove(state(), static_cast<std::uint64_t>(id));
  }

  /// A future of `f(value)`, or of `f(future)` if that is what `f` takes; a future, task or
  /// coro that `f` returns is waited for. An error or a cancellation passes by an `f` that
  /// takes the value. Cancelling the result leaves this future alone and `f` uncalled.
  template <class F>
  auto then(F&& f) const;

  friend bool operator==(const future&, const future&) = default;

  detail::future_ref_wait<T> await_in_task() const& {
    return detail::future_ref_wait<T>(checked());
  }
  detail::future_value_wait<T> await_in_task() && {
    checked();
    return detail::future_value_wait<T>(std::move(state_));
  }

  /// For the library: the shared state.
  explicit future(detail::state_ref s) noexcept : state_(std::move(s)) {}
  detail::future_state& state() const {
    if (!state_) [[unlikely]] {
      throw invalid_state(
          "this future refers to nothing: it was default-made or moved from");
    }
    return *state_;
  }
  const detail::state_ref& checked() const {
    static_cast<void>(state());
    return state_;
  }

 private:
  template <class F>
  callback_id attach(F f) const {
    using node = detail::done_callback_of<future, F>;
    return callback_id{(new node(std::move(f)))->attach(state())};
  }

  detail::state_ref state_;
};

}  // namespace sheaf

#include <sheaf/then.hpp>  // the body of then(), which needs promise
