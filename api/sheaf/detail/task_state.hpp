#pragma once

#include <sheaf/detail/ambient_deadline.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/promise_base.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_flags.hpp>
#include <sheaf/runtime/trace_hooks.hpp>
#include <sheaf/task_options.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::detail {

/// A task: a coroutine on its way through the ready queue, and the future of its result.
///
/// This is the driver: the one place where a coroutine is resumed. It resumes the innermost
/// coroutine in a loop; awaiting a coroutine and returning from one only name the next, so
/// that the depth of the stack does not grow with the depth of the awaits.
///
/// The loop holds a reference while the task has not ended. The frame dies when the
/// coroutine ends, before anybody is told; the result lives as long as a handle.
class task_state : public future_state, public task_link {
 public:
  // ---- what an awaiter may do, on suspending and on resuming ----

  /// The task waits on `s` from now on.
  void suspended_on(suspension& s) noexcept {
    waiting_on_ = &s;
    if (runtime::tracing(loop())) [[unlikely]]
      trace_wait(s.kind(), s.object());
  }
  /// Queues the next step; the wait is over.
  void wake() noexcept {
    waiting_on_ = nullptr;
    if (runtime::tracing(loop())) [[unlikely]]
      trace_wake();
    loop().post(*this);
  }
  /// The same, by way of `n`, which stands in the queue in the task's place: its run() calls
  /// the task's, or has it wait again.
  void wake_through(runtime::ready_node& n) noexcept {
    waiting_on_ = nullptr;
    if (runtime::tracing(loop())) [[unlikely]]
      trace_wake();
    loop().post(n);
  }
  /// Whether a request is to be delivered at the next step.
  bool must_cancel() const noexcept { return flags_.has(task_flag::must_cancel); }
  /// Queues the next step without having waited: sleep(0).
  void yield() noexcept {
    if (runtime::tracing(loop())) [[unlikely]]
      trace_yield();
    loop().post(*this);
  }
  /// Wakes, to find a cancellation in place of what it waited for.
  void wake_cancelled() noexcept {
    flags_.set(task_flag::interrupted);
    wake();
  }
  /// Whether throw_if_interrupted() is going to throw.
  bool interrupted() const noexcept { return flags_.has(task_flag::interrupted); }
  /// First thing on resuming: throws the cancellation that was delivered, if one was. Inline
  /// with its throw: each frame between that and the catch costs a fifth of a cancellation.
  [[gnu::always_inline]] void throw_if_interrupted() {
    if (interrupted()) [[unlikely]]
      throw take_interrupt();
  }
  /// The same after a wait for `awaited`: a cancellation that this ended with was first.
  [[gnu::always_inline]] void throw_if_interrupted(const future_state& awaited) {
    if (flags_.has(task_flag::interrupted)) [[unlikely]]
      throw take_interrupt(awaited);
  }
  /// For who does not throw it: whether a cancellation was delivered, which it then was.
  bool consume_interrupt() noexcept {
    const bool was = flags_.has(task_flag::interrupted);
    flags_.clear(task_flag::interrupted);
    return was;
  }
  /// For what came to its end before it could be stopped: what was delivered is delivered
  /// anew, by the next await.
  void postpone_interrupt() noexcept {
    if (consume_interrupt()) flags_.set(task_flag::must_cancel);
  }
  /// While set, a request that comes around to this task again ends at the one before it.
  void mark_in_request(bool on) noexcept {
    on ? flags_.set(task_flag::in_request) : flags_.clear(task_flag::in_request);
  }

  // ---- the coroutines ----
  promise_base* innermost() const noexcept { return innermost_; }
  void set_innermost(promise_base* p) noexcept { innermost_ = p; }
  /// What the innermost coroutine threw, on its way to the one that awaits it.
  void throw_in_flight(std::exception_ptr e) noexcept {
    error_ = std::move(e);
    eventful_ = true;
  }
  bool has_in_flight() const noexcept { return error_ != nullptr; }
  std::exception_ptr take_in_flight() noexcept { return std::exchange(error_, nullptr); }
  /// Its own coroutine threw after it returned a value: a local's destructor did.
  void drop_result() noexcept {
    if (result_kept_) discard_value();
  }

