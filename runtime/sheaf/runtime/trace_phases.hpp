#pragma once

#include <cstdint>

struct uv_loop_s;

namespace sheaf::runtime {

class trace_recorder;

/// Where trace_phases reads the time: what the recorder's other callers read. Borrows
/// `context`.
struct trace_clock {
  std::uint64_t (*read)(const void* context);
  const void* context = nullptr;
};

/// How trace_phases tells the poll from the callbacks that run inside it.
enum class poll_span {
  /// From prepare to check. Callbacks of I/O run inside the slice. Right for a borrowed
  /// loop
  /// and for a virtual clock, as it needs nothing of the loop.
  prepare_to_check,
  /// Only the time asleep. The loop must have been configured with UV_METRICS_IDLE_TIME
  /// before
  /// its first turn and run on uv_hrtime(); a loop without it shows no poll at all.
  idle_time,
};

/// Records the turns of a loop: one poll slice and one iteration slice each, as siblings.
///
/// Costs two unreferenced handles, two clock reads and two records a turn, and keeps no
/// loop alive. Borrows the loop, the recorder and the clock's context, which must outlive
/// it. After the destructor it records nothing more; its memory is freed by the loop's
/// next turn, so an owner runs the loop once more before closing it. Belongs to the
/// loop's thread.
class trace_phases {
 public:
  trace_phases(uv_loop_s* loop, trace_recorder& recorder, trace_clock clock,
               poll_span span);

  /// Records the unfinished iteration up to now and stops.
  ~trace_phases();
  trace_phases(const trace_phases&) = delete;
  trace_phases& operator=(const trace_phases&) = delete;

 private:
  struct block;
  block* block_;  // owned; keeps until both handles are closed
};

}  // namespace sheaf::runtime
