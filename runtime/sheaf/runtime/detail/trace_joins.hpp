#pragma once

#include <sheaf/runtime/trace.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace sheaf::runtime::detail {

/// Who joins whom: every gather, wait and group of a recording with its children. Built
/// before anything is printed, so that the begin of a join can name the children put
/// after it.
class trace_joins {
 public:
  struct join {
    std::string label;  // "gather(3)"
    std::uint64_t owner = 0;
    std::uint32_t size = 0;
    std::uint16_t what = 0;               // name id, as the wait for it has
    std::uint32_t place = 0;              // of the first co_await of it
    std::vector<std::uint64_t> children;  // the tasks among them
    std::vector<std::uint64_t> finished;  // in the order of their ends
    trace_result result = trace_result::ok;
    std::uint64_t first = 0;
    bool open = false;
    bool settled = false;
  };

  explicit trace_joins(const trace_recorder& recorder);

  join* find(std::uint64_t id);

  /// The join of a task that says where it is awaited, or null: the place that stands for
  /// the one where a child of gather(a(), b()) was made.
  const join* awaited_for(std::uint64_t task, std::uint64_t& id) const;

  /// Notes that a task is over, in every join that waits for it and is not settled yet.
  void finish(std::uint64_t task);

  /// The ids of the joins that have begun and not ended, ascending.
  std::vector<std::uint64_t> open() const;

 private:
  std::unordered_map<std::uint64_t, join> joins_;
  std::unordered_multimap<std::uint64_t, std::uint64_t> joins_of_;  // by child
};

/// Task ids as a JSON array; at most 1,000 of them, so that one event stays readable.
std::string task_list(const std::vector<std::uint64_t>& tasks);

}  // namespace sheaf::runtime::detail