  // ---- deadlines ----
  const ambient_deadline& ambient() const noexcept { return ambient_; }
  void set_ambient(ambient_deadline d) noexcept { ambient_ = d; }

  // ---- tasks as asyncio has them ----
  bool cancel(const cancel_ref& cause) noexcept override;
  unsigned cancelling() const noexcept { return cancelling_; }
  unsigned uncancel() noexcept;
  /// Some request not taken back is the library's: a sibling failed, the loop is ending.
  bool must_leave() const noexcept { return flags_.has(task_flag::must_leave); }
  std::uint64_t id() const noexcept { return id_; }
  std::string name() const;
  /// Empty if none was given.
  std::string given_name() const;
  bool named() const noexcept { return flags_.has(task_flag::named); }
  void set_name(std::string name);
  std::source_location created_at() const noexcept { return created_at_; }
  /// The last await of a task that failed; line() is 0 if there was none.
  std::source_location failed_at() const noexcept;
  /// Where it waits: its innermost await; line() is 0 before the first.
  std::source_location waiting_at() const noexcept;
  std::source_location awaits_at() const noexcept final { return waiting_at(); }
  /// Whether its coroutine has run: it is then suspended at an await.
  bool begun() const noexcept { return innermost() && innermost()->has_place(); }
  const suspension* waiting_on() const noexcept { return done() ? nullptr : waiting_on_; }
  /// The places of its awaits, innermost first.
  std::vector<std::source_location> stack() const;
  /// The name of its own coroutine's function; empty once that has ended.
  const char* function() const noexcept;
  /// One line: id, name, state, what it waits on and where. `holder` is the task that its
  /// wait's holder() names, null if that has ended.
  std::string describe(const task_state* holder) const;
  /// The same; looks for that task in the loop's list.
  std::string describe() const;
  /// A report about it: its exception, what it is called, where it was made and waits.
  exception_context describe_as(std::string message) const;

  const char* kind() const noexcept final { return "task"; }
  std::uint64_t trace_id() const noexcept final { return id_; }

  void run() noexcept final;
  void drop() noexcept final;
  /// The frame, and what is told and changed if this step is the last.
  void prefetch() const noexcept final {
    __builtin_prefetch(innermost_);
    __builtin_prefetch(reinterpret_cast<const char*>(innermost_) + 64);
    prefetch_watcher();
    __builtin_prefetch(prev_task);
    __builtin_prefetch(next_task);
  }
  void prefetch_state() const noexcept {
    __builtin_prefetch(this);
    __builtin_prefetch(reinterpret_cast<const char*>(this) + 64);
  }
  void settled(watcher&) noexcept final { wake(); }

  /// Debug mode remembers where a cancellation was thrown. Its coroutine may have ended, where
  /// the destructor of an argument asks for a result.
  void note_told() noexcept {
    if (innermost()) loop().notes().told(id_, innermost()->last_place());
  }

  /// Records a task that was there before the recording began, and what it waits on.
  void trace_alive() noexcept;
  /// Records the step under way, as far as it has come: the recording ends in it.
  void trace_open_step() noexcept;
  /// Records a deferred task, when its name is known.
  void trace_named() noexcept {
    if (runtime::tracing(loop())) [[unlikely]]
      trace_spawn();
  }
  /// Gives the task a context, from its next step on, or at once if it runs.
  void run_in(context_ref c);
  /// Takes a copy of the context that is current, if there is something in it.
  void inherit_context();

  /// Queues the first step, if the task was made with deferred start.
  void start() noexcept;
  /// Runs the first step now, inside the task that runs: asyncio's eager start.
  void start_eagerly() noexcept;
  /// Destroys the frames of a task that does not end by itself, innermost first, and settles
  /// it as cancelled.
  void abandon() noexcept;

