#pragma once

#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>

#include <coroutine>
#include <exception>

namespace sheaf::detail {

class arrival_wait;

/// Where things come that one task at a time waits for: datagrams, changes of a file.
///
/// What derives from it keeps them, calls arrived() when one has come, and lets go of nothing
/// that a woken task has not taken: a cancelled wait loses none.
class arrivals {
 public:
  arrivals(const arrivals&) = delete;
  arrivals& operator=(const arrivals&) = delete;
  virtual ~arrivals() = default;

  /// Wakes the task that waits; without effect if none does.
  void arrived() noexcept;

 protected:
  arrivals() = default;

 private:
  friend class arrival_wait;
  /// Whether there is something to take, or nothing more will come.
  virtual bool ready() const noexcept = 0;
  /// A task begins to wait, or has ended to. May throw in the first case.
  virtual void attend(bool on) = 0;

  arrival_wait* waiter_ = nullptr;
};

/// Waits until there may be something to take: look again. Stands in the awaiting frame, which
/// keeps the arrivals alive.
class arrival_wait final : public suspension {
 public:
  using awaits_in_task = void;

  arrival_wait(const char* kind, arrivals& at) noexcept : kind_(kind), at_(at) {}
  ~arrival_wait() { leave(); }

  /// Throws invalid_state if another task waits.
  bool await_ready() const;
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  void await_resume();

  bool cancel(const cancel_ref&) noexcept override;
  void interrupt() noexcept override;
  const char* kind() const noexcept override { return kind_; }

 private:
  friend class arrivals;
  bool begin(task_state& t) noexcept;
  void leave() noexcept;

  const char* kind_;
  arrivals& at_;
  task_state* task_ = nullptr;
  std::exception_ptr refused_;
};

}  // namespace sheaf::detail
