#pragma once

#include <sheaf/detail/generator_state.hpp>
#include <sheaf/exceptions.hpp>

#include <concepts>
#include <coroutine>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace sheaf {

template <class T>
class generator;

namespace detail {

template <class T>
class generator_promise final : public generator_state {
 public:
  static_assert(std::is_object_v<T>, "a generator yields values or lvalue references");

  generator<T> get_return_object() noexcept;

  // The value stays where it is, in the suspended frame, until next() takes it from there.
  yield_wait yield_value(T&& value) noexcept {
    return yield(std::addressof(value), true);
  }
  yield_wait yield_value(const T& value) noexcept
    requires std::copy_constructible<T>
  {
    return yield(std::addressof(value), false);
  }
};

template <class T>
class generator_promise<T&> final : public generator_state {
 public:
  generator<T&> get_return_object() noexcept;
  yield_wait yield_value(T& value) noexcept {
    return yield(std::addressof(value), false);
  }
};

// The driver finds a frame from the base of its promise alone, which is where the rest is.
static_assert(alignof(generator_state) == alignof(promise_base));

template <class T>
class [[nodiscard("await it: co_await g.next()")]] generator_next final
    : public generator_wait {
 public:
  using value_type = std::optional<T>;

  explicit generator_next(generator_owner& o) noexcept : generator_wait(o) {}
  bool await_ready() { return ended(); }
  std::optional<T> await_resume() {
    const auto [value, movable] = leave();
    if (!value) return std::nullopt;
    T& there = *static_cast<T*>(value);
    if constexpr (!std::copy_constructible<T>) {
      return std::optional<T>(std::move(there));
    } else {
      if (movable) return std::optional<T>(std::move(there));
      return std::optional<T>(std::as_const(there));
    }
  }
};

template <class T>
class [[nodiscard("await it: co_await g.next()")]] generator_next<T&> final
    : public generator_wait {
 public:
  using value_type = T*;

  explicit generator_next(generator_owner& o) noexcept : generator_wait(o) {}
  bool await_ready() { return ended(); }
  T* await_resume() { return static_cast<T*>(leave().value); }
};

class [[nodiscard("await it: co_await g.aclose()")]] generator_close final
    : public generator_wait {
 public:
  explicit generator_close(generator_owner& o) noexcept : generator_wait(o) {}
  bool await_ready() { return closed_already(); }
  template <class Parent>
  void await_suspend(std::coroutine_handle<Parent> h) noexcept {
    begin_close();
    generator_wait::await_suspend(h);
  }
  void await_resume() { finish_close(); }
};

}  // namespace detail

/// A coroutine that gives one value after another, and may await in between: an asynchronous
/// generator, as `async def` with `yield` is in Python.
///
///     generator<std::string> lines(source& s) {
///       while (auto line = co_await s.next_line()) co_yield *line;
///     }
///     auto g = lines(s);
///     while (auto line = co_await g.next()) use(*line);
///
/// Ownership: moved, never copied. It owns its frame, which goes when the generator has
/// ended. Destroyed half-way, between two values, it destroys the locals of its frame,
/// innermost first; nothing is thrown in there and nothing can be awaited. Use aclose() where
/// the clean-up has to await. Destroyed while a next() is pending, it ends where it would
/// yield next, and that next() gives nothing. One that has begun and is left when run() ends
/// is closed there, as by aclose(). Arguments by reference must outlive it.
///
/// Order: lazy. It runs inside the task that awaits next(), from one co_yield to the following
/// one, with no task of its own and no turn of the loop for a value that is ready. Between
/// two values any task of the same thread may ask for the next one. It belongs to the thread
/// of the loop that it has begun in, until that is closed.
///
/// Failure: what it throws comes out of next(). A cancellation of the awaiting task is thrown
/// at the await inside, as in a coro. Either ends it: next() gives nothing from then on. A
/// next() while another one is pending throws invalid_state.
///
/// Cost: one frame; a value is a change of coroutine there and back, and a move.
///
/// `generator<T&>` yields lvalues, and next() gives a `T*` into the suspended frame or
/// whatever it refers to, good until the following next(); null at the end.
template <class T>
class [[nodiscard("a generator does nothing until next() is awaited")]] generator
    : private detail::generator_owner {
 public:
  using promise_type = detail::generator_promise<T>;
  using value_type = std::remove_cvref_t<T>;

  generator(generator&&) noexcept = default;
  generator& operator=(generator other) noexcept {
    swap(other);
    return *this;
  }
  ~generator() = default;

  /// Runs it to its next co_yield. `co_await` gives the value, a std::optional<T>, or nothing
  /// once it has ended.
  detail::generator_next<T> next() noexcept { return detail::generator_next<T>(*this); }

  /// Ends it early, and waits for that: throws generator_exit at the co_yield where it
  /// stands, so that its clean-up may await. Asyncio's aclose().
  ///
  /// What else comes out of it is thrown here. One that yields again makes this throw
  /// invalid_state, and is destroyed. Without effect on one that has ended; one that has not
  /// begun is destroyed unrun.
  detail::generator_close aclose() noexcept { return detail::generator_close(*this); }

 private:
  friend promise_type;
  explicit generator(promise_type& p) noexcept : generator_owner(p) {}
};

template <class T>
generator<T> detail::generator_promise<T>::get_return_object() noexcept {
  return generator<T>(*this);
}

template <class T>
generator<T&> detail::generator_promise<T&>::get_return_object() noexcept {
  return generator<T&>(*this);
}

}  // namespace sheaf