  /// It gave a value, and its loop keeps nothing for it.
  bool has_plain_value() const noexcept {
    return value_lives() && !flags_.has_any(task_flag::named, task_flag::has_context);
  }
  /// Made by a combinator that holds it back until a limit allows.
  bool held() const noexcept { return flags_.has(task_flag::held); }
  bool child_of_call() const noexcept { return flags_.has(task_flag::joined); }
  /// Awaited by finish(), which passes no cancellation on.
  bool finishing() const noexcept { return flags_.has(task_flag::finishing); }
  void set_finishing() noexcept { flags_.set(task_flag::finishing); }
  /// Ends a task that has not begun, with its frame, at once: the call that made it failed.
  void discard() noexcept;

 protected:
  task_state(loop_core& l, promise_base& root, std::source_location at,
             start_mode how) noexcept
      : future_state(l, true, 2),  // the loop's reference, and the caller's
        flags_(how),
        innermost_(&root),
        id_(l.next_task_id()),
        created_at_(at) {
    root.set_task(this);
    l.enlist(*this);
    if (l.may_have_context()) [[unlikely]]
      inherit_context();
    if (l.deadlines_used()) [[unlikely]]
      inherit_deadline();
    if (how != start_mode::deferred && runtime::tracing(l)) [[unlikely]]
      trace_spawn();
    if (flags_.has(task_flag::queued_once)) l.post(*this);
  }
  ~task_state() override {
    if (flags_.has_any(task_flag::named, task_flag::has_context)) [[unlikely]]
      forget_details();
  }

 private:
  bool deliver() noexcept;
  bool prepare_unusually() noexcept;
  void forget_details() noexcept;
  inline void resume_until_suspended() noexcept;
  inline void returned(promise_base* root) noexcept;
  void end_unusually(promise_base* root) noexcept;
  void end_uncancelled(place_pointer told_at) noexcept;
  void settle_failed(promise_base& root) noexcept;
  inline void end(future_status s) noexcept;
  void request_own_cancellation() noexcept;
  void observed_run() noexcept;
  void traced_steps() noexcept;
  void report_slow(place_pointer from, std::chrono::nanoseconds took) noexcept;
  void note_request(const cancel_ref& cause) noexcept;
  void pass_request(const cancel_ref& cause) noexcept;
  void interrupt_or_mark(const cancel_ref& cause) noexcept;
  [[gnu::cold]] cancelled take_interrupt() noexcept;
  [[gnu::cold]] cancelled take_interrupt(const future_state& awaited) noexcept;
  void inherit_deadline() noexcept;
  exception_context describe_unretrieved() const override;

  void trace_spawn() noexcept;
  void trace_wait(const char* kind, std::uint64_t object) noexcept;
  void trace_wake() noexcept;
  void trace_yield() noexcept;
  void trace_end(future_status how) noexcept;
  void trace_blocked(std::uint64_t began, std::uint64_t ended,
                     place_pointer from) noexcept;
  std::uint16_t trace_name() const noexcept;

  task_flags flags_;
  std::uint16_t cancelling_ = 0;
  std::uint32_t steps_ = 0;  // counted while tracing

  promise_base* innermost_;  // null once the coroutine has ended
  union {
    suspension* waiting_on_ = nullptr;  // null while it runs or is queued
    place_pointer failed_at_;           // once it has failed: its coroutine's last await
  };
  std::uint64_t id_;
  std::source_location created_at_;
  ambient_deadline ambient_;
};

using task_ref = runtime::intrusive_ptr<task_state>;

/// Whether a combinator made `s` from a coro.
inline bool child_of_call(const future_state& s) noexcept {
  return s.is_task() && static_cast<const task_state&>(s).child_of_call();
}

}  // namespace sheaf::detail
