#include <sheaf/condition.hpp>

#include <exception>
#include <string>

namespace sheaf {

namespace detail {

/// Takes the lock again for a task that waits elsewhere, and says so in dumps.
class relock_wait final : public lock_wait {
 public:
  relock_wait(mutex& m, place_pointer at) noexcept : lock_wait(m), at_(at) {}

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    h.promise().set_place(at_);
    return lock_wait::await_suspend(h);
  }
  void await_resume() {
    lock_wait::await_resume();
    mutex_.holder_.since = at_;
  }

 private:
  place_pointer at_;
};

namespace {

/// Has coroutines of the library wait where their caller does.
place_pointer blame_caller(promise_base& p, int depth) noexcept {
  if (depth > 0 && p.caller()) {
    p.set_place(blame_caller(p.caller()->parent(), depth - 1));
  }
  return p.last_place();
}

}  // namespace
}  // namespace detail

/// Waits in the condition's queue. Notified, it stays known to the condition until the lock
/// is held again: if that ends in an exception, somebody else gets the notification.
class condition::notification final : public detail::waiter {
 public:
  notification(condition& c, int depth) noexcept : condition_(c), depth_(depth) {}
  ~notification() {
    if (leave() && !cancelled_) condition_.wake(1);
  }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    place_ = detail::blame_caller(h.promise(), depth_);
    auto& t = *h.promise().task();
    if (!condition_.queue_.admits(*this, t)) return false;
    condition_.queue_.append(*this, t);
    return true;
  }
  void await_resume() { require_turn(); }
  // Cancelled, it needs the lock all the same, and hears if that goes with the condition.
  void interrupt() noexcept final {
    cancelled_ = true;
    condition_.queue_.mark_woken(*this);
    task()->wake_cancelled();
  }
  const char* kind() const noexcept final { return "condition"; }

  using waiter::forsaken;
  using waiter::taken;
  detail::place_pointer place() const noexcept { return place_; }

 private:
  condition& condition_;
  detail::place_pointer place_ = nullptr;
  int depth_;
  bool cancelled_ = false;
};

// Those who were notified need the mutex alone: unless that goes too.
condition::~condition() {
  if (!own_) queue_.forget_woken();
  queue_.forsake();
}

coro<bool> condition::wait_nested(int depth) {
  require_locked("wait");
  mutex& lock = *mutex_;
  const bool own = own_.has_value();
  notification note(*this, depth);
  std::exception_ptr failure;
  lock.release();
  try {
    co_await std::move(note);
  } catch (...) {
    failure = std::current_exception();
  }
  bool locked = note.forsaken() && own;  // the mutex went with the condition
  while (!locked) {
    try {
      co_await detail::relock_wait(lock, note.place());
      locked = true;
    } catch (const cancelled&) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  note.taken();
  co_return true;
}

void condition::notify(std::size_t n) {
  queue_.require_thread("condition::notify");
  require_locked("notify");
  wake(n);
}

void condition::wake(std::size_t n) noexcept {
  for (; n > 0 && queue_.anyone_waiting(); --n) queue_.wake(queue_.first_waiting());
}

void condition::require_locked(const char* what) const {
  if (mutex_->locked()) return;
  throw invalid_state(std::string("condition::") + what +
                      ": the lock is free; acquire it first");
}

}  // namespace sheaf
