#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string_view>

namespace sheaf::runtime {

/// What a trace_record says. The comment names what `a` and `b` hold; `task` is the task
/// the record is about and `name` its interned name unless the comment says otherwise.
enum class trace_kind : std::uint16_t {
  none,
  task_spawned,    // a parent, b place
  task_alive,      // a parent, b place: it lived before the recording began
  task_step,       // at begin, a end, b number of the step
  task_waits,      // a object, b place, name what it waits on
  task_woken,      // a waker
  task_done,       // -
  task_failed,     // b text of the error
  task_cancelled,  // a place << 32 | canceller, b text of the reason
  task_cancel,     // a place << 32 | canceller, b text of the reason
  task_orphan,     // -
  join_begin,      // task owner, a join, b children, name what joins
  join_child,      // task child, a join
  join_end,        // task first child, a join, b trace_result
  timer_arm,       // task who armed it, a due in ns, b timer
  timer_fire,      // a lateness in ns, b timer
  timer_disarm,    // b timer
  callback,        // at begin, a end, name what ran
  poll,            // at begin, a end, b timeout in ms (as int)
  iteration,       // task steps, at begin, a end, b callbacks
  counters,        // task armed timers, a ready depth, b live tasks
  work_submitted,  // a request, name of the work
  work_ran,        // task request, at begin, a end, b thread id, name of the work
  blocked,         // a place it came from << 32 | us, b place it got to
  unretrieved,     // b text of the error
  mark,            // name of the mark
};

/// One event, 32 bytes, plain data. Times are nanoseconds of the recorder's clock. Slices
/// are written once, when they end, so a ring that wraps loses whole slices and never
/// half of one.
struct trace_record {
  std::uint64_t at_ns;
  std::uint64_t task;
  std::uint64_t a;
  std::uint32_t b;
  trace_kind kind;
  std::uint16_t name;
};
static_assert(sizeof(trace_record) == 32);

/// A task as the hooks see it: its id (from 1, never reused) and the name id that
/// trace_recorder::task_spawned gave for it. Name 0 means "as it was spawned".
struct trace_task {
  std::uint64_t id = 0;
  std::uint16_t name = 0;
};

/// A source place. Borrows `file`, which must be static data; a std::source_location's
/// is.
struct trace_place {
  const char* file = nullptr;
  std::uint32_t line = 0;

  constexpr trace_place() = default;
  constexpr trace_place(const char* path, std::uint32_t number)
      : file(path), line(number) {}
  constexpr trace_place(const std::source_location& where)
      : file(where.file_name()), line(where.line()) {}
};

/// How much a recorder keeps.
class trace_limits {
 public:
  /// Keeps everything, in memory that grows by 2 MiB, up to `records` (32 bytes each).
  /// What comes after is counted in dropped().
  static trace_limits full(std::size_t records = std::size_t{16} << 20) {
    return {records, false};
  }

  /// Keeps the newest records in `bytes` of memory, touched once here and then reused.
  static trace_limits flight(std::size_t bytes = std::size_t{16} << 20) {
    return {bytes / sizeof(trace_record) + (bytes < sizeof(trace_record)), true};
  }

  std::size_t records() const { return records_; }
  bool is_flight() const { return flight_; }

 private:
  trace_limits(std::size_t records, bool flight) : records_(records), flight_(flight) {}
  std::size_t records_;
  bool flight_;
};

/// How a task, a wait or a join ended.
enum class trace_result : std::uint32_t { ok, error, cancelled, timeout };

/// The word for a result in files and tables: "ok", "error", "cancelled", "timeout".
std::string_view to_string(trace_result result) noexcept;

}  // namespace sheaf::runtime
