#pragma once

#include <sheaf/runtime/frame_pool.hpp>

#include <bit>
#include <coroutine>
#include <cstddef>
#include <source_location>
#include <utility>

namespace sheaf::detail {

class promise_base;
class task_state;

/// A std::source_location as the compiler makes it: a pointer to static data. Passed as that,
/// for g++ 12 keeps a parameter of class type in the frame: eight bytes for each await.
using place_pointer = const void*;
static_assert(sizeof(std::source_location) == sizeof(place_pointer));

/// A coroutine that awaits another one: stands in the awaiting frame and owns the awaited.
class coro_wait_base {
 public:
  coro_wait_base(const coro_wait_base&) = delete;
  coro_wait_base& operator=(const coro_wait_base&) = delete;

  promise_base& parent() const noexcept { return *parent_; }
  void mark_failed() noexcept { failed_ = true; }
  /// The awaited frame was destroyed by somebody else: the task's abandon().
  void forget_child() noexcept { child_ = nullptr; }

 protected:
  explicit coro_wait_base(std::coroutine_handle<> child) noexcept : child_(child) {}
  ~coro_wait_base() {
    if (child_) child_.destroy();
  }

  promise_base* parent_ = nullptr;
  std::coroutine_handle<> child_;
  bool failed_ = false;
  bool has_value_ = false;
};

/// What every coroutine's promise has: its caller, its task, and the place of its await.
///
/// Types with a value derive from it at offset 0 and add nothing, so that a frame is found
/// from the base alone.
class promise_base {
 public:
  static void* operator new(std::size_t size) {
    return runtime::frame_pool::allocate(size);
  }
  static void operator delete(void* p, std::size_t size) noexcept {
    runtime::frame_pool::deallocate(p, size);
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  task_state* task() const noexcept { return task_; }
  void set_task(task_state* t) noexcept { task_ = t; }
  coro_wait_base* caller() const noexcept { return caller_; }
  void set_caller(coro_wait_base& c) noexcept { caller_ = &c; }
  std::source_location place() const noexcept {
    return std::bit_cast<std::source_location>(place_);
  }
  place_pointer last_place() const noexcept { return place_; }
  bool has_place() const noexcept { return place_ != nullptr; }
  void set_place(place_pointer at) noexcept { place_ = at; }

  std::coroutine_handle<promise_base> handle() noexcept {
    return std::coroutine_handle<promise_base>::from_promise(*this);
  }

  /// Keeps the exception in flight for the caller, or as the task's error.
  void unhandled_exception() noexcept;

 private:
  coro_wait_base* caller_ = nullptr;  // null: the task's own coroutine
  task_state* task_ = nullptr;        // null until it runs
  place_pointer place_ = nullptr;     // of the await it is suspended at
};

}  // namespace sheaf::detail
