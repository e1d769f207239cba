#pragma once

#include <sheaf/runtime/trace_store.hpp>

#include <cstdint>
#include <string_view>

namespace sheaf::runtime {

/// Records what a loop does, as 32-byte records in memory; trace_json.hpp makes a file of
/// it.
///
/// The hooks below are its hot path: each is a store of 32 bytes behind one branch; those
/// with a name or a text look it up first. None throws: what finds no memory is counted
/// in dropped(). The recorder never reads a clock: `at_ns`, `begin_ns` and `end_ns` are
/// nanoseconds that the caller read, from uv_hrtime() or a virtual clock, always the same
/// one.
///
/// Call the hooks in the order things happen, a slice (step, callback, poll, iteration)
/// when it ends; that order decides among equal times. Task ids start at 1, 0 means "no
/// task". One recorder belongs to one thread. It owns copies of all names and texts.
class trace_recorder : public trace_store {
 public:
  explicit trace_recorder(trace_limits limits = trace_limits::full(),
                          std::uint64_t start_ns = 0)
      : trace_store(limits, start_ns) {}

  // --- tasks

  /// A task was created by `parent` (0: by no task) and queued for its first step. Its
  /// name is 0 (the file then says "Task-<id>") or from intern() or intern_function(), and
  /// what the other hooks want in trace_task::name.
  void task_spawned(std::uint64_t at_ns, std::uint64_t task, std::uint64_t parent,
                    std::uint16_t name, trace_place place) noexcept {
    ++tasks_;
    put(trace_kind::task_spawned, task, name, parent, intern(place), at_ns);
  }

  /// The same for a task that lived before the recording began: call it for each one when
  /// tracing starts, then task_waits() for those that are suspended.
  void task_alive(std::uint64_t at_ns, std::uint64_t task, std::uint64_t parent,
                  std::uint16_t name, trace_place place) noexcept {
    ++tasks_;
    put(trace_kind::task_alive, task, name, parent, intern(place), at_ns);
  }

  /// One resume..suspend of a task is over. `number` counts its steps from 1.
  void step(std::uint64_t begin_ns, std::uint64_t end_ns, trace_task task,
            std::uint32_t number) noexcept {
    ++steps_;
    put(trace_kind::task_step, task.id, task.name, end_ns, number, begin_ns);
  }

  /// A running task is about to suspend: `on` is a string literal, such as "sleep",
  /// "future", "task", "gather", "wait", "as_completed", "yield", "thread", "mutex",
  /// "read". `object` is the due time in ns for "sleep", the task for "task", the task that
  /// holds it for "mutex", the join for what joins, else any id that tells two objects of a
  /// kind apart, or 0.
  void task_waits(std::uint64_t at_ns, std::uint64_t task, const char* on,
                  std::uint64_t object, trace_place place) noexcept {
    put(trace_kind::task_waits, task, intern_literal(on), object, intern(place), at_ns);
  }

  /// The wake-up of a suspended task was queued, by the task `by` (0: by a callback).
  void task_woken(std::uint64_t at_ns, trace_task task, std::uint64_t by) noexcept {
    put(trace_kind::task_woken, task.id, task.name, by, 0, at_ns);
  }

  /// The task returned a value.
  void task_done(std::uint64_t at_ns, trace_task task) noexcept {
    --tasks_;
    put(trace_kind::task_done, task.id, task.name, 0, 0, at_ns);
  }

  /// The task threw.
  void task_failed(std::uint64_t at_ns, trace_task task,
                   std::string_view error) noexcept {
    --tasks_;
    put(trace_kind::task_failed, task.id, task.name, 0, text(error), at_ns);
  }

  /// The task ended as cancelled, on the request that `by` (0: no task) made at `place`.
  /// Only the low 32 bits of `by` are kept.
  void task_cancelled(std::uint64_t at_ns, trace_task task, std::uint64_t by,
                      std::string_view reason, trace_place place) noexcept {
    --tasks_;
    put(trace_kind::task_cancelled, task.id, task.name,
        with_place(place, static_cast<std::uint32_t>(by)), text(reason), at_ns);
  }

  /// `by` (0: no task) asked `task` to stop. Only the low 32 bits of `by` are kept.
  void cancel_requested(std::uint64_t at_ns, trace_task task, std::uint64_t by,
                        std::string_view reason, trace_place place) noexcept {
    put(trace_kind::task_cancel, task.id, task.name,
        with_place(place, static_cast<std::uint32_t>(by)), text(reason), at_ns);
  }

  /// A task was destroyed while it was suspended.
  void task_orphan(std::uint64_t at_ns, trace_task task) noexcept {
    put(trace_kind::task_orphan, task.id, task.name, 0, 0, at_ns);
  }

  /// Tasks recorded as made and not as ended.
  std::uint32_t live_tasks() const noexcept { return tasks_; }

  // --- joins: gather, wait, as_completed, race, a task group

  /// `owner` (0: no task) joins `children` awaitables; `what` is a string literal. `join`
  /// is an id of the caller's choice, unique among joins and below 2^32. Follow with its
  /// children.
  void join_begin(std::uint64_t at_ns, std::uint64_t join, const char* what,
                  std::uint32_t children, std::uint64_t owner) noexcept {
    put(trace_kind::join_begin, owner, intern_literal(what), join, children, at_ns);
  }
  void join_child(std::uint64_t at_ns, std::uint64_t join, std::uint64_t child) noexcept {
    put(trace_kind::join_child, child, 0, join, 0, at_ns);
  }

  /// The join is settled; `first` is the child that decided it (0: none, or not a task).
  void join_end(std::uint64_t at_ns, std::uint64_t join, trace_result result,
                std::uint64_t first) noexcept {
    put(trace_kind::join_end, first, 0, join, static_cast<std::uint32_t>(result), at_ns);
  }

