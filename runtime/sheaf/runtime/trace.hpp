#pragma once

#include <sheaf/runtime/trace_record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

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
class trace_recorder {
 public:
  explicit trace_recorder(trace_limits limits = trace_limits::full(),
                          std::uint64_t start_ns = 0);
  ~trace_recorder();
  trace_recorder(const trace_recorder&) = delete;
  trace_recorder& operator=(const trace_recorder&) = delete;

  // --- tasks

  /// A task was created by `parent` (0: by no task) and queued for its first step. Gives
  /// the name id that the other hooks want in trace_task::name.
  std::uint16_t task_spawned(std::uint64_t at_ns, std::uint64_t task,
                             std::uint64_t parent, std::string_view name,
                             trace_place place) noexcept {
    const auto id = intern(name);
    put(trace_kind::task_spawned, task, id, parent, intern(place), at_ns);
    return id;
  }

  /// The same for a task that lived before the recording began: call it for each one when
  /// tracing starts, then task_waits() for those that are suspended.
  std::uint16_t task_alive(std::uint64_t at_ns, std::uint64_t task, std::uint64_t parent,
                           std::string_view name, trace_place place) noexcept {
    const auto id = intern(name);
    put(trace_kind::task_alive, task, id, parent, intern(place), at_ns);
    return id;
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
    put(trace_kind::task_done, task.id, task.name, 0, 0, at_ns);
  }

  /// The task threw.
  void task_failed(std::uint64_t at_ns, trace_task task,
                   std::string_view error) noexcept {
    put(trace_kind::task_failed, task.id, task.name, 0, text(error), at_ns);
  }

  /// The task ended as cancelled, on the request of `by` (0: of no task).
  void task_cancelled(std::uint64_t at_ns, trace_task task, std::uint64_t by,
                      std::string_view reason) noexcept {
    put(trace_kind::task_cancelled, task.id, task.name, by, text(reason), at_ns);
  }

  /// `by` (0: no task) asked `task` to stop. Only the low 32 bits of `by` are kept.
  void cancel_requested(std::uint64_t at_ns, trace_task task, std::uint64_t by,
                        std::string_view reason, trace_place place) noexcept {
    const auto who = std::uint64_t{intern(place)} << 32 | static_cast<std::uint32_t>(by);
    put(trace_kind::task_cancel, task.id, task.name, who, text(reason), at_ns);
  }

  /// A task was destroyed while it was suspended.
  void task_orphan(std::uint64_t at_ns, trace_task task) noexcept {
    put(trace_kind::task_orphan, task.id, task.name, 0, 0, at_ns);
  }

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

  /// A deadline was armed for `task` (0: for a callback). `timer` is any id, kept to 32
  /// bits.
  void timer_arm(std::uint64_t at_ns, std::uint64_t timer, std::uint64_t due_ns,
                 std::uint64_t task) noexcept {
    put(trace_kind::timer_arm, task, 0, due_ns, static_cast<std::uint32_t>(timer), at_ns);
  }
  void timer_fire(std::uint64_t at_ns, std::uint64_t timer, std::uint64_t late_ns,
                  std::uint64_t task) noexcept {
    put(trace_kind::timer_fire, task, 0, late_ns, static_cast<std::uint32_t>(timer),
        at_ns);
  }

  /// A callback is over: of call_soon, of the timer, of a read. `what` is a string
  /// literal.
  void callback(std::uint64_t begin_ns, std::uint64_t end_ns, const char* what) noexcept {
    ++callbacks_;
    put(trace_kind::callback, 0, intern_literal(what), end_ns, 0, begin_ns);
  }

  /// The loop slept in poll; trace_phases.hpp calls this and iteration().
  void poll(std::uint64_t begin_ns, std::uint64_t end_ns, int timeout_ms) noexcept {
    const auto timeout = static_cast<std::uint32_t>(timeout_ms);
    put(trace_kind::poll, 0, 0, end_ns, timeout, begin_ns);
  }

  /// One turn from the end of a poll to the begin of the next, with the number of steps
  /// and callbacks recorded since the last one.
  void iteration(std::uint64_t begin_ns, std::uint64_t end_ns) noexcept {
    put(trace_kind::iteration, steps_, 0, end_ns, callbacks_, begin_ns);
    steps_ = callbacks_ = 0;
  }

