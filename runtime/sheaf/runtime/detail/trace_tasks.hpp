#pragma once

#include <sheaf/runtime/detail/trace_events.hpp>
#include <sheaf/runtime/detail/trace_joins.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sheaf::runtime::detail {

/// "file:line" of an interned place, without the "../" of a build folder; empty if
/// unknown.
std::string place_text(const trace_recorder& recorder, std::uint32_t place);

/// Draws the life of each task as nested async slices: the task, in it "ready" from
/// queued to running and "await X" from suspended to woken. While it runs neither is
/// open.
///
/// Fed in the order of a trace_layout. A task that the recording does not show the begin
/// of starts where it is first seen, with "cut"; one that it does not show the end of is
/// ended by finish(), with "open".
class trace_tasks {
 public:
  trace_tasks(const trace_recorder& recorder, trace_events& events)
      : recorder_(recorder), events_(events), joins_(recorder) {}

  void step_began(std::uint64_t task, std::uint16_t name, std::uint64_t ns);

  /// Any point record; those that concern no task or join are left alone.
  void point(const trace_record& entry, std::uint64_t ns);
  void finish(std::uint64_t ns);

  /// Who asked for a cancellation, why and where, as args of the open event.
  void cause(const trace_record& entry);

  /// The quoted name of a task, "Task-<id>" for one whose name is not known.
  std::string name_of(std::uint64_t task, std::uint16_t fallback);
  const std::string& quoted_name(std::uint16_t id);

 private:
  enum class phase { running, ready, waiting };
  struct track {
    std::string name;  // quoted
    std::uint16_t name_id = 0;
    phase now = phase::running;
    bool begun = false;
    bool woken_early = false;   // woken between its last step's begin and its wait
    bool cancel_seen = false;   // since it began to wait
    std::string wait_name;      // quoted, of the open wait
    std::uint16_t wait_on = 0;  // name id
    std::uint64_t wait_object = 0;
    std::uint64_t wait_due = 0;
  };

  struct past {
    trace_result result;
    std::uint16_t name_id;
  };

  std::string name_text(std::uint64_t task, std::uint16_t id);
  void made_at(const trace_record& entry);
  track& track_of(const trace_record& entry, std::uint64_t ns);
  void begin(track& t, const trace_record& entry, std::uint64_t ns, bool cut);
  void spawned(const trace_record& entry, std::uint64_t ns);
  void waits(const trace_record& entry, std::uint64_t ns);
  void wait_args(const trace_record& entry);
  void woken(track& t, std::uint64_t task, std::uint64_t ns);
  void ended(const trace_record& entry, std::uint64_t ns);
  void end_inner(track& t, std::uint64_t task, std::uint64_t ns, bool open);
  void ready(track& t, std::uint64_t task, std::uint64_t ns);
  void wait_result(const track& t);
  void join_began(const trace_record& entry, std::uint64_t ns);
  void join_ended(const trace_record& entry, std::uint64_t ns);
  trace_events& edge(char letter, std::uint64_t task, const std::string& name,
                     std::uint64_t ns);

  const trace_recorder& recorder_;
  trace_events& events_;
  trace_joins joins_;
  std::unordered_map<std::uint64_t, track> tracks_;
  std::unordered_map<std::uint64_t, past> ended_;
  std::vector<std::string> names_;  // quoted, by name id
};

}  // namespace sheaf::runtime::detail
