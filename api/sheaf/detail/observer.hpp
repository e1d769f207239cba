#pragma once

#include <sheaf/runtime/ready_queue.hpp>

#include <cstdint>
#include <source_location>
#include <string>

namespace sheaf::detail {

class future_state;
class observer;

/// One registration with a future: that `who` wants to be told. Lives with who waits (in the
/// awaiting frame, in a join), so that adding and removing it is O(1) and allocates nothing.
struct watcher {
  watcher* prev = nullptr;  // null while not registered
  watcher* next = nullptr;
  observer* who = nullptr;

  bool registered() const noexcept { return prev != nullptr; }
};

/// What is told when a future settles.
class observer : public runtime::ready_node {
 public:
  /// Called while the future settles, in the order of registration; `w` is out of the list
  /// already. Must not run foreign code: it counts, and queues itself for the next batch.
  virtual void settled(watcher& w) noexcept = 0;

  /// The future dies unsettled: nothing will be told any more.
  virtual void forsaken(watcher&) noexcept {}

  /// The co_await that waits for the future, for dumps; line() is 0 if it is not known.
  virtual std::source_location awaits_at() const noexcept { return {}; }
  /// The future that it waits in the name of; null if it is none.
  virtual const future_state* settles() const noexcept { return nullptr; }

  /// What the task that it watches goes by, if it was given no name; empty for "Task-7".
  virtual std::string task_name() const { return {}; }

  /// Of a done callback, unique in its loop; 0 for all else.
  virtual std::uint64_t callback_id() const noexcept { return 0; }

 protected:
  observer() = default;
  ~observer() = default;
};

}  // namespace sheaf::detail
