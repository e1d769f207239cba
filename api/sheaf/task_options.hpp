#pragma once

#include <sheaf/context_var.hpp>

#include <optional>
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

  /// Runs the task in `c` itself, in place of a copy of its creator's context.
  task_options& context(sheaf::context c) & {
    context_ = std::move(c);
    return *this;
  }
  task_options&& context(sheaf::context c) && { return std::move(context(std::move(c))); }

  const std::optional<sheaf::context>& given_context() const noexcept { return context_; }
  const std::string& name() const noexcept { return name_; }
  bool is_eager() const noexcept { return eager_; }

 private:
  std::string name_;
  bool eager_ = false;
  std::optional<sheaf::context> context_;
};

}  // namespace sheaf
