#pragma once

#include <sheaf/runtime/intrusive_ptr.hpp>

#include <any>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf {

namespace detail {

/// The values of context variables that differ from their defaults, in no order.
class context_state {
 public:
  context_state() = default;
  context_state(const context_state& from) : values_(from.values_) {}
  context_state& operator=(const context_state&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  bool empty() const noexcept { return values_.empty(); }
  const std::any* find(std::uint64_t variable) const noexcept;
  void set(std::uint64_t variable, std::any value);

 private:
  ~context_state() = default;
  std::uint32_t references_ = 1;
  std::vector<std::pair<std::uint64_t, std::any>> values_;
};

using context_ref = runtime::intrusive_ptr<context_state>;

/// The context that is current here; null while nothing has been set in it.
context_state* current_context() noexcept;
/// The same, made if there is none yet.
context_state& own_context();
std::uint64_t next_variable() noexcept;

/// Makes `c` the context that is current on this thread, for the scope's time.
class context_scope {
 public:
  explicit context_scope(context_state& c) noexcept;
  context_scope(const context_scope&) = delete;
  context_scope& operator=(const context_scope&) = delete;
  ~context_scope();

 private:
  context_state* before_;
};

}  // namespace detail

/// A set of values of context variables: asyncio's contextvars.Context.
///
/// A counted handle; copies refer to the same values. Given to task_options::context() it is
/// shared by the tasks that run in it. Thread: its loop's.
class context {
 public:
  /// An empty one.
  context() : state_(detail::context_ref::adopt(new detail::context_state)) {}

  /// Calls `f(args...)` with this as the current context: what it sets stays here.
  template <class F, class... Args>
  decltype(auto) run(F&& f, Args&&... args) const {
    const detail::context_scope in(*state_);
    return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// For the library.
  explicit context(detail::context_ref s) noexcept : state_(std::move(s)) {}
  const detail::context_ref& state() const noexcept { return state_; }

 private:
  detail::context_ref state_;
};

/// A copy of the context that is current here: changes on either side stay invisible to the
/// other.
context copy_context();

/// A variable whose value belongs to the task that asks: asyncio's contextvars.ContextVar.
///
///     const context_var<std::string> request_id("-");
///     request_id.set("r-17");                     // for this task, and tasks made from now on
///     auto t = create_task(handle());             // sees "r-17"; what it sets stays its own
///
/// A task runs in a copy of its creator's context, taken when it is created. A callback runs
/// in a copy of the context it was registered in, or in the thread's own where no variable
/// was set; a function of to_thread() in one of its
/// caller's. Outside of tasks the thread has a context of its own. The variable must outlive its use. Cost: a look-up in the few that are set;
/// a task made where none is set pays nothing.
template <class T>
class context_var {
 public:
  static_assert(std::is_copy_constructible_v<T>,
                "a context is copied, and its values with it");

  explicit context_var(T otherwise = T()) : default_(std::move(otherwise)) {}
  context_var(const context_var&) = delete;
  context_var& operator=(const context_var&) = delete;

  /// A copy of the value, or of the default while none is set here.
  T get() const {
    const detail::context_state* const c = detail::current_context();
    const std::any* const value = c ? c->find(id_) : nullptr;
    return value ? *std::any_cast<T>(value) : default_;
  }

  void set(T value) const { detail::own_context().set(id_, std::any(std::move(value))); }

 private:
  const std::uint64_t id_ = detail::next_variable();
  const T default_;
};

}  // namespace sheaf
