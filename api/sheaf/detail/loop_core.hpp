#pragma once

#include <sheaf/context_var.hpp>
#include <sheaf/detail/ambient_deadline.hpp>
#include <sheaf/detail/debug_notes.hpp>
#include <sheaf/detail/deep_requests.hpp>
#include <sheaf/detail/flight.hpp>
#include <sheaf/detail/ring_link.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/thread_pool.hpp>
#include <sheaf/runtime/trace_session.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sheaf {
class task_options;
}

namespace sheaf::detail {

class generator_state;
class task_state;

/// A task in its loop's list of all that have not ended.
struct task_link {
  task_link* prev_task;
  task_link* next_task;
};

/// The scheduler of a loop that runs tasks: it owns those that have not ended.
class loop_core final : public runtime::scheduler {
 public:
  loop_core(uv_loop_s* host, runtime::clock_kind clock);

  /// The one that runs on this thread; throws invalid_state if none does. `what` is the call
  /// that needs it.
  static loop_core& current(const char* what) {
    auto* const s = scheduler::current();
    if (!s || s->layer() != &layer_tag) [[unlikely]]
      no_current(what);
    return static_cast<loop_core&>(*s);
  }
  static loop_core* current_or_null() noexcept {
    auto* const s = scheduler::current();
    return s && s->layer() == &layer_tag ? static_cast<loop_core*>(s) : nullptr;
  }

  std::uint64_t running_task() const noexcept override;
  task_state* current_task() const noexcept { return current_task_; }
  void set_current_task(task_state* t) noexcept { current_task_ = t; }

  /// When the step under way began; kept while tracing.
  std::uint64_t step_began() const noexcept { return step_began_; }
  void set_step_began(std::uint64_t ns) noexcept { step_began_ = ns; }
  /// When the step under way recorded that it suspends; 0 before.
  std::uint64_t suspended_at() const noexcept { return suspended_at_; }
  void set_suspended_at(std::uint64_t ns) noexcept { suspended_at_ = ns; }

  void enlist(task_link& t) noexcept {
    t.prev_task = tasks_.prev_task;
    t.next_task = &tasks_;
    tasks_.prev_task->next_task = &t;
    tasks_.prev_task = &t;
  }
  void delist(task_link& t) noexcept {
    t.prev_task->next_task = t.next_task;
    t.next_task->prev_task = t.prev_task;
  }
  bool has_tasks() const noexcept { return tasks_.next_task != &tasks_; }
  /// The first in order of creation, then the next of each; null at the end.
  task_state* first_task() const noexcept;
  task_state* task_after(const task_state& t) const noexcept;

  /// From 1, and unlike any other of this process. Loops take them a thousand at a time.
  std::uint64_t next_task_id() noexcept {
    if (next_id_ == end_id_) [[unlikely]]
      take_ids();
    return next_id_++;
  }
  /// The names of tasks that were given one. Few are, so it is not every task that pays.
  const std::string& name_of(std::uint64_t task) const { return names_.at(task); }
  void set_name(std::uint64_t task, std::string name) { names_[task] = std::move(name); }
  void forget_name(std::uint64_t task) noexcept { names_.erase(task); }

  /// The context of what runs now; null while it has none.
  context_state* context() const noexcept { return context_; }
  /// Whether what is made here may have to bring a context along: what is not a task, and has
  /// none of its own, runs in the thread's.
  bool may_have_context() const noexcept {
    return context_ ? !context_->empty() : !current_task_;
  }
  void set_context(context_state* c) noexcept { context_ = c; }
  /// The contexts of tasks that have one: of those made where a variable was set.
  context_state* context_of(std::uint64_t task) noexcept {
    return task == looked_up_ ? found_ : look_up_context(task);
  }
  void set_context_of(std::uint64_t task, context_ref c) {
    looked_up_ = 0;
    contexts_[task] = std::move(c);
  }
  void forget_context(std::uint64_t task) noexcept {
    looked_up_ = 0;
    contexts_.erase(task);
  }

  /// Whether a time limit was ever set here: tasks made from now on inherit deadlines.
  bool deadlines_used() const noexcept { return deadlines_used_; }
  void use_deadlines() noexcept { deadlines_used_ = true; }
  /// The earliest that holds for what runs now, in nanoseconds: of the current task, or of a
  /// call that makes children when it has long returned. `never` if there is none.
  std::uint64_t deadline_here() const noexcept;
  /// Gives that of such a call for as long as it makes them; returns the one before.
  std::uint64_t set_call_deadline(std::uint64_t ns) noexcept {
    return std::exchange(call_deadline_, ns);
  }

