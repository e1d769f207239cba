#pragma once

#include <cstdint>

namespace sheaf::detail {

enum class task_flag : std::uint16_t {
  must_cancel = 1,    ///< requested; delivered at the next step
  interrupted = 2,    ///< delivered; thrown by the await that resumes
  queued_once = 4,    ///< the first step is queued, or more
  joined = 8,         ///< a child that a combinator made
  held = 16,          ///< of a limit, which starts it
  in_request = 32,    ///< on the path of a request that is being passed on
  named = 64,         ///< its loop knows the name; else it is "Task-<id>"
  has_context = 128,  ///< its loop knows it
  finishing = 256,    ///< awaited by finish(): its awaiter is told in its place
  must_leave = 512    ///< the library asked it to end, otherwise than by a time limit
};

/// How a task begins. `joined` and `held` are `queued` and `deferred` for a child that a
/// combinator makes: it may be discarded while the call that makes it goes on. The values are
/// the flags that the task begins with, so that making one is a store.
enum class start_mode : std::uint8_t {
  queued = 4,
  deferred = 0,  ///< waits for start()
  joined = 4 | 8,
  held = 8 | 16
};

/// The flags of a task in a word. Not bit-fields: testing two of those is two tests.
class task_flags {
 public:
  explicit task_flags(start_mode how) noexcept : bits_(static_cast<std::uint16_t>(how)) {}

  bool has(task_flag f) const noexcept { return (bits_ & bit(f)) != 0; }
  bool has_any(task_flag f, task_flag g) const noexcept {
    return (bits_ & (bit(f) | bit(g))) != 0;
  }
  void set(task_flag f) noexcept { bits_ = static_cast<std::uint16_t>(bits_ | bit(f)); }
  void clear(task_flag f) noexcept {
    bits_ = static_cast<std::uint16_t>(bits_ & ~bit(f));
  }

 private:
  static constexpr unsigned bit(task_flag f) noexcept { return static_cast<unsigned>(f); }
  std::uint16_t bits_;
};

}  // namespace sheaf::detail
