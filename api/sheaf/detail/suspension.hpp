#pragma once

#include <sheaf/exceptions.hpp>

#include <cstdint>

namespace sheaf::detail {

class task_state;

/// What a suspended task waits on; stands in the awaiting frame.
class suspension {
 public:
  suspension(const suspension&) = delete;
  suspension& operator=(const suspension&) = delete;

  /// Ends the wait: the task is queued, now or when what it waits on has ended. False if
  /// what it waits on refuses; the request is then delivered when the task runs next.
  virtual bool cancel(const cancel_ref& cause) noexcept = 0;

  /// Ends the wait whatever it is on, and queues the task. Used to break a cycle.
  virtual void interrupt() noexcept = 0;

  /// The task it waits for, to which a request is passed on; null if it is something else.
  virtual task_state* awaited_task() const noexcept { return nullptr; }

  /// For dumps and traces: "sleep", "task", "gather", and a number that tells which.
  virtual const char* kind() const noexcept = 0;
  virtual std::uint64_t object() const noexcept { return 0; }

 protected:
  suspension() = default;
  ~suspension() = default;
};

}  // namespace sheaf::detail
