#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/generator_state.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/detail/task_dump.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/thread_pool_executor.hpp>

#include <atomic>
#include <string>

namespace sheaf::detail {

namespace {
// Enough for a task that cleans up by awaiting; one that keeps on is not waited for.
constexpr int closing_turns = 1000;
}  // namespace

loop_core::loop_core(uv_loop_s* host, runtime::clock_kind clock)
    : scheduler(host, clock, &layer_tag) {}

void loop_core::no_current(const char* what) {
  throw invalid_state(
      std::string(what) +
      ": no loop runs on this thread; call it from a task or a callback, or "
      "use the member of the same name of a loop");
}

void loop_core::take_ids() noexcept {
  constexpr std::uint64_t block = 1000;
  static std::atomic<std::uint64_t> next{0};
  next_id_ = next.fetch_add(block, std::memory_order_relaxed) + 1;
  end_id_ = next_id_ + block;
}

context_state* loop_core::look_up_context(std::uint64_t task) noexcept {
  const auto at = contexts_.find(task);
  looked_up_ = task;
  found_ = at == contexts_.end() ? nullptr : at->second.get();
  return found_;
}

std::uint64_t loop_core::deadline_here() const noexcept {
  return current_task_ ? current_task_->ambient().nearest() : call_deadline_;
}

task_state* loop_core::first_task() const noexcept {
  return has_tasks() ? static_cast<task_state*>(tasks_.next_task) : nullptr;
}

task_state* loop_core::task_after(const task_state& t) const noexcept {
  return t.next_task == &tasks_ ? nullptr : static_cast<task_state*>(t.next_task);
}

std::uint64_t loop_core::running_task() const noexcept {
  return current_task_ ? current_task_->id() : 0;
}

bool loop_core::cancel_all(const char* reason) noexcept {
  if (!has_tasks()) return false;
  const auto cause = make_cause(cancel_why::shutdown, nullptr, {}, reason);
  // cancel() runs no code of a task and ends none, so the list stays as it is meanwhile.
  for (task_state* t = first_task(); t; t = task_after(*t)) {
    // What finish() awaits ends by itself, and whoever awaits it has been told.
    if (t->cause() != cause && !t->finishing()) t->cancel(cause);
  }
  return true;
}

std::string loop_core::describe_deadlock() const {
  const task_dump tasks(*this);
  const std::string cycles = tasks.cycles();
  return "every task is blocked and nothing can wake them:" + tasks.lines() +
         (cycles.empty() ? "" : "\nthese wait for each other:" + cycles);
}

// An owned loop still works here: its tasks are cancelled and run to their end.
void loop_core::end_activities() noexcept {
  ending_ = true;
  for (task_state* t = first_task(); t; t = task_after(*t)) {
    report({.message = "the loop was closed while a task was pending; it is cancelled",
            .task_id = t->id(),
            .task_name = t->name(),
            .created_at = t->created_at(),
            .waiting_at = t->waiting_at()});
  }
  if (!borrowed() && cancel_all("the loop was closed")) {
    for (int turns = 0; has_tasks() && turns < closing_turns && blocking_turn();
         ++turns) {
    }
  }
  leave_flights();
  // A job may need the loop to come to its end: the loop runs meanwhile if it can be run.
  // One that refuses to end and gives job after job is not waited for either.
  for (int turns = 0; !borrowed() && expects_threads(); turns += has_tasks()) {
    if (turns >= closing_turns) break;
    blocking_turn();
  }
  wait_for_jobs();
  joiner_.reset();
  replaced_.clear();  // joins them, unless others have a handle
  executor_.reset();
}

void loop_core::leave_flights() noexcept {
  while (flight* const f = flights_.first()) f->leave();
}

// What refused to end, and every task of a borrowed loop, whose host cannot be run from here.
void loop_core::abandon_activities() noexcept {
  while (has_tasks()) static_cast<task_state*>(tasks_.prev_task)->abandon();
  leave_flights();
  while (generator_state* const g = generators_.first()) g->unlink();
  factory = nullptr;
  trace_session_.reset();
}

namespace {

/// Stops the loop one batch after the last of some tasks has ended, so that their done
/// callbacks run. Counts the tasks it was made for, and none that they start meanwhile.
class stop_after_all final : public observer {
 public:
  explicit stop_after_all(loop_core& l) : loop_(l) {
    for (task_state* t = l.first_task(); t; t = l.task_after(*t)) {
      tasks_.push_back({{}, task_ref::share(t)});
    }
    for (entry& e : tasks_) e.task->watch(e.registration, *this);
    left_ = tasks_.size();
  }
  ~stop_after_all() {
    for (entry& e : tasks_) e.task->unwatch(e.registration);
  }

  void settled(watcher&) noexcept override {
    if (--left_ == 0) queue();
  }
  void run() noexcept override {
    queued_ = false;
    loop_.stop();
  }
  void drop() noexcept override { queued_ = false; }
  bool queued() const noexcept { return queued_; }

  void report_failed() const {
    for (const entry& e : tasks_) {
      if (!e.task->failed() || leaves_run(e.task->error())) continue;
      e.task->mark_retrieved();
      loop_.report({.message = "a task failed while run() was ending",
                    .exception = e.task->error(),
                    .task_id = e.task->id(),
                    .task_name = e.task->name(),
                    .created_at = e.task->created_at(),
                    .waiting_at = e.task->failed_at()});
    }
  }

 private:
  struct entry {
    watcher registration;
    task_ref task;
  };
  void queue() noexcept {
    queued_ = true;
    loop_.post(*this);
  }

  loop_core& loop_;
  std::vector<entry> tasks_;
  std::size_t left_ = 0;
  bool queued_ = false;
};

}  // namespace

void loop_core::shut_down_tasks(const char* reason) {
  if (!has_tasks()) return;
  stop_after_all all(*this);
  cancel_all(reason);
  // What leaves run() leaves drive() at once; it is thrown on when the tasks have ended.
  std::exception_ptr exit;
  bool again = true;
  while (again) {
    try {
      drive();
      again = all.queued();
    } catch (...) {
      if (!exit) exit = std::current_exception();
    }
  }
  all.report_failed();
  if (exit) std::rethrow_exception(exit);
}

void loop_core::make_executor(const char* what) {
  require_open(what);
  if (executor_gone_) {
    throw invalid_state(std::string(what) + ": the default executor was shut down");
  }
  executor_ = thread_pool_executor(threads_).pool();
}

void loop_core::start_trace(const std::filesystem::path& file) {
  trace_session_ = std::make_unique<runtime::trace_session>(*this, file);
}

void loop_core::stop_trace() {
  const auto session = std::move(trace_session_);
  if (!session) return;
  if (current_task_) current_task_->trace_open_step();
  session->finish();
}

}  // namespace sheaf::detail
