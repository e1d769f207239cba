#pragma once

#include <sheaf/detail/ambient_deadline.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/timing_wheel.hpp>

#include <cstdint>
#include <exception>

namespace sheaf::detail {

/// A time limit on a part of a task, from where it is entered to where it is left: asyncio's
/// Timeout, by the same protocol. At the deadline it cancels its task once; leaving it takes
/// that request back, and what comes out as `cancelled` is the scope's own, to be replaced by
/// timeout_error, if no further request is pending.
///
/// Counted: by the handles, and for each place that it has in the wheel or the ready queue.
/// What is due cannot be taken out of the ready queue, and may come after the scope was left.
class timeout_scope final : public runtime::timer_node, public runtime::pooled {
 public:
  static constexpr std::uint64_t never = ambient_deadline::never;

  timeout_scope() = default;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  /// Once: `t` runs, and the scope is the await that it is about to make. Scopes of a task are
  /// left in the opposite order.
  void enter(task_state& t) noexcept;

  /// Moves the deadline of a scope that was not left; one that has passed cancels the task in
  /// the next batch, before the step that the task may queue after this.
  void expire_at(std::uint64_t ns) noexcept;
  void expire_after(std::int64_t ns) noexcept;

  /// Leaves the scope. Whether a cancellation that comes out of it is its own.
  bool leave() noexcept;
  bool left() const noexcept { return state_ >= state::expired; }

  bool active() const noexcept { return state_ == state::entered; }
  bool expired() const noexcept {
    return state_ == state::expiring || state_ == state::expired;
  }
  std::uint64_t when() const noexcept { return when_; }
  const ambient_deadline& outer() const noexcept { return outer_; }
  std::uint64_t id() noexcept;
  /// Why it cannot be rescheduled.
  const char* state_word() const noexcept;

  /// Throws timeout_error, which stands for `c`.
  [[noreturn]] void throw_timeout(const char* what, const cancelled& c);
  /// Throws `e`, or if it is a cancellation and the scope's own, a timeout_error for it.
  [[noreturn]] void throw_on(const char* what, std::exception_ptr e, bool own);

  void run() noexcept override;
  void drop() noexcept override;

 private:
  enum class state : std::uint8_t { created, entered, expiring, expired, exited };

  ~timeout_scope() = default;
  void arm(std::uint64_t ns) noexcept;
  void queue() noexcept;
  void disarm() noexcept;

  std::uint64_t when_ = never;
  task_state* task_ = nullptr;  // valid until the scope is left
  ambient_deadline outer_;
  place_pointer place_ = nullptr;
  std::uint64_t id_ = 0;
  std::uint32_t references_ = 1;
  std::uint16_t cancelling_ = 0;  // of the task, when the scope was entered
  std::uint8_t scheduled_ = 0;    // places in the wheel and the ready queue
  state state_ = state::created;
};

using timeout_ref = runtime::intrusive_ptr<timeout_scope>;

/// The cancellation for which a limit is answerable, made in the name of `t`.
cancel_ref timeout_cause(const task_state& t, place_pointer at);

/// A limit of zero or less on what has not begun: it never does.
[[noreturn]] void throw_refused(const char* what, task_state& t, place_pointer at);

}  // namespace sheaf::detail
