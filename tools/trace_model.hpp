#pragma once

#include "trace_reader.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sheaf::tools {

/// One task of a trace. Times in ns; a task that the trace cuts has what the trace shows.
struct task_row {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::string name;
  std::string state = "open";  // done error cancelled orphan, or open: alive at the end
  std::string at;              // where it was spawned
  std::string note;            // its error, or who cancelled it and why
  std::string waits_on;        // the name of its last wait
  std::string waits_at;        // and the place of that
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t busy = 0;
  std::uint64_t ready = 0;
  std::uint64_t wait = 0;
  std::uint64_t longest = 0;  // of its steps
  std::uint64_t steps = 0;

  std::uint64_t alive() const { return end - begin; }
};

/// A warning of the trace: loop.blocked, future.unretrieved, task.orphan.
struct finding {
  std::string name;
  std::uint64_t at = 0;    // ns
  std::uint64_t task = 0;  // 0: none
  std::uint64_t us = 0;    // of loop.blocked
  std::string words;       // an error, or a place
};

/// What the verbs want to know of a trace, built event by event without keeping the
/// events.
class trace_model {
 public:
  /// Reads a whole file; a file_error when that cannot be done.
  explicit trace_model(const std::string& path);

  /// By id, ascending.
  const std::map<std::uint64_t, task_row>& tasks() const { return tasks_; }
  const std::vector<finding>& findings() const { return findings_; }
  std::uint64_t span_ns() const { return end_ > begin_ ? end_ - begin_ : 0; }
  const json& metadata() const { return metadata_; }
  const std::string& loop_name() const { return loop_name_; }

  std::uint64_t events = 0;
  std::uint64_t poll_ns = 0;
  std::uint64_t iterations = 0;
  std::uint64_t longest_iteration = 0;
  std::uint64_t max_live = 0;
  std::uint64_t max_ready = 0;   // depth of the ready queue
  std::uint64_t max_timers = 0;  // armed at once
  std::uint64_t work_ns = 0;
  std::vector<std::uint64_t> ready_ns;   // one a wait for the loop, not sorted
  std::vector<std::uint64_t> late_us;    // one a timer
  std::vector<std::uint64_t> queued_us;  // one a request of the pool

 private:
  struct open_slice {
    bool is_ready;
    std::uint64_t begin;
  };

  void event(const json& event);
  void slice(const json& event);
  void step(const json& args, std::uint64_t ns);
  void instant(const json& event);
  void counter(const json& event);
  void begin(const json& event);
  void inner_begin(task_row& task, const json& event);
  void end(const json& event);
  void outcome(task_row& task, const json& args);
  static std::string cause(const json& args);

  std::map<std::uint64_t, task_row> tasks_;
  std::map<std::uint64_t, std::vector<open_slice>> open_;  // by task
  std::vector<finding> findings_;
  json metadata_ = json::object();
  std::string loop_name_;
  std::uint64_t begin_ = ~std::uint64_t{0};
  std::uint64_t end_ = 0;
};

/// The value that a share of `values` does not exceed, 0 for none: percentile(v, 0.99).
std::uint64_t percentile(std::vector<std::uint64_t> values, double share);

/// ns in ms with three decimals or fewer: "66.58", "0.049".
std::string in_ms(std::uint64_t ns);

}  // namespace sheaf::tools
