#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/as_coro.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/detail/value_task.hpp>
#include <sheaf/future.hpp>
#include <sheaf/task_options.hpp>

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf {

/// A task of any type, or none: what current_task() and all_tasks() give.
///
/// A counted handle, as task<T> is, which converts to it. Its members may be reached through
/// `.` and, as of something that may be missing, through `->`.
class any_task {
 public:
  any_task() = default;

  explicit operator bool() const noexcept { return static_cast<bool>(state_); }

  bool done() const { return state().done(); }
  bool cancelled() const { return state().status() == detail::future_status::cancelled; }

  /// Asks the task to stop: `cancelled` is thrown at its await, in a later batch, with the
  /// reason. False if it is done. Whether it ends cancelled is up to its code.
  bool cancel(std::string reason = {},
              std::source_location at = std::source_location::current()) const {
    state().loop().require_thread("cancel");
    return state().cancel(detail::make_cause(state().loop(), std::move(reason), at));
  }
  /// Requests made, less those taken back; catching the error does not change it.
  unsigned cancelling() const { return state().cancelling(); }
  /// Takes one request back and gives what is left. At 0 one that was not delivered yet is
  /// withdrawn. Of a task that is done it only counts.
  unsigned uncancel() const { return state().uncancel(); }

  /// From 1, and unlike any other task of this process.
  std::uint64_t id() const { return state().id(); }
  std::string name() const { return state().name(); }
  void set_name(std::string name) const { state().set_name(std::move(name)); }
  /// The places of its awaits, innermost first; empty while it has not begun.
  std::vector<std::source_location> stack() const { return state().stack(); }
  /// One line: id, name, "pending", "cancelling", "cancelled" or "finished", why it is
  /// cancelled, and what and where it waits.
  std::string describe() const { return state().describe(); }

  const any_task* operator->() const noexcept { return this; }
  friend bool operator==(const any_task&, const any_task&) = default;

  /// For the library.
  explicit any_task(detail::task_ref s) noexcept : state_(std::move(s)) {}

 private:
  detail::task_state& state() const {
    if (!state_) throw invalid_state("this any_task is no task");
    return *state_;
  }
  detail::task_ref state_;
};

/// A coroutine that runs by itself on the loop, and the future of its result: asyncio's
/// Task.
///
/// A counted handle. The loop owns a task until it has ended: dropping the handle neither
/// cancels nor joins it. Arguments by reference must outlive the task.
template <class T>
class task : public future<T> {
 public:
  task() = default;

  unsigned cancelling() const { return state().cancelling(); }
  unsigned uncancel() const { return state().uncancel(); }
  std::uint64_t id() const { return state().id(); }
  std::string name() const { return state().name(); }
  void set_name(std::string name) const { state().set_name(std::move(name)); }
  std::vector<std::source_location> stack() const { return state().stack(); }
  std::string describe() const { return state().describe(); }

  operator any_task() const {  // NOLINT: a task is an any_task
    return any_task(detail::task_ref::share(&state()));
  }

  /// For the library.
  explicit task(detail::state_ref s) noexcept : future<T>(std::move(s)) {}
  detail::task_state& state() const {
    return static_cast<detail::task_state&>(future<T>::state());
  }
};

/// The task that runs now; none in a callback and outside of a loop.
any_task current_task();

/// The tasks of the loop that runs here that are not done, in order of creation.
std::vector<any_task> all_tasks();

namespace detail {

/// Makes the task of `c`; the caller has a reference to it. Inlined: it is a third of what a
/// gather of many small tasks costs.
template <template <class> class State = task_of, class T>
[[gnu::always_inline]] inline State<T>* new_task(loop_core& l, coro<T>&& c,
                                                 std::source_location at,
                                                 start_mode how) {
  const auto frame = c.take("create_task");
  try {
    return new State<T>(l, frame.promise(), at, how);
  } catch (...) {
    frame.destroy();
    throw;
  }
}

template <template <class> class State = task_of, class T>
[[gnu::always_inline]] inline task<T> make_task(loop_core& l, coro<T>&& c,
                                                std::source_location at,
                                                start_mode how = start_mode::queued) {
  return task<T>(state_ref::adopt(new_task<State>(l, std::move(c), at, how)));
}

/// Runs the loop's task factory over the options, then applies them.
task_options effective(const loop_core& l, const task_options& wish);
void apply(task_state& t, const task_options& options);

template <class T>
task<T> create_task_on(loop_core& l, coro<T> c, const task_options& wish,
                       std::source_location at) {
  if (l.closed()) [[unlikely]]
    c.close();  // given over, if in vain: not "never awaited" (LOOP-30)
  l.require_open("create_task");
  const task_options options = effective(l, wish);
  auto t = make_task(l, std::move(c), at, start_mode::deferred);
  apply(t.state(), options);
  return t;
}

}  // namespace detail

/// Makes a task of `c` on the loop that runs here; its first step is queued for the next
/// batch, after all that was queued before. Throws invalid_state where no loop runs.
/// Cost: one pooled block beside the coroutine's frame.
template <class T>
[[nodiscard]] task<T> create_task(
    coro<T> c, std::source_location at = std::source_location::current()) {
  auto& l = detail::loop_core::current("create_task");
  if (l.factory) [[unlikely]]
    return detail::create_task_on(l, std::move(c), {}, at);
  return detail::make_task(l, std::move(c), at);
}

/// The same with a name, or started at once.
template <class T>
[[nodiscard]] task<T> create_task(
    coro<T> c, const task_options& options,
    std::source_location at = std::source_location::current()) {
  auto& l = detail::loop_core::current("create_task");
  return detail::create_task_on(l, std::move(c), options, at);
}

/// The same of wait_for(...), timeout::run(...), and of what is awaited in place: q.get(),
/// e.wait(), sleep(d).
template <detail::coro_like A>
auto create_task(A&& what, std::source_location at = std::source_location::current()) {
  return create_task(detail::to_coro(std::forward<A>(what)), at);
}
template <detail::coro_like A>
auto create_task(A&& what, const task_options& options,
                 std::source_location at = std::source_location::current()) {
  return create_task(detail::to_coro(std::forward<A>(what)), options, at);
}

/// asyncio's ensure_future: a task or future is given back as it is, a coro becomes a task.
template <class T>
[[nodiscard]] task<T> ensure_future(
    coro<T> c, std::source_location at = std::source_location::current()) {
  return create_task(std::move(c), at);
}
template <detail::coro_like A>
[[nodiscard]] auto ensure_future(
    A&& what, std::source_location at = std::source_location::current()) {
  return create_task(std::forward<A>(what), at);
}
template <class T>
[[nodiscard]] task<T> ensure_future(task<T> t) {
  return t;
}
template <class T>
future<T> ensure_future(future<T> f) {
  return f;
}

}  // namespace sheaf