  /// For reports, in debug mode.
  debug_notes& notes() noexcept { return notes_; }

  deep_requests& deep() noexcept { return deep_requests_; }

  std::uint32_t next_join_id() noexcept { return ++last_join_; }
  std::uint64_t next_callback_id() noexcept { return ++last_callback_; }

  /// close() is at work, and has cancelled the tasks: what other threads send now does not
  /// begin any more.
  bool ending() const noexcept { return ending_; }

  /// Cancels all tasks; true if there was one.
  bool cancel_all(const char* reason) noexcept;
  /// Why nothing can happen any more: the tasks, and which of them wait for each other.
  std::string describe_deadlock() const;

  /// Cancels all tasks and runs the loop until they have ended, or cannot. What they throw
  /// meanwhile is reported.
  void shut_down_tasks(const char* reason = "run() is ending");

  /// The calls of other loops whose answers this one waits for.
  ring_link<flight>& flights() noexcept { return flights_; }
  /// The generators that have begun in it, and not ended.
  ring_link<generator_state>& generators() noexcept { return generators_; }

  /// The threads of to_thread(), made when first asked for. Throws invalid_state if the loop is
  /// closed, or they were shut down; `what` is the call that needs them.
  runtime::thread_pool& executor(const char* what) {
    if (!executor_ || executor_gone_ || closed()) [[unlikely]]
      make_executor(what);
    return *executor_;
  }
  /// A thread that waits for others.
  runtime::thread_pool& joiner() {
    if (!joiner_) joiner_ = std::make_unique<runtime::thread_pool>(1);
    return *joiner_;
  }
  /// How many there may be; before they are made.
  void set_threads(std::size_t n) noexcept { threads_ = n; }
  /// One that is replaced goes on with the jobs it has.
  void set_executor(std::shared_ptr<runtime::thread_pool> e) {
    replaced_.push_back(std::exchange(executor_, std::move(e)));
  }
  /// Gives the executor up, null if there is none; from now on asking for it is an error.
  std::shared_ptr<runtime::thread_pool> shut_executor() noexcept {
    executor_gone_ = true;
    return executor_;
  }

  void start_trace(const std::filesystem::path& file);
  /// Writes the trace; without effect if there is none.
  void stop_trace();

  using task_factory = std::function<void(task_options&)>;
  task_factory factory;
  bool terminate_on_unretrieved = false;
  /// Streams that take SIGINT: while there is one, that does not cancel run()'s main.
  int interrupt_streams = 0;

 private:
  ~loop_core() override = default;
  void end_activities() noexcept override;
  void abandon_activities() noexcept override;
  void leave_flights() noexcept;
  [[noreturn]] static void no_current(const char* what);
  void take_ids() noexcept;
  context_state* look_up_context(std::uint64_t task) noexcept;
  void make_executor(const char* what);

  static constexpr char layer_tag = 0;

  task_state* current_task_ = nullptr;
  context_state* context_ = nullptr;
  bool deadlines_used_ = false;
  std::uint64_t call_deadline_ = ambient_deadline::never;
  task_link tasks_{&tasks_, &tasks_};
  std::uint64_t next_id_ = 0;
  std::uint64_t end_id_ = 0;
  std::uint32_t last_join_ = 0;
  std::uint64_t last_callback_ = 0;
  std::uint64_t step_began_ = 0;
  std::uint64_t suspended_at_ = 0;
  std::unordered_map<std::uint64_t, std::string> names_;
  std::unordered_map<std::uint64_t, context_ref> contexts_;
  // The task last looked up in it: often run()'s, which has one.
  std::uint64_t looked_up_ = 0;
  context_state* found_ = nullptr;
  deep_requests deep_requests_;
  debug_notes notes_;
  std::shared_ptr<runtime::thread_pool> executor_;
  std::vector<std::shared_ptr<runtime::thread_pool>> replaced_;
  std::unique_ptr<runtime::thread_pool> joiner_;
  std::size_t threads_ = runtime::thread_pool::default_size();
  bool executor_gone_ = false;
  bool ending_ = false;
  std::unique_ptr<runtime::trace_session> trace_session_;
  ring_link<flight> flights_;
  ring_link<generator_state> generators_;
};

/// Makes `c` (null: none) the current context of `l` for the scope's time.
class context_swap {
 public:
  context_swap(loop_core& l, context_state* c) noexcept : loop_(l), before_(l.context()) {
    l.set_context(c);
  }
  context_swap(const context_swap&) = delete;
  context_swap& operator=(const context_swap&) = delete;
  ~context_swap() { loop_.set_context(before_); }

 private:
  loop_core& loop_;
  context_state* before_;
};

}  // namespace sheaf::detail
