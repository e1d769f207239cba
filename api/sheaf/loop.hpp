#pragma once

#include <sheaf/detail/in_context.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/plain_callback.hpp>
#include <sheaf/future.hpp>
#include <sheaf/loop_options.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/task.hpp>
#include <sheaf/thread_pool_executor.hpp>

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

using runtime::call_handle;
using runtime::timer_handle;

/// The event loop: callbacks and timers (runtime::loop), and tasks.
///
/// `loop l;` owns a uv_loop_t; `loop l(host, borrowed)` runs inside somebody else's, which
/// the host runs. Destroying it cancels the tasks that are left, runs them to their end (on
/// a borrowed loop it destroys them) and reports each.
class loop : public runtime::loop {
 public:
  loop() : loop(loop_options()) {}
  explicit loop(const loop_options& options);
  loop(uv_loop_s* host, borrowed_t);

  /// The loop that runs on this thread; throws invalid_state if none does.
  static loop& current();

  // As the runtime's, and the callback runs in a copy of the context that is current here.
  // A function that gives a coro is refused.
  template <detail::plain_callback F>
  runtime::call_handle call_soon(F&& f, place at = place::current()) {
    if (!detail::has_context()) [[likely]]
      return runtime::loop::call_soon(std::forward<F>(f), at);
    return runtime::loop::call_soon(with_context(std::forward<F>(f)), at);
  }
  template <detail::plain_callback F>
  runtime::timer_handle call_later(duration delay, F&& f, place at = place::current()) {
    if (!detail::has_context()) [[likely]] {
      return runtime::loop::call_later(delay, std::forward<F>(f), at);
    }
    return runtime::loop::call_later(delay, with_context(std::forward<F>(f)), at);
  }
  template <detail::plain_callback F>
  runtime::timer_handle call_at(time_point when, F&& f, place at = place::current()) {
    if (!detail::has_context()) [[likely]] {
      return runtime::loop::call_at(when, std::forward<F>(f), at);
    }
    return runtime::loop::call_at(when, with_context(std::forward<F>(f)), at);
  }
  template <detail::plain_callback F>
  runtime::call_handle call_soon_threadsafe(F&& f, place at = place::current()) {
    if (!detail::has_context()) [[likely]] {
      return runtime::loop::call_soon_threadsafe(std::forward<F>(f), at);
    }
    return runtime::loop::call_soon_threadsafe(with_context(std::forward<F>(f)), at);
  }

  template <detail::plain_callback F>
  void add_reader(int descriptor, F&& f) {
    runtime::loop::add_reader(descriptor, brought(std::forward<F>(f)));
  }
  template <detail::plain_callback F>
  void add_writer(int descriptor, F&& f) {
    runtime::loop::add_writer(descriptor, brought(std::forward<F>(f)));
  }
  template <detail::plain_callback F>
  void add_signal_handler(int signum, F&& f) {
    runtime::loop::add_signal_handler(signum, brought(std::forward<F>(f)));
  }

  /// create_task() for where no loop runs: before run(), or in the host of a borrowed loop.
  template <class T>
  [[nodiscard]] task<T> create_task(
      coro<T> c, const task_options& options = {},
      std::source_location at = std::source_location::current()) {
    return detail::create_task_on(tasks(), std::move(c), options, at);
  }

  template <detail::coro_like A>
  auto create_task(A&& what, const task_options& options = {},
                   std::source_location at = std::source_location::current()) {
    return create_task(detail::to_coro(std::forward<A>(what)), options, at);
  }

  /// Runs the loop until `what` is done and gives its value, or throws what it ended with.
  /// Throws invalid_state if the loop is stopped before (a later run continues the task),
  /// and deadlock, which names each task and its place, if nothing can wake them any more.
  template <class T>
  T run_until_complete(coro<T> what,
                       std::source_location at = std::source_location::current()) {
    return run_until_complete(std::move(what), task_options(), at);
  }
  template <class T>
  T run_until_complete(coro<T> what, const task_options& options,
                       std::source_location at = std::source_location::current()) {
    require_idle();
    return run_until_complete(create_task(std::move(what), options, at));
  }
  template <detail::coro_like A>
  auto run_until_complete(A&& what,
                          std::source_location at = std::source_location::current()) {
    return run_until_complete(detail::to_coro(std::forward<A>(what)), at);
  }
  template <class T>
  T run_until_complete(future<T> what) {
    drive_until(what.state());
    if constexpr (std::is_void_v<T>) {
      what.result();
    } else {
      what.state().require_value();
      return detail::take_value<T>(what.state(), 1);
    }
  }
  template <class T>
  T run_until_complete(task<T> what) {
    return run_until_complete(static_cast<future<T>&&>(what));
  }

  /// As the runtime's.
  void set_debug(bool on) noexcept {
    if (!on) tasks().notes().clear();
    runtime::loop::set_debug(on);
  }

  /// The tasks that are not done, in order of creation.
  std::vector<any_task> all_tasks() const;

  /// `f(task_options&)` is called for each task that this loop makes, before it is made, and
  /// may change how: its name, its eager start. An empty one resets it.
  void set_task_factory(std::function<void(task_options&)> f) {
    tasks().factory = std::move(f);
  }
  const std::function<void(task_options&)>& get_task_factory() const noexcept {
    return tasks().factory;
  }

  /// Takes the place of the loop's own threads for to_thread() and run_in_executor(nullptr).
  /// The loop keeps a handle. Its end waits for its own jobs there, and shuts nothing down
  /// that was given to it.
  void set_default_executor(const thread_pool_executor& executor);

  /// Refuses jobs for the default executor from now on, with invalid_state, and waits, without
  /// blocking the loop, until its threads have ended. After `limit` it gives up, with a
  /// report; the loop's close waits for them all the same. run() needs no such call.
  coro<> shutdown_default_executor(std::optional<duration> limit = {});

  /// Closes the generators that have begun here and not ended, as their aclose() would, side
  /// by side, and waits for them; what comes out of one is reported. Cancelled, it cancels
  /// their clean-up. run() does it; who runs a loop by hand calls it before the loop goes.
  coro<> shutdown_asyncgens();

  /// For the library.
  detail::loop_core& tasks() const noexcept {
    return static_cast<detail::loop_core&>(core());
  }

 private:
  template <class F>
  auto with_context(F&& f) const {
    return detail::in_context<std::decay_t<F>>(tasks(), std::forward<F>(f));
  }
  template <class F>
  runtime::unique_function<void()> brought(F&& f) const {
    if (detail::has_context()) return with_context(std::forward<F>(f));
    return std::forward<F>(f);
  }
  friend class runner;
  void trace_as_environment_says();
  void require_idle() const;
  void drive_until(detail::future_state& s);
};

namespace detail {
/// Runs shutdown_asyncgens() if there is need to.
void close_generators(loop& l);
}  // namespace detail

template <class T>
promise<T>::promise(loop& of, std::source_location at) : promise(of.tasks(), at) {}

}  // namespace sheaf
