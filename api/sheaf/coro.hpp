#pragma once

#include <sheaf/detail/promise_base.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/detail/value_task.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/fwd.hpp>

#include <bit>
#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

template <class T>
class coro_promise;

/// Room for the value that an awaited coroutine gives; knows whether there is one if that
/// matters. In every frame that awaits, so it is as small as can be.
template <class T>
class value_room {
 public:
  value_room() noexcept {}
  value_room(const value_room&) = delete;
  value_room& operator=(const value_room&) = delete;
  ~value_room() {
    if (made_) std::destroy_at(&value_);
  }
  template <class... Args>
  void emplace(Args&&... args) {
    ::new (static_cast<void*>(&value_)) T(std::forward<Args>(args)...);
    made_ = true;
  }
  T take() { return std::move(value_); }

 private:
  union {
    T value_;
  };
  bool made_ = false;
};
template <class T>
  requires std::is_trivially_destructible_v<T>
class value_room<T> {
 public:
  value_room() noexcept {}
  template <class... Args>
  void emplace(Args&&... args) {
    ::new (static_cast<void*>(&value_)) T(std::forward<Args>(args)...);
  }
  T take() { return std::move(value_); }

 private:
  union {
    T value_;
  };
};
template <>
class value_room<void> {
 public:
  void take() const noexcept {}
};

/// Awaits a coroutine inside the running task: no turn of the loop, no task of its own.
template <class T>
class coro_wait final : public coro_wait_base {
 public:
  explicit coro_wait(std::coroutine_handle<coro_promise<T>> child) noexcept
      : coro_wait_base(child) {}

  bool await_ready() const noexcept { return false; }

  template <class Parent>
  void await_suspend(std::coroutine_handle<Parent> h) noexcept {
    parent_ = &h.promise();
    promise_base& child =
        std::coroutine_handle<promise_base>::from_address(child_.address()).promise();
    child.set_task(parent_->task());
    child.set_caller(*this);
    parent_->task()->set_innermost(&child);
  }

  T await_resume() {
    if (failed()) [[unlikely]]
      std::rethrow_exception(take_error());
    return room_.take();
  }

  /// Once it has ended: what the task has in flight then is its error.
  bool failed() const noexcept { return parent_->task()->has_in_flight(); }
  std::exception_ptr take_error() noexcept { return parent_->task()->take_in_flight(); }

  template <class... Args>
  void emplace(Args&&... args) {
    room_.emplace(std::forward<Args>(args)...);
  }

 private:
  [[no_unique_address]] value_room<T> room_;
};

/// What a coroutine does at its end: it stays for its caller, or goes before resume() returns.
struct final_awaiter {
  bool goes;

  bool await_ready() const noexcept { return goes; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

template <class A>
concept task_awaitable = requires(A&& a) { std::forward<A>(a).await_in_task(); };

/// An awaiter that knows the driver: it suspends on, or wakes, a task_state.
template <class A>
concept task_awaiter = requires { typename std::remove_cvref_t<A>::awaits_in_task; };

/// Stands in for an awaiter, which lives in the frame until the full expression ends: g++ 12
/// copies one that await_transform returns by reference.
template <class A>
struct awaiter_ref {
  A& awaiter;

  bool await_ready() const noexcept(noexcept(awaiter.await_ready())) {
    return awaiter.await_ready();
  }
  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return awaiter.await_suspend(h);
  }
  decltype(auto) await_resume() { return awaiter.await_resume(); }
};

/// An await of a coroutine of the library's, which stands where its caller does.
template <class A>
class for_caller {
 public:
  explicit for_caller(A&& what) noexcept : what_(what) {}
  A&& what() && noexcept { return std::move(what_); }

 private:
  A& what_;
};

/// What promises with and without a value share: how things are awaited.
class awaiting_promise : public promise_base {
 public:
  using promise_base::promise_base;

  /// Hands the task back to its driver, which goes on with the caller, or ends the task.
  /// A task's own frame destroys itself on the way; with an exception the driver does it,
  /// when it has read the place.
  final_awaiter final_suspend() const noexcept {
    task()->set_innermost(caller() ? &caller()->parent() : nullptr);
    return {!caller() && !task()->has_in_flight()};
  }

