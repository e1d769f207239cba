#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/ring_link.hpp>

#include <coroutine>
#include <exception>
#include <utility>

namespace sheaf::detail {

class generator_state;

/// Who owns a generator's frame; the frame knows it, so that each can go first.
class generator_owner {
 public:
  generator_owner& operator=(const generator_owner&) = delete;

 protected:
  explicit generator_owner(generator_state& s) noexcept { own(&s); }
  generator_owner(generator_owner&& other) noexcept {
    own(std::exchange(other.state_, nullptr));
  }
  ~generator_owner() {
    if (state_) let_go();
  }
  void swap(generator_owner& other) noexcept {
    generator_state* const mine = state_;
    own(other.state_);
    other.own(mine);
  }
  /// Null once it has ended.
  generator_state* state() const noexcept { return state_; }

 private:
  friend class generator_state;
  friend class generator_wait;
  inline void own(generator_state* s) noexcept;
  void let_go() noexcept;

  generator_state* state_;
};

/// The promise of a generator: the untyped part.
///
/// A frame at rest stands at a co_yield, or has not begun, and belongs to nobody's task. While
/// a next() or aclose() runs it is a frame of the task that awaits that, as any coroutine.
///
/// From its first next() on in the list of that task's loop, which closes it at its end.
class generator_state : public awaiting_promise, public ring_link<generator_state> {
 public:
  generator_state() = default;
  generator_state(const generator_state&) = delete;
  generator_state& operator=(const generator_state&) = delete;
  ~generator_state() {
    unlink();
    if (owner_) owner_->state_ = nullptr;
  }

  /// Null: it was dropped while it ran, and ends where it yields next.
  generator_owner* owner() const noexcept { return owner_; }

  void return_void() const noexcept {}

  /// Suspends at a co_yield, with the consumer to go on.
  class yield_wait {
   public:
    explicit yield_wait(generator_state& g) noexcept : generator_(g) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {
      generator_.task()->set_innermost(&generator_.caller()->parent());
    }
    void await_resume() const {
      if (generator_.closing_) [[unlikely]]
        throw_exit();
    }

   private:
    generator_state& generator_;
  };

 protected:
  yield_wait yield(const void* value, bool movable) noexcept {
    value_ = const_cast<void*>(value);
    movable_ = movable;
    return yield_wait(*this);
  }

 private:
  friend class generator_owner;
  friend class generator_wait;
  [[noreturn]] static void throw_exit();

  generator_owner* owner_ = nullptr;
  void* value_ = nullptr;  // what it has yielded; null if it has not, this time
  bool movable_ = false;   // the value is a temporary
  bool running_ = false;   // a next() or aclose() is under way
  bool closing_ = false;
};

inline void generator_owner::own(generator_state* s) noexcept {
  state_ = s;
  if (s) s->owner_ = this;
}

/// A task that awaits next() or aclose(). Owns no frame: its generator does.
class generator_wait : public coro_wait_base {
 public:
  using awaits_in_task = void;

  template <class Parent>
  void await_suspend(std::coroutine_handle<Parent> h) noexcept {
    enter(h.promise());
  }

 protected:
  struct yielded {
    void* value;  // null: the generator has ended
    bool movable;
  };

  explicit generator_wait(generator_owner& o) noexcept
      : coro_wait_base(nullptr), owner_(&o) {}

  /// Whether there is nothing to run; throws if another next() runs it.
  bool ended() {
    state_ = owner_->state();  // not before: it may have ended since next() was called
    if (!state_) return true;
    if (state_->running_) [[unlikely]]
      refuse_running();
    return false;
  }
  /// What next() gives: the value, the end, or what the generator threw.
  yielded leave() {
    if (!state_) return {nullptr, false};
    state_->running_ = false;
    if (!state_->value_ || !state_->owner_) [[unlikely]] {
      end();
      return {nullptr, false};
    }
    return {state_->value_, state_->movable_};
  }

  /// Before aclose(): whether that has nothing to run. One that has not begun is destroyed.
  bool closed_already();
  void begin_close() noexcept { state_->closing_ = true; }
  void finish_close();

 private:
  void enter(promise_base& consumer) noexcept {
    parent_ = &consumer;
    if (!state_->caller()) begin(consumer);
    state_->running_ = true;
    state_->value_ = nullptr;
    state_->set_task(consumer.task());
    state_->set_caller(*this);
    consumer.task()->set_innermost(state_);
  }
  void begin(promise_base& consumer) noexcept;
  void end();
  [[nodiscard]] std::exception_ptr destroy() noexcept;
  [[noreturn]] static void refuse_running();

  union {
    generator_owner* owner_;  // until it is awaited
    generator_state* state_;
  };
};

}  // namespace sheaf::detail
