#pragma once

#include <sheaf/detail/deadline.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/detail/watcher_queue.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace sheaf::detail {

class completion_wait;

/// as_completed(): the untyped part, shared by the stream and what it gave out.
///
/// Registers once with each child. Completions queue up in their order and are handed to
/// those that wait, first come, first served; one batch after the child, as asyncio's queue
/// would. A completion handed to a waiter that is cancelled goes on to the next.
class completion_state final : public observer, public runtime::pooled {
 public:
  struct child {
    watcher registration;
    state_ref state;
    bool own = false;  // made here from a coro
  };

  completion_state(loop_core& l, std::vector<child> children,
                   std::optional<std::int64_t> timeout_ns);

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  loop_core& loop() const noexcept { return *loop_; }
  std::size_t size() const noexcept { return children_.size(); }
  const state_ref& state(std::size_t i) const noexcept { return children_[i].state; }
  std::uint32_t id() const noexcept { return id_; }

  /// Whether a next outcome is there now: a completion, the time-out, or the end.
  bool ready() const noexcept {
    return !arrived_.empty() || timed_out_ || unclaimed_ == 0;
  }
  /// Takes the next completion; none at the end; throws timeout_error.
  std::optional<std::size_t> take();

  void enter(completion_wait& w) noexcept { waiting_.push_back(&w); }
  void leave(completion_wait& w) noexcept;
  /// A waiter was woken with a completion and did not take it.
  void give_back(std::size_t i) noexcept;

  /// The stream goes: children made here are cancelled.
  void abandon() noexcept;

  void settled(watcher& w) noexcept override;
  void run() noexcept override;
  void drop() noexcept override;
  void on_time() noexcept;
  void stop_deadline() noexcept;
  void on_dropped() noexcept { release(); }

 private:
  ~completion_state();
  // The registration is the first member of a child.
  std::size_t index_of(watcher& w) const noexcept {
    return static_cast<std::size_t>(&reinterpret_cast<child&>(w) - children_.data());
  }
  void hand_out() noexcept;
  void post() noexcept;
  void trace_begin() noexcept;

  runtime::intrusive_ptr<loop_core> loop_;
  std::uint32_t references_ = 1;
  std::uint32_t id_;
  std::size_t unclaimed_;  // outcomes not yet given out
  bool queued_ = false;
  bool timed_out_ = false;
  std::vector<child> children_;
  watcher_queue settled_;  // in order of completion; not yet seen by waiters
  watcher_queue arrived_;  // to be taken
  std::deque<completion_wait*> waiting_;
  deadline<completion_state> deadline_{*this};
};

using completion_ref = runtime::intrusive_ptr<completion_state>;

/// A task that waits for the next completion; stands in the awaiting frame.
class completion_wait : public suspension {
 public:
  using awaits_in_task = void;

  explicit completion_wait(completion_ref s) noexcept : state_(std::move(s)) {}
  ~completion_wait();

  bool await_ready() const noexcept { return state_->ready(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }

  bool cancel(const cancel_ref& cause) noexcept final;
  void interrupt() noexcept final;
  const char* kind() const noexcept final { return "as_completed"; }
  std::uint64_t object() const noexcept final { return state_->id(); }

  /// Handed a completion, or told to look again: at the end, or timed out.
  void wake(std::optional<std::size_t> with) noexcept;

 protected:
  /// The child that completed, none at the end; throws timeout_error or `cancelled`.
  std::optional<std::size_t> next();
  completion_state& state() const noexcept { return *state_; }

 private:
  bool begin(task_state& t) noexcept;

  completion_ref state_;
  task_state* task_ = nullptr;
  std::optional<std::size_t> handed_;
  bool waiting_ = false;
  bool other_loop_ = false;
};

}  // namespace sheaf::detail
