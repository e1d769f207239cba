#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/task.hpp>

#include <source_location>
#include <string>
#include <utility>

namespace sheaf {

/// A task that is asked to stop when the scope that holds it is left.
///
///     const scoped_task beat(create_task(heartbeat(connection)));
///     co_await serve(connection);  // however this ends, the heartbeat is cancelled
///
/// Owns the duty to cancel, not the task: moved, never copied; release() gives it up. The
/// destructor asks and returns: it cannot wait, so the task may run on for some batches, and
/// must not refer to what the scope takes with it. Where it does, use a task_group, which
/// joins. Cost: that of the handle.
template <class T>
class [[nodiscard]] scoped_task {
 public:
  explicit scoped_task(task<T> t,
                       std::source_location at = std::source_location::current()) noexcept
      : task_(std::move(t)), at_(at) {}
  explicit scoped_task(coro<T> c,
                       std::source_location at = std::source_location::current())
      : scoped_task(create_task(std::move(c), at), at) {}
  template <detail::coro_like A>
  explicit scoped_task(A&& what,
                       std::source_location at = std::source_location::current())
      : scoped_task(detail::to_coro(std::forward<A>(what)), at) {}

  scoped_task(scoped_task&&) noexcept = default;
  scoped_task& operator=(scoped_task&& other) noexcept {
    if (this != &other) {
      stop();
      task_ = std::move(other.task_);
      at_ = other.at_;
    }
    return *this;
  }
  ~scoped_task() { stop(); }

  const task<T>& get() const noexcept { return task_; }
  const task<T>* operator->() const noexcept { return &task_; }
  /// The task goes on, whatever becomes of the scope.
  [[nodiscard]] task<T> release() noexcept { return std::move(task_); }

  auto await_in_task() const& { return task_.await_in_task(); }
  auto await_in_task() && { return release().await_in_task(); }

 private:
  void stop() noexcept {
    if (!task_.valid() || task_.done()) return;
    auto& s = task_.state();
    s.cancel(detail::make_cause(cancel_why::left, s.loop().current_task(), at_,
                                "its scoped_task has ended"));
  }

  task<T> task_;
  std::source_location at_;
};

template <detail::coro_like A>
scoped_task(A&&, std::source_location = {})
    -> scoped_task<typename detail::coro_form_t<A>::value_type>;

}  // namespace sheaf
