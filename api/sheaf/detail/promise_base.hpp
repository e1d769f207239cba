#pragma once

#include <sheaf/runtime/frame_pool.hpp>

#include <bit>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace sheaf::detail {

class promise_base;
class task_state;

/// A std::source_location as the compiler makes it: a pointer to static data. Passed as that,
/// for g++ 12 keeps a parameter of class type in the frame: eight bytes for each await.
using place_pointer = const void*;
static_assert(sizeof(std::source_location) == sizeof(place_pointer));

/// A parameter that the compiler fills with the place of the call: `given_place at =
/// SHEAF_HERE`. A pointer already, where the compiler has a word for that.
#if defined(__clang__)
using given_place = std::source_location;
#define SHEAF_HERE std::source_location::current()
#else
using given_place = place_pointer;
#define SHEAF_HERE __builtin_source_location()
#endif

/// Where a coroutine is written: its function's name and place. As the default argument of a
/// promise's constructor it is made at each coroutine, in the program's static data. A type
/// of its own, so that no coroutine's argument is taken for it.
class origin {
 public:
  static constexpr origin at(given_place here = SHEAF_HERE) noexcept {
    return origin(std::bit_cast<place_pointer>(here));
  }
  place_pointer pointer() const noexcept { return here_; }

 private:
  constexpr explicit origin(place_pointer here) noexcept : here_(here) {}
  place_pointer here_;
};

/// A coroutine that awaits another one: stands in the awaiting frame and owns the awaited.
class coro_wait_base {
 public:
  coro_wait_base(const coro_wait_base&) = delete;
  coro_wait_base& operator=(const coro_wait_base&) = delete;

  promise_base& parent() const noexcept { return *parent_; }
  /// The awaited frame was destroyed by somebody else: the task's abandon().
  void forget_child() noexcept { child_ = nullptr; }

 protected:
  explicit coro_wait_base(std::coroutine_handle<> child) noexcept : child_(child) {}
  ~coro_wait_base() {
    if (child_) child_.destroy();
  }

  promise_base* parent_ = nullptr;
  std::coroutine_handle<> child_;
};

/// What every coroutine's promise has: its caller, its task, and the place of its await, or
/// before the first one where it is written, marked by the lowest bit.
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
  /// The coroutine that awaits this one; null for the task's own.
  const promise_base* calling() const noexcept {
    return caller_ ? &caller_->parent() : nullptr;
  }
  /// Of the await it is suspended at; line() is 0 before the first.
  std::source_location place() const noexcept { return await_place(place_); }
  bool has_place() const noexcept { return place().line() != 0; }
  void set_place(place_pointer at) noexcept { place_ = at; }
  /// Where the coroutine that awaits this one does; of a task's own where that was made, or is
  /// awaited. `unknown` if nobody knows.
  place_pointer callers_place(place_pointer unknown) const noexcept;
  /// place() for later, when the frame is gone; read by await_place().
  place_pointer last_place() const noexcept { return place_; }
  static std::source_location await_place(place_pointer p) noexcept {
    return std::bit_cast<std::source_location>(is_origin(p) ? nullptr : p);
  }
  /// Where its function is written, before the first await; of the last await after it.
  std::source_location origin_or_place() const noexcept {
    const auto* const p = static_cast<const char*>(place_);
    return std::bit_cast<std::source_location>(
        static_cast<place_pointer>(is_origin(p) ? p - 1 : p));
  }
  /// The name of the coroutine's function, as the compiler prints it; empty if unknown.
  const char* function() const noexcept { return origin_or_place().function_name(); }

  std::coroutine_handle<promise_base> handle() noexcept {
    return std::coroutine_handle<promise_base>::from_promise(*this);
  }

  /// Keeps the exception in flight for the caller, or as the task's error.
  void unhandled_exception() noexcept;

 protected:
  promise_base() = default;
  explicit promise_base(origin written) noexcept
      : place_(static_cast<const char*>(written.pointer()) + 1) {}

 private:
  static bool is_origin(place_pointer p) noexcept {
    return (reinterpret_cast<std::uintptr_t>(p) & 1) != 0;
  }

  coro_wait_base* caller_ = nullptr;  // null: the task's own coroutine
  task_state* task_ = nullptr;        // null until it runs
  place_pointer place_ = nullptr;     // of the await it is suspended at, or its origin
};

/// Destroys the frame of a coroutine that never began, which debug mode reports (DEBUG-7).
void drop_unstarted(promise_base& p) noexcept;

}  // namespace sheaf::detail