  /// The depth of the ready queue and the number of live tasks: at most once per turn.
  void counters(std::uint64_t at_ns, std::uint64_t ready, std::uint32_t live) noexcept {
    put(trace_kind::counters, 0, 0, ready, live, at_ns);
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

  /// One step or callback (task 0) held the loop for `held_ns`.
  void blocked(std::uint64_t at_ns, std::uint64_t held_ns, std::uint64_t task,
               trace_place place) noexcept {
    put(trace_kind::blocked, task, 0, held_ns, intern(place), at_ns);
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

  /// Stores one record as it is.
  void put(trace_kind kind, std::uint64_t task, std::uint16_t name, std::uint64_t a,
           std::uint32_t b, std::uint64_t at_ns) noexcept {
    if (cursor_ == end_ && !refill()) return;
    *cursor_++ = {at_ns, task, a, b, kind, name};
  }

  /// A short id for a name, the same for equal names. The table holds 4,096 different
  /// ones; all further names are "…". Keep names few: the number of a thing belongs
  /// beside its name.
  std::uint16_t intern(std::string_view name) noexcept;

  /// The same for static strings, which are told apart by their address first: about 1
  /// ns.
  std::uint16_t intern_literal(const char* name) noexcept {
    auto& slot = literals_[slot_of(name)];
    return slot.text == name ? slot.id : literal_miss(slot, name);
  }

  /// A place as 32 bits, file << 20 | line. 4,095 files and a million lines are told
  /// apart.
  std::uint32_t intern(trace_place place) noexcept {
    auto& slot = files_cache_[slot_of(place.file)];
    const std::uint32_t file =
        slot.text == place.file ? slot.id : file_miss(slot, place.file);
    return file << 20 | (place.line < 0xfffff ? place.line : 0xfffff);
  }

  /// Keeps a text that need not repeat: an error, a reason. Cut at 256 bytes; beyond 4
  /// MiB in all the answer is 0, as for an empty text.
  std::uint32_t text(std::string_view words) noexcept {
    return words.empty() ? 0 : text_miss(words);
  }

  // --- reading, for who writes it out

  /// The records in the order they were put; flight mode has the newest ones only.
  std::size_t size() const noexcept;
  const trace_record& operator[](std::size_t index) const noexcept;

  std::string_view name(std::uint16_t id) const noexcept;
  std::string_view text_of(std::uint32_t id) const noexcept;
  std::string_view file_of(std::uint32_t place) const noexcept;
  static std::uint32_t line_of(std::uint32_t place) noexcept { return place & 0xfffff; }

  /// Records that were lost: past the limit, overwritten by the ring, or without memory.
  std::uint64_t dropped() const noexcept;
  std::uint64_t start_ns() const noexcept { return start_ns_; }
  bool is_flight() const noexcept { return limits_.is_flight(); }

  /// Forgets all records and keeps names, texts and, in flight mode, memory.
  void clear() noexcept;

 private:
  static constexpr std::size_t chunk_shift = 16;
  static constexpr std::size_t chunk_size = std::size_t{1} << chunk_shift;
  struct cache_slot {
    const char* text = nullptr;
    std::uint16_t id = 0;
  };
  struct chunk_delete {
    void operator()(trace_record* records) const noexcept;
  };
  using chunk = std::unique_ptr<trace_record[], chunk_delete>;

  static std::size_t slot_of(const char* text) noexcept {
    return (reinterpret_cast<std::uintptr_t>(text) * 0x9e3779b97f4a7c15U) >> 58;
  }
  bool refill() noexcept;
  bool grow() noexcept;
  std::uint16_t literal_miss(cache_slot& slot, const char* name) noexcept;
  std::uint16_t file_miss(cache_slot& slot, const char* file) noexcept;
  std::uint32_t text_miss(std::string_view words) noexcept;

  trace_record* cursor_ = nullptr;  // where the next record goes
  trace_record* end_ = nullptr;     // where the open chunk, or the ring, ends
  std::uint64_t steps_ = 0;         // since the last iteration()
  std::uint32_t callbacks_ = 0;
  std::array<cache_slot, 64> literals_{};
  std::array<cache_slot, 64> files_cache_{};

  trace_limits limits_;
  std::uint64_t start_ns_;
  std::vector<chunk> chunks_;
  std::uint64_t laps_ = 0;  // how often the ring has wrapped
  std::uint64_t lost_ = 0;

  struct string_table;
  std::unique_ptr<string_table> strings_;
};

}  // namespace sheaf::runtime
