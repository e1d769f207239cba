#pragma once

#include <sheaf/detail/task_state.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace sheaf::detail {

/// The tasks of a loop at one moment, for messages: a line for each, and who waits for whom.
class task_dump {
 public:
  explicit task_dump(const loop_core& l);

  /// A line for each task, each begun with a newline.
  std::string lines() const;
  /// The circles of tasks of which each waits for the next one: for a lock that it holds, or
  /// for its end. Empty if there is none.
  std::string cycles() const;

 private:
  const task_state* find(std::uint64_t id) const noexcept;
  const task_state* waits_for(const task_state& t) const noexcept;
  std::string cycle_from(const task_state& first) const;

  std::vector<const task_state*>
      tasks_;  // in order of creation, which is that of the ids
};

/// What a task waits on, "mutex held by task 7 'x' (taken at a.cpp:3)"; `holder` is the task
/// that its holder() names, null if that has ended.
std::string describe_wait(const suspension& s, const task_state* holder);

}  // namespace sheaf::detail