  // By default argument, which the compiler puts at the place of the co_await.
  template <class A>
  decltype(auto) await_transform(A&& a, given_place at = SHEAF_HERE) {
    return await_at(std::forward<A>(a), std::bit_cast<place_pointer>(at));
  }
  template <class A>
  decltype(auto) await_transform(for_caller<A>&& a, given_place at = SHEAF_HERE) {
    return await_at(std::move(a).what(), callers_place(std::bit_cast<place_pointer>(at)));
  }

 private:
  template <class A>
  decltype(auto) await_at(A&& a, place_pointer at) {
    set_place(at);
    if constexpr (task_awaitable<A>) {
      return std::forward<A>(a).await_in_task();
    } else {
      static_assert(
          task_awaiter<A>,
          "await a coro (as an rvalue: co_await f() or co_await std::move(c)), a "
          "task, a future or another awaitable of sheaf; anything else is turned "
          "into one with promise<T>");
      static_assert(
          !std::is_lvalue_reference_v<A>,
          "this is awaited once, as an rvalue: co_await sleep(1s), each time anew");
      return awaiter_ref<std::remove_reference_t<A>>{a};
    }
  }
};

template <class T>
class coro_promise final : public awaiting_promise {
 public:
  static_assert(!std::is_reference_v<T>,
                "a coro gives a value: return a pointer or std::reference_wrapper");

  coro_promise(origin written = origin::at()) noexcept  // NOLINT: the compiler calls it
      : awaiting_promise(written) {}
  coro<T> get_return_object() noexcept;

  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    if (caller()) {
      static_cast<coro_wait<T>*>(caller())->emplace(std::forward<U>(value));
    } else {
      static_cast<value_task<T>*>(task())->keep_result(std::forward<U>(value));
    }
  }
};

template <>
class coro_promise<void> final : public awaiting_promise {
 public:
  coro_promise(origin written = origin::at()) noexcept  // NOLINT: the compiler calls it
      : awaiting_promise(written) {}
  coro<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

// The driver finds a frame from the base of its promise alone.
static_assert(sizeof(coro_promise<long>) == sizeof(promise_base));
static_assert(alignof(coro_promise<long double>) == alignof(promise_base));

}  // namespace detail

/// A coroutine that has not begun: asyncio's coroutine object.
///
/// Lazy and owned: it runs when it is awaited (inside the awaiting task) or given to
/// create_task(), gather() and the like (as a task of its own); dropped before, it is
/// destroyed without having run, which debug mode reports. Moved, never copied, and awaited
/// once, as an rvalue.
/// Awaiting one that was moved from throws invalid_state.
///
/// Arguments by reference must outlive it. What it throws comes out of the co_await.
template <class T>
class [[nodiscard("a coro does nothing until it is awaited or made a task")]] coro {
 public:
  using promise_type = detail::coro_promise<T>;
  using value_type = T;

  coro(coro&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  coro& operator=(coro other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~coro() {
    if (frame_) [[unlikely]]
      detail::drop_unstarted(frame_.promise());
  }

  /// Whether there is still something to run.
  bool valid() const noexcept { return static_cast<bool>(frame_); }

  /// Destroys it on purpose: debug mode then does not report that it was never awaited.
  void close() noexcept {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

  detail::coro_wait<T> await_in_task() && {
    return detail::coro_wait<T>(take("co_await"));
  }

  /// For the library: gives the frame up. Throws invalid_state if it was moved from.
  std::coroutine_handle<promise_type> take(const char* what) {
    if (!frame_) [[unlikely]]
      moved_from(what);
    return std::exchange(frame_, nullptr);
  }

 private:
  friend promise_type;
  explicit coro(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  [[noreturn]] static void moved_from(const char* what) {
    throw invalid_state(std::string(what) +
                        ": this coro was moved from or awaited before; make a new one by "
                        "calling the function again");
  }

  std::coroutine_handle<promise_type> frame_;
};

template <class T>
coro<T> detail::coro_promise<T>::get_return_object() noexcept {
  return coro<T>(std::coroutine_handle<coro_promise>::from_promise(*this));
}

inline coro<void> detail::coro_promise<void>::get_return_object() noexcept {
  return coro<void>(std::coroutine_handle<coro_promise>::from_promise(*this));
}

}  // namespace sheaf
