#pragma once

#include <sheaf/detail/child_table.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <type_traits>
#include <vector>

namespace sheaf::detail {

class group_wait;

/// A child of a group, and the group's registration with it. Stands in the child's own block;
/// in one of the group's lists until the child has ended, or, if it failed, the group.
struct group_link {
  watcher registration;
  task_state* child;
  group_link* prev;
  group_link* next;
  std::uint64_t started;  // nanoseconds of the loop's clock
  std::uint32_t index;    // of the children, as they were made
};

/// A circle of links, in order.
class group_list {
 public:
  bool empty() const noexcept { return ends_.next == &ends_; }
  group_link* first() noexcept { return ends_.next; }
  const group_link* end() const noexcept { return &ends_; }

  void append(group_link& l) noexcept {
    l.prev = ends_.prev;
    l.next = &ends_;
    ends_.prev->next = &l;
    ends_.prev = &l;
  }
  static void remove(group_link& l) noexcept {
    l.prev->next = l.next;
    l.next->prev = l.prev;
  }

 private:
  group_link ends_{{}, nullptr, &ends_, &ends_, 0, 0};
};

/// A task_group: the untyped part. Stands in the frame of task_group::run().
///
/// Counts its children and keeps those that failed, in the order of their ends. Of another
/// that ends a row is kept, if not for ever; what follows from a failure, and from the last end, happens one
/// batch later, when asyncio's done callback would run. The rules are those of CPython's
/// Lib/asyncio/taskgroups.py, of the development branch after 3.14.
class group_state final : public observer {
 public:
  group_state() = default;
  ~group_state();

  // ---- for run(), in this order ----
  /// The task whose coroutine `frame` is becomes the parent.
  void enter(promise_base& frame) noexcept;
  void body_suspends() noexcept;
  /// The body has ended, well or with an error or a cancellation.
  void leave() noexcept { leaving_ = true; }
  void leave_with(std::exception_ptr e) noexcept;
  /// Whether there is something to wait for.
  bool busy() const noexcept { return running_ != 0 || queued_; }
  /// Takes back the group's own request and throws what there is to throw.
  void finish();

  // ---- for task_group ----
  /// Whether children may be added.
  bool open() const noexcept {
    return !aborting_ && (!leaving_ || busy()) && !loop().closed();
  }
  /// Throws invalid_state, which says why not.
  [[noreturn]] void refuse() const;
  void add(task_state& child, group_link& l) noexcept {
    l.child = &child;
    l.started = loop().batch_time();
    l.index = made_++;
    running_list_.append(l);
    ++running_;
    child.watch(l.registration, *this);
    if (runtime::tracing(loop())) [[unlikely]]
      trace_child(child);
  }
  void cancel(std::string reason, std::source_location at);
  void keep_reports(std::size_t n);

  loop_core& loop() const noexcept { return parent_->loop(); }
  std::size_t running() const noexcept { return running_; }
  std::uint32_t id() const noexcept { return id_; }

  // The registration is the first member of its link.
  void settled(watcher& w) noexcept override {
    static_assert(std::is_standard_layout_v<group_link>);
    group_link& l = reinterpret_cast<group_link&>(w);
    group_list::remove(l);
    --running_;
    if (l.child->failed()) [[unlikely]]
      keep_failed(l);
    if (running_ == 0 && leaving_) queue();
    log_.add(*l.child, l.index, {.started = l.started, .ended = loop().batch_time()});
  }
  void run() noexcept override;
  void drop() noexcept override { queued_ = false; }

 private:
  friend group_wait;

  void keep_failed(group_link& l) noexcept;
  void queue() noexcept;
  void abort(const cancel_ref& cause) noexcept;
  void abort_all(cancel_ref cause) noexcept;
  void leave_cancelled(const cancel_ref& cause) noexcept;
  void note_request() noexcept;
  bool is_own_request(const cancel_ref& cause) const noexcept;
  void take_back_own_request() noexcept;
  [[noreturn]] void throw_exit();
  [[noreturn]] void throw_errors();
  std::vector<exception_context> failures();
  void trace_child(const task_state& child) const noexcept;
  void trace_end() noexcept;

  task_state* parent_ = nullptr;
  promise_base* frame_ = nullptr;
  place_pointer place_ = nullptr;  // of the co_await of the group
  group_wait* waiting_ = nullptr;  // while the parent is suspended in it
  group_list running_list_;
  group_list failed_;
  std::size_t running_ = 0;
  child_log log_;  // of the children that have ended
  std::exception_ptr body_error_;
  std::exception_ptr exit_;  // a system_exit, of a child or the body
  cancel_ref own_request_;   // what the group cancelled its parent with
  cancel_ref outside_;       // the last request that was not the group's
  std::uint32_t id_ = 0;
  std::uint32_t made_ = 0;
  bool leaving_ = false;    // the body has ended
  bool queued_ = false;     // in the ready queue
  bool aborting_ = false;   // the children were asked to stop
  bool cancelled_ = false;  // a cancellation is to come out, if no error does
  bool request_came_ =
      false;  // the parent was cancelled while it waited for the children
};

/// The parent waits for the children. A cancellation that comes meanwhile is not thrown: it
/// goes to the children, and comes out at the end.
class group_wait final : public suspension {
 public:
  using awaits_in_task = void;

  explicit group_wait(group_state& g) noexcept : group_(g) {}

  bool await_ready() const noexcept { return !group_.busy(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    begin(h.promise());
  }
  void await_resume() noexcept;
  /// All have ended.
  void done() noexcept;

  bool cancel(const cancel_ref& cause) noexcept override;
  void interrupt() noexcept override;
  const char* kind() const noexcept override { return "task_group"; }
  std::uint64_t object() const noexcept override { return group_.id(); }
  std::size_t awaited_children() const noexcept override { return group_.running(); }

 private:
  void begin(promise_base& frame) noexcept;

  group_state& group_;
};

/// Makes the task that awaits run() the parent; does not suspend.
class group_entry {
 public:
  using awaits_in_task = void;

  explicit group_entry(group_state& g) noexcept : group_(g) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) const noexcept {
    group_.enter(h.promise());
    return false;
  }
  void await_resume() const noexcept {}

 private:
  group_state& group_;
};

}  // namespace sheaf::detail
