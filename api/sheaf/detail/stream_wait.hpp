#pragma once

#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace sheaf::detail {

class stream_core;
using stream_ref = runtime::intrusive_ptr<stream_core>;

/// What a task waits for at a stream; stands in the awaiting frame.
///
/// Its way is none, waiting, woken, none. From when it waits, or is moved, it holds the core,
/// so that the stream may be moved, closed or destroyed meanwhile.
class stream_wait : public suspension {
 public:
  using awaits_in_task = void;

  const char* kind() const noexcept override { return "stream"; }
  std::uint64_t object() const noexcept override;
  bool cancel(const cancel_ref&) noexcept final;
  void interrupt() noexcept final;

 protected:
  explicit stream_wait(stream_core& c) noexcept : core_(&c) {}
  /// Before it is awaited it is only a wish, and can be moved: into a task, before whose
  /// first step the stream may be gone.
  stream_wait(stream_wait&& wish) noexcept : core_(wish.core_) { hold_core(); }
  ~stream_wait() {
    if (holds_) release_core();
  }

  stream_core& core() const noexcept { return *core_; }
  task_state* task() const noexcept { return task_; }
  bool has_waited() const noexcept { return task_ != nullptr; }
  bool waiting() const noexcept { return stage_ == stage::waiting; }
  bool listed() const noexcept { return stage_ != stage::none; }
  void unlisted() noexcept { stage_ = stage::none; }

  /// It waits from now on; false if the task is of another loop than the stream.
  bool begin(task_state& t) noexcept;
  /// First thing on resuming: throws what came in place of what was waited for.
  void require_wake() {
    if (!task_) return;
    task_->throw_if_interrupted();
    if (stage_ == stage::foreign) [[unlikely]]
      refuse();
  }
  void wake() noexcept {
    stage_ = stage::woken;
    task_->wake();
  }

 private:
  friend class stream_core;
  enum class stage : std::uint8_t { none, waiting, woken, foreign };

  /// Takes it from where the core finds it.
  virtual void withdraw() noexcept = 0;
  void hold_core() noexcept;
  void release_core() noexcept;
  [[noreturn]] void refuse() const;

  stream_core* core_;
  task_state* task_ = nullptr;  // null until it has to wait
  stage stage_ = stage::none;
  bool holds_ = false;  // the core
};

/// Waits until what has come is enough for it. From then until it has run it is still the
/// one reader: nobody takes what it was woken for.
///
/// Cancellation is total: what has come is read by the next.
class read_wait : public stream_wait {
 public:
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return enter(*h.promise().task());
  }

 protected:
  explicit read_wait(stream_core& c) noexcept : stream_wait(c) {}
  read_wait(stream_core& c, std::span<char> room) noexcept
      : stream_wait(c), room_(room) {}
  read_wait(read_wait&& wish) noexcept
      : stream_wait(std::move(wish)), room_(wish.room_) {}
  ~read_wait() {
    if (listed()) [[unlikely]]
      leave();
  }

  /// Whether it need not wait. Throws invalid_state if another task reads.
  bool ready_if(bool enough) const;
  /// First thing on resuming.
  void resumed() {
    if (!has_waited()) return;
    leave();
    require_wake();
  }

  std::span<char> wanted_room() const noexcept { return room_; }
  /// How much was read straight into it, past the buffer.
  std::size_t came() const noexcept { return came_; }

 private:
  friend class stream_core;
  bool enter(task_state& t) noexcept;
  void withdraw() noexcept final { leave(); }
  void leave() noexcept;
  void give_back() noexcept;
  /// Whether it need not wait (any longer): the buffer holds enough.
  virtual bool satisfied() noexcept = 0;

  std::span<char> room_;
  std::size_t came_ = 0;
};

/// A task in one of a stream's lists: any number may wait, and all are released in order.
class line_wait : public stream_wait {
 public:
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return enter(*h.promise().task());
  }

 protected:
  /// Of the list that begins at `first`.
  line_wait(stream_core& c, line_wait*& first) noexcept
      : stream_wait(c), first_(&first) {}
  line_wait(line_wait&& wish) noexcept
      : stream_wait(std::move(wish)), first_(wish.first_) {}
  ~line_wait() {
    if (waiting()) [[unlikely]]
      unlink();
  }

 private:
  friend class stream_core;
  bool enter(task_state& t) noexcept;
  void withdraw() noexcept final { unlink(); }
  void unlink() noexcept;

  line_wait** first_;  // it stands there newest first
  line_wait* prev_;
  line_wait* next_;
};

/// Waits until the peer has taken enough of what was written.
class [[nodiscard("what was written may have to wait for the peer")]] drain_wait final
    : public line_wait {
 public:
  explicit drain_wait(stream_core& c) noexcept;
  drain_wait(drain_wait&&) noexcept = default;
  ~drain_wait() = default;

  bool await_ready() const noexcept;
  void await_resume();
};

/// Waits until the connection has ended.
class [[nodiscard("it waits when it is awaited")]] closed_wait final : public line_wait {
 public:
  explicit closed_wait(stream_core& c) noexcept;
  closed_wait(closed_wait&&) noexcept = default;
  ~closed_wait() = default;

  bool await_ready() const noexcept;
  void await_resume();
};

}  // namespace sheaf::detail
