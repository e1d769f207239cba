#pragma once

#include <sheaf/detail/deadline.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/detail/watcher_queue.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <vector>

namespace sheaf {

/// When wait() returns.
enum class return_when : std::uint8_t { first_completed, first_exception, all_completed };

inline constexpr auto first_completed = return_when::first_completed;
inline constexpr auto first_exception = return_when::first_exception;
inline constexpr auto all_completed = return_when::all_completed;

namespace detail {

/// wait(): the untyped part; stands in the awaiting frame.
///
/// Registered with every child until the task resumes, so that a completion between the
/// wake-up and the return is among the done (WAIT-7). Wakes one batch after the condition
/// is met, as asyncio's callback would. Who derives keeps the children alive, and calls
/// leave() before it lets go of them. Looks at each child three times and no more: a wait for
/// the first of many costs what these looks cost.
class wait_state : public observer, public suspension {
 public:
  using awaits_in_task = void;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }

  void settled(watcher& w) noexcept final;
  void run() noexcept final;
  void drop() noexcept final { in_queue_ = false; }
  std::source_location awaits_at() const noexcept final { return task_->waiting_at(); }
  void on_time() noexcept;
  void on_dropped() noexcept {}
  bool cancel(const cancel_ref& cause) noexcept final;
  void interrupt() noexcept final;
  const char* kind() const noexcept final { return "wait"; }
  std::uint64_t object() const noexcept final { return id_; }

 protected:
  wait_state(std::size_t size, return_when when, std::optional<std::int64_t> timeout_ns)
      : when_(when), timeout_ns_(timeout_ns) {
    children_.reserve(size);
  }
  // Under a schedule the task may run ahead of what is queued beside it.
  ~wait_state() {
    if (in_queue_) [[unlikely]]
      task_->loop().forget(*this);
  }

  void add(future_state& s) noexcept { children_.push_back({{}, &s}); }

  /// Throws `cancelled`, or what was wrong with the arguments.
  void finish();
  /// Ends the registration with a child. False if the child is done, or was given before.
  bool leave_pending(std::size_t i) noexcept {
    child& c = children_[i];
    if (!c.state) return false;
    c.state->unwatch(c.registration);
    return !c.state->done();
  }
  void leave() noexcept;
  void forget_children() noexcept { children_.clear(); }

  /// Calls `f(index)` for the children that are done, in order of completion.
  template <class F>
  void for_each_done(F f) const {
    for (watcher* w = done_.first(); w; w = w->next) f(index_of(*w));
  }
  std::size_t done_count() const noexcept { return done_count_; }

 private:
  struct child {
    watcher registration;
    future_state* state;  // null if it was given before
  };

  // The registration is the first member of a child.
  static child& child_of(watcher& w) noexcept { return reinterpret_cast<child&>(w); }
  std::size_t index_of(watcher& w) const noexcept {
    return static_cast<std::size_t>(&child_of(w) - children_.data());
  }

  bool begin(task_state& t) noexcept;
  void look_at_children() noexcept;
  void look_at(child& c) noexcept;
  void watch_children(bool waiting) noexcept;
  bool satisfied() const noexcept;
  void note_done(child& c) noexcept;
  void wake() noexcept;
  void trace_begin() noexcept;

  std::vector<child> children_;
  watcher_queue done_;  // in order of completion
  std::size_t done_count_ = 0;
  std::size_t distinct_ = 0;
  return_when when_;
  std::optional<std::int64_t> timeout_ns_;
  deadline<wait_state> deadline_{*this};
  task_state* task_ = nullptr;
  bool has_exception_ = false;
  bool queued_ = false;  // or woken: the condition was met
  bool in_queue_ = false;
  bool other_loop_ = false;
  std::uint32_t id_ = 0;
};

}  // namespace detail
}  // namespace sheaf
