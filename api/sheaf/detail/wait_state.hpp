#pragma once

#include <sheaf/detail/deadline.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>

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
/// is met, as asyncio's callback would.
class wait_state : public observer, public suspension {
 public:
  using awaits_in_task = void;

  wait_state(std::vector<state_ref> children, return_when when,
             std::optional<std::int64_t> timeout_ns);
  ~wait_state() { leave(); }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }

  void settled(watcher& w) noexcept final;
  void run() noexcept final;
  std::source_location awaits_at() const noexcept final { return task_->waiting_at(); }
  void on_time() noexcept;
  void on_dropped() noexcept {}
  bool cancel(const cancel_ref& cause) noexcept final;
  void interrupt() noexcept final;
  const char* kind() const noexcept final { return "wait"; }
  std::uint64_t object() const noexcept final { return id_; }

 protected:
  /// Ends the wait; throws `cancelled`, or what was wrong with the arguments.
  void finish();
  /// The children that are done, in order of completion, by their index.
  const std::vector<std::size_t>& done_order() const noexcept { return done_order_; }
  bool is_done(std::size_t i) const noexcept { return children_[i].state->done(); }

 private:
  struct child {
    watcher registration;
    state_ref state;
  };

  bool begin(task_state& t) noexcept;
  void leave() noexcept;
  bool satisfied() const noexcept;
  void note_done(const child& c) noexcept;
  void wake() noexcept;
  void trace_begin() noexcept;

  std::vector<child> children_;
  std::vector<std::size_t> done_order_;
  return_when when_;
  std::optional<std::int64_t> timeout_ns_;
  deadline<wait_state> deadline_{*this};
  task_state* task_ = nullptr;
  bool has_exception_ = false;
  bool queued_ = false;  // or woken: the condition was met
  bool other_loop_ = false;
  std::uint32_t id_ = 0;
};

}  // namespace detail
}  // namespace sheaf
