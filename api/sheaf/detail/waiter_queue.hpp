#pragma once

#include <sheaf/detail/task_state.hpp>

#include <coroutine>
#include <cstdint>

namespace sheaf::detail {

/// A place in a circular list; alone, it points to itself.
struct waiter_link {
  waiter_link* prev;
  waiter_link* next;

  bool alone() const noexcept { return next == this; }
  void close() noexcept { prev = next = this; }
  void unlink() noexcept {
    prev->next = next;
    next->prev = prev;
    close();
  }
  void link_before(waiter_link& at) noexcept {
    prev = at.prev;
    next = &at;
    prev->next = this;
    at.prev = this;
  }
  void move_before(waiter_link& at) noexcept {
    prev->next = next;
    next->prev = prev;
    link_before(at);
  }
};

/// A task that waits for its turn at a lock, a queue and the like: an awaiter, which stands
/// in the awaiting frame.
///
/// Its way is none, queued, woken, none. Woken, it was given something (the lock, a permit,
/// an item, a notification) and has not run yet; it takes that when it resumes. If it does
/// not, because it was cancelled in between or its frame is destroyed, leave() says so, and
/// the destructor of the kind passes on what it was given: there is no other way out.
class waiter : public suspension, public waiter_link {
 public:
  using awaits_in_task = void;

  // Woken or not, a request finds it here only while it is queued.
  bool cancel(const cancel_ref&) noexcept final {
    interrupt();
    return true;
  }
  void interrupt() noexcept override {
    unlink();
    stage_ = stage::none;
    task_->wake_cancelled();
  }

  /// Queues the task's next step. The wait is over, or is to be looked at again.
  virtual void post() noexcept { task_->wake(); }

 protected:
  waiter() noexcept {}  // the link is written when it has to wait
  /// Before it is awaited it is only a wish, and can be moved.
  waiter(waiter&&) noexcept : waiter() {}
  ~waiter() = default;

  /// For the destructor of each kind: true if it was given something and did not take it.
  bool leave() noexcept {
    if (stage_ == stage::none || alone()) [[likely]]
      return false;
    unlink();
    return stage_ == stage::woken;
  }

  /// First thing on resuming. Throws what came in place of a turn: a cancellation, or
  /// invalid_state. True if it has waited: it is out of the queue, and what it was given is
  /// its own.
  bool resumed() {
    if (!task_) [[likely]]
      return false;
    require_turn();
    taken();
    return true;
  }
  /// The two parts of it.
  void require_turn() {
    task_->throw_if_interrupted();
    if (stage_ != stage::woken) [[unlikely]]
      refuse();
  }
  void taken() noexcept {
    unlink();
    stage_ = stage::none;
  }

  bool queued() const noexcept { return stage_ == stage::queued; }
  bool woken() const noexcept { return stage_ == stage::woken; }
  bool forsaken() const noexcept { return stage_ == stage::forsaken; }
  task_state* task() const noexcept { return task_; }

 private:
  friend class waiter_line;
  friend class waiter_queue;
  enum class stage : std::uint8_t {
    none,
    queued,
    woken,
    forsaken,  // what it waited for was destroyed
    foreign    // of another loop
  };
  [[noreturn]] void refuse() const;

  task_state* task_ = nullptr;  // null until it has to wait
  stage stage_ = stage::none;
};

/// Those who wait for one thing, first come first served, and those who were woken for it
/// and have not run yet. What locks, permits and items are is the business of who has it.
class waiter_line {
 public:
  waiter_line() noexcept {
    waiting_.close();
    woken_.close();
  }
  waiter_line(const waiter_line&) = delete;
  waiter_line& operator=(const waiter_line&) = delete;

  /// Nobody waits, nor was woken and has still to run.
  bool idle() const noexcept { return waiting_.alone() && woken_.alone(); }
  bool anyone_waiting() const noexcept { return !waiting_.alone(); }
  bool anyone_woken() const noexcept { return !woken_.alone(); }
  /// Only where there is one.
  waiter& first_waiting() noexcept { return static_cast<waiter&>(*waiting_.next); }

  /// `t` waits from now on, at the end of the line.
  void append(waiter& w, task_state& t) noexcept {
    w.task_ = &t;
    w.stage_ = waiter::stage::queued;
    w.link_before(waiting_);
    t.suspended_on(w);
  }
  /// One that was woken in vain goes to the end of the line.
  void wait_again(waiter& w) noexcept {
    w.stage_ = waiter::stage::queued;
    w.move_before(waiting_);
    w.task_->suspended_on(w);
  }

  /// Takes it out of the line; the caller queues its step. It stays known until it has run,
  /// so that it hears of the end of what it waited for.
  void mark_woken(waiter& w) noexcept {
    w.stage_ = waiter::stage::woken;
    w.move_before(woken_);
  }
  void wake(waiter& w) noexcept {
    mark_woken(w);
    w.task_->wake();
  }
  /// The same for all that wait, who will need nothing more of it.
  void dismiss_all() noexcept {
    while (anyone_waiting()) {
      waiter& w = first_waiting();
      w.unlink();
      w.stage_ = waiter::stage::woken;
      w.task_->wake();
    }
  }
  /// Those who were woken have all they need: they are let go of.
  void forget_woken() noexcept {
    while (anyone_woken()) woken_.next->unlink();
  }

  /// Calls `f` with each that was woken and has not run.
  template <class F>
  void for_each_woken(F&& f) {
    for (waiter_link* w = woken_.next; w != &woken_; w = w->next)
      f(static_cast<waiter&>(*w));
  }

  /// Its owner dies: all that are in it get invalid_state.
  void forsake() noexcept {
    if (!idle()) [[unlikely]]
      forsake_all();
  }

 private:
  void forsake_all() noexcept;

  waiter_link waiting_;
  waiter_link woken_;
};

/// A line that belongs to a loop: to the one that ran where it was made, or else to the
/// first one that needs it. Once that is closed, another may take it.
class waiter_queue : public waiter_line {
 public:
  waiter_queue() noexcept : loop_(loop_ref::share(loop_core::current_or_null())) {}

  /// Whether `t` may use it; if not, `w` will throw invalid_state when it resumes.
  bool admits(waiter& w, task_state& t) noexcept {
    if (loop_.get() == &t.loop()) [[likely]]
      return true;
    return admit_newcomer(w, t);
  }
  /// Throws invalid_state in debug mode where another thread runs its loop; `what` is the call
  /// that was made.
  void require_thread(const char* what) const {
    if (loop_) loop_->require_thread(what);
  }

 private:
  using loop_ref = runtime::intrusive_ptr<loop_core>;
  bool admit_newcomer(waiter& w, task_state& t) noexcept;

  loop_ref loop_;
};

}  // namespace sheaf::detail
