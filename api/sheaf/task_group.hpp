#pragma once

#include <sheaf/as_outcome.hpp>
#include <sheaf/coro.hpp>
#include <sheaf/detail/group_state.hpp>
#include <sheaf/detail/plain_callback.hpp>
#include <sheaf/detail/value_task.hpp>
#include <sheaf/exception_group.hpp>
#include <sheaf/outcome.hpp>
#include <sheaf/task.hpp>
#include <sheaf/task_options.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

namespace sheaf {

class task_group;

namespace detail {

/// The task of a child: as any, with its link.
template <class T>
class group_task_of final : public value_task<T> {
 public:
  group_task_of(loop_core& l, promise_base& root, std::source_location at,
                start_mode how) noexcept
      : value_task<T>(l, root, at, how) {}
  ~group_task_of() override = default;

  group_link link;
};

/// The body, run inside the parent; how it ends is looked at, not thrown.
template <class T>
class group_body {
 public:
  using awaits_in_task = void;

  group_body(group_state& g, coro<T>&& body) : group_(g), wait_(std::move(body)) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    wait_.await_suspend(h);
    group_.body_suspends();
  }
  outcome<T> await_resume() { return wait_.await_resume(); }

 private:
  group_state& group_;
  coro_outcome_wait<T> wait_;
};

/// What body(group, args...) gives when it is awaited.
template <class F, class... Args>
struct group_result {
  using made = std::invoke_result_t<F&, task_group&, Args...>;
  static_assert(is_coro_result<made>,
                "the body of a task group is a coroutine: "
                "coro<T> body(task_group& g, args...)");
  using type = typename made::value_type;
};

/// Only throws: the coro of a body whose call has thrown.
template <class T>
coro<T> failed_body(std::exception_ptr e) {
  std::rethrow_exception(std::move(e));
  co_return co_await failed_body<T>(nullptr);  // not reached: makes it a coroutine
}

}  // namespace detail

/// A scope for tasks, which ends when all of them have: asyncio's TaskGroup.
///
///     co_await task_group::run(serve_all, std::ref(listener));
///
///     coro<> serve_all(task_group& group, listener& from) {
///       for (;;) group.create_task(serve(co_await from.accept()));
///     }
///
/// Made by run() alone, which gives it to the body; lives until run() has given its result,
/// and so may be referred to by the body and every child. Failure: the first child that
/// fails, and an exception that leaves the body, cancel all else; when all have ended run()
/// throws one exception_group, of the children's errors in the order in which they came, and
/// then the body's. A child that is cancelled is no failure. Errors of children count as
/// read. Thread: its loop's.
class task_group {
 public:
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Runs `fn(group, args...)`, a coroutine, inside the awaiting task, then waits for the
  /// children; gives what the body gives. Returns only when every child has ended.
  ///
  /// Function and arguments are copied or moved in and live until then, so a lambda may have
  /// captures; name it first, since g++ 12 destroys those of a temporary one twice. Pass
  /// references with std::ref.
  ///
  /// Cancelled from outside, it cancels the body or, after that, the children, and throws
  /// `cancelled` when all have ended; errors go before that, and the request is then thrown
  /// by the task's next await. A system_exit comes out as it is. Cost: one pooled block, and
  /// 48 bytes for each of the last children that have ended, 1,024 at most.
  template <class F, class... Args>
  static coro<typename detail::group_result<F, Args...>::type> run(F fn, Args... args) {
    using T = typename detail::group_result<F, Args...>::type;
    task_group g;
    co_await detail::group_entry(g.state_);
    coro<T> body = begin<T>(g, fn, args...);
    outcome<T> how = co_await detail::group_body<T>(g.state_, std::move(body));
    how.has_value() ? g.state_.leave() : g.state_.leave_with(how.error());
    while (g.state_.busy()) co_await detail::group_wait(g.state_);
    g.state_.finish();
    // Without a value if the group was cancelled on purpose: then it throws `cancelled`.
    if constexpr (!std::is_void_v<T>) co_return std::move(how).value();
  }

  /// Makes a task of `c` that the group waits for; as sheaf::create_task() in all else. The
  /// handle may be dropped. Children may call it too, while one has not ended. Throws
  /// invalid_state, and destroys `c`, once the group is ending by a failure or a
  /// cancellation, and when it has ended. Cost: none beyond a task's; what a child took is
  /// given back when it ends, but for a line of the last ones (keep_reports()), so a group
  /// may go on for ever.
  template <class T>
  task<T> create_task(coro<T> c,
                      std::source_location at = std::source_location::current()) {
    require_open(c);
    auto& l = state_.loop();
    if (l.factory) [[unlikely]]
      return create_task(std::move(c), {}, at);
    return add(detail::make_task<detail::group_task_of>(l, std::move(c), at));
  }
  template <class T>
  task<T> create_task(coro<T> c, const task_options& options,
                      std::source_location at = std::source_location::current()) {
    require_open(c);
    auto& l = state_.loop();
    const task_options all = detail::effective(l, options);
    auto t = add(detail::make_task<detail::group_task_of>(l, std::move(c), at,
                                                          detail::start_mode::deferred));
    detail::apply(t.state(), all);
    return t;
  }

  /// The same of wait_for(...), and of what is awaited in place: q.get(), e.wait(), sleep(d).
  template <detail::coro_like A>
  auto create_task(A&& what, std::source_location at = std::source_location::current()) {
    return create_task(detail::to_coro(std::forward<A>(what)), at);
  }
  template <detail::coro_like A>
  auto create_task(A&& what, const task_options& options,
                   std::source_location at = std::source_location::current()) {
    return create_task(detail::to_coro(std::forward<A>(what)), options, at);
  }

  /// Ends the group on purpose: cancels children and body with `reason`, and run() ends
  /// without an error. A body that was cut off before it gave the value that run() should
  /// return makes it throw `cancelled`. Without effect once the group is ending.
  void cancel(std::string reason = {},
              std::source_location at = std::source_location::current()) {
    state_.loop().require_thread("task_group::cancel");
    state_.cancel(std::move(reason), at);
  }

  /// Of how many children that have ended exception_group::children() is to tell, should one
  /// fail later: the last n. 1,024 if nothing is said, in 48 bytes each. Without effect once
  /// one has failed.
  void keep_reports(std::size_t n) { state_.keep_reports(n); }

  /// Children that have not ended.
  std::size_t size() const noexcept { return state_.running(); }
  /// The number that traces know it by, of its loop.
  std::uint64_t id() const noexcept { return state_.id(); }

 private:
  task_group() = default;

  // What is given over, if in vain, is not "never awaited" (TG-15).
  template <class T>
  void require_open(coro<T>& c) const {
    state_.loop().require_thread("task_group::create_task");
    if (state_.open()) [[likely]]
      return;
    c.close();
    state_.refuse();
  }
  template <class T>
  task<T> add(task<T> t) noexcept {
    auto& child = static_cast<detail::group_task_of<T>&>(t.state());
    state_.add(child, child.link);
    return t;
  }
  template <class T, class F, class... Args>
  static coro<T> begin(task_group& g, F& fn, Args&... args) {
    try {
      return fn(g, std::move(args)...);
    } catch (...) {
      return detail::failed_body<T>(std::current_exception());
    }
  }

  detail::group_state state_;
};

}  // namespace sheaf
