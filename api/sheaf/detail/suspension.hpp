#pragma once

#include <sheaf/exceptions.hpp>

#include <cstddef>
#include <cstdint>

namespace sheaf::detail {

class task_state;

/// Who could end a wait: a task by its id, 0 if that is not known; and the place where it
/// took what is waited for, as a place_pointer, null if there is none.
struct wait_holder {
  std::uint64_t task = 0;
  const void* since = nullptr;
};

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

  /// Who could end the wait, for dumps and for the explanation of a deadlock: the task that
  /// is awaited, or that holds the lock.
  virtual wait_holder holder() const noexcept;

  /// For dumps and traces: "sleep", "task", "gather", and a number that tells which.
  virtual const char* kind() const noexcept = 0;
  virtual std::uint64_t object() const noexcept { return 0; }
  /// How many tasks it waits for, where that may be more than one; else 0.
  virtual std::size_t awaited_children() const noexcept { return 0; }

 protected:
  suspension() = default;
  ~suspension() = default;
};

}  // namespace sheaf::detail
