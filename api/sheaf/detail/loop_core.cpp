#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/task_state.hpp>

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
  throw invalid_state(std::string(what) +
                      ": no loop runs on this thread; call it from a task or a callback, or "
                      "use the member of the same name of a loop");
}

void loop_core::take_ids() noexcept {
  constexpr std::uint64_t block = 1000;
  static std::atomic<std::uint64_t> next{0};
  next_id_ = next.fetch_add(block, std::memory_order_relaxed) + 1;
  end_id_ = next_id_ + block;
}

task_state* loop_core::first_task() const noexcept {
  return tasks_.next_task == &tasks_ ? nullptr : static_cast<task_state*>(tasks_.next_task);
}

task_state* loop_core::task_after(const task_state& t) const noexcept {
  return t.next_task == &tasks_ ? nullptr : static_cast<task_state*>(t.next_task);
}

bool loop_core::cancel_all(const char* reason) noexcept {
  if (live_ == 0) return false;
  const auto cause =
      cancel_ref::adopt(new cancel_cause(reason, 0, std::source_location::current()));
  // cancel() runs no code of a task and ends none, so the list stays as it is meanwhile.
  for (task_state* t = first_task(); t; t = task_after(*t)) t->cancel(cause);
  return true;
}

std::string loop_core::describe_tasks() const {
  std::string lines;
  for (const task_state* t = first_task(); t; t = task_after(*t)) {
    lines += "\n  " + t->describe();
  }
  return lines;
}

// An owned loop still works here: its tasks are cancelled and run to their end.
void loop_core::end_activities() noexcept {
  for (task_state* t = first_task(); t; t = task_after(*t)) {
    report({.message = "the loop was closed while a task was pending; it is cancelled",
            .task_id = t->id(),
            .task_name = t->name(),
            .created_at = t->created_at(),
            .waiting_at = t->waiting_at()});
  }
  if (!borrowed() && cancel_all("the loop was closed")) {
    for (int turns = 0; live_ != 0 && turns < closing_turns && blocking_turn(); ++turns) {
    }
  }
  if (pool_) pool_->join();
}

// What refused to end, and every task of a borrowed loop, whose host cannot be run from here.
void loop_core::abandon_activities() noexcept {
  while (task_state* const t = first_task()) t->abandon();
  factory = nullptr;
  trace_session_.reset();
}

void loop_core::shut_down_tasks() {
  if (live_ == 0) return;
  std::vector<task_ref> left;
  for (task_state* t = first_task(); t; t = task_after(*t)) left.push_back(task_ref::share(t));
  cancel_all("run() is ending");
  stop_when_idle_ = true;
  drive();
  stop_when_idle_ = false;
  for (const task_ref& t : left) {
    if (!t->failed()) continue;
    t->mark_retrieved();
    report({.message = "a task failed while run() was ending",
            .exception = t->error(),
            .task_id = t->id(),
            .task_name = t->name(),
            .created_at = t->created_at(),
            .waiting_at = {}});
  }
}

runtime::thread_pool& loop_core::pool() {
  if (!pool_) pool_ = std::make_unique<runtime::thread_pool>(*this);
  return *pool_;
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
