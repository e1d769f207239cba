#pragma once

#include <string>
#include <utility>

namespace sheaf {

/// How create_task() makes a task.
class task_options {
 public:
  task_options() = default;

  /// The task's name, for traces and reports; without one it is "Task-<id>".
  task_options& name(std::string text) & {
    name_ = std::move(text);
    return *this;
  }
  task_options&& name(std::string text) && { return std::move(name(std::move(text))); }

  /// Runs the first step inside create_task(), as asyncio's eager_start.
  task_options& eager_start(bool on = true) & {
    eager_ = on;
    return *this;
  }
  task_options&& eager_start(bool on = true) && { return std::move(eager_start(on)); }

  const std::string& name() const noexcept { return name_; }
  bool is_eager() const noexcept { return eager_; }

 private:
  std::string name_;
  bool eager_ = false;
};

}  // namespace sheaf