  // --- the loop

  /// A deadline was armed by `task` (0: by no task). `timer` is an id, kept to 32 bits,
  /// that is not used again before the deadline has fired or was disarmed.
  void timer_arm(std::uint64_t at_ns, std::uint64_t timer, std::uint64_t due_ns,
                 std::uint64_t task) noexcept {
    put(trace_kind::timer_arm, task, 0, due_ns, static_cast<std::uint32_t>(timer), at_ns);
  }
  void timer_fire(std::uint64_t at_ns, std::uint64_t timer,
                  std::uint64_t late_ns) noexcept {
    put(trace_kind::timer_fire, 0, 0, late_ns, static_cast<std::uint32_t>(timer), at_ns);
  }
  void timer_disarm(std::uint64_t at_ns, std::uint64_t timer) noexcept {
    put(trace_kind::timer_disarm, 0, 0, 0, static_cast<std::uint32_t>(timer), at_ns);
  }

  /// A callback is over: of call_soon, of the timer, of a read. `what` is a string
  /// literal.
  void callback(std::uint64_t begin_ns, std::uint64_t end_ns, const char* what) noexcept {
    ++callbacks_;
    put(trace_kind::callback, 0, intern_literal(what), end_ns, 0, begin_ns);
  }

  /// The loop slept in poll, or a virtual clock jumped.
  void poll(std::uint64_t begin_ns, std::uint64_t end_ns, int timeout_ms) noexcept {
    const auto timeout = static_cast<std::uint32_t>(timeout_ms);
    put(trace_kind::poll, 0, 0, end_ns, timeout, begin_ns);
    awake_since_ = end_ns;
  }
  /// The end of the last poll; 0 before the first.
  std::uint64_t awake_since() const noexcept { return awake_since_; }

  /// One turn from the end of a poll to the begin of the next, with the number of steps
  /// and callbacks recorded since the last one; nothing if it took no time and held none.
  void iteration(std::uint64_t begin_ns, std::uint64_t end_ns) noexcept {
    if (end_ns <= begin_ns && steps_ == 0 && callbacks_ == 0) return;
    if (!said_blocked_ && too_long(begin_ns, end_ns)) [[unlikely]]
      blocked(end_ns, end_ns - begin_ns, 0, {}, {});
    put(trace_kind::iteration, steps_, 0, end_ns, callbacks_, begin_ns);
    steps_ = callbacks_ = 0;
    said_blocked_ = false;
  }

  /// The depth of the ready queue, the armed deadlines and the live tasks, as they are
  /// from now on. Kept where one has changed.
  void counters(std::uint64_t at_ns, std::uint64_t ready, std::uint64_t timers,
                std::uint32_t live) noexcept {
    if (ready == ready_ && timers == timers_ && live == live_) return;
    ready_ = ready;
    timers_ = timers;
    live_ = live;
    put(trace_kind::counters, timers, 0, ready, live, at_ns);
  }

  /// `task` (0: none) gave work to the thread pool; `request` is unique among requests.
  /// work_ran() is called on the loop's thread when the result arrives there, with the
  /// times and the thread id that the worker took.
  void work_submitted(std::uint64_t at_ns, std::uint64_t request, const char* what,
                      std::uint64_t task) noexcept {
    put(trace_kind::work_submitted, task, intern_literal(what), request, 0, at_ns);
  }
  void work_ran(std::uint64_t begin_ns, std::uint64_t end_ns, std::uint64_t request,
                const char* what, std::uint32_t thread) noexcept {
    put(trace_kind::work_ran, request, intern_literal(what), end_ns, thread, begin_ns);
  }

  // --- warnings and marks

  /// From now on steps, callbacks and turns that take `ns` or more are worth a warning.
  void warn_from(std::uint64_t ns) noexcept { warn_from_ = ns; }
  bool too_long(std::uint64_t begin_ns, std::uint64_t end_ns) const noexcept {
    return end_ns - begin_ns >= warn_from_ && end_ns > begin_ns;
  }

  /// A step of `task`, or a callback or a turn of many (0), held the loop for `held_ns`,
  /// between its await at `from` and the one at `to`. At most 71 minutes.
  void blocked(std::uint64_t at_ns, std::uint64_t held_ns, std::uint64_t task,
               trace_place from, trace_place to) noexcept {
    const auto us = static_cast<std::uint32_t>(held_ns / 1000);
    put(trace_kind::blocked, task, 0, with_place(from, us), intern(to), at_ns);
    said_blocked_ = true;
  }
  /// An error that nobody looked at was dropped.
  void unretrieved(std::uint64_t at_ns, trace_task task,
                   std::string_view error) noexcept {
    put(trace_kind::unretrieved, task.id, task.name, 0, text(error), at_ns);
  }
  /// A moment that the program wants to see.
  void mark(std::uint64_t at_ns, std::uint64_t task, std::string_view name) noexcept {
    put(trace_kind::mark, task, intern(name), 0, 0, at_ns);
  }

 private:
  std::uint64_t with_place(trace_place place, std::uint32_t low) noexcept {
    return std::uint64_t{intern(place)} << 32 | low;
  }

  std::uint64_t ready_ = ~std::uint64_t{0};  // the last counters; none yet
  std::uint64_t timers_ = 0;
  std::uint32_t live_ = 0;
  std::uint32_t tasks_ = 0;
  std::uint64_t steps_ = 0;  // since the last iteration()
  std::uint32_t callbacks_ = 0;
  bool said_blocked_ = false;      // since the last iteration()
  std::uint64_t awake_since_ = 0;  // the end of the last poll
  std::uint64_t warn_from_ = ~std::uint64_t{0};
};

}  // namespace sheaf::runtime
