#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/task_dump.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/one_line.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <string_view>

// What is known of a task: names, places, and how it is described.
namespace sheaf::detail {

std::string task_state::given_name() const {
  return flags_.has(task_flag::named) ? loop().name_of(id_) : std::string();
}

std::string task_state::name() const {
  if (flags_.has(task_flag::named)) return loop().name_of(id_);
  std::string by_watcher = watchers_name();
  if (!by_watcher.empty()) return by_watcher;
  return std::string("Task-").append(std::to_string(id_));
}

void task_state::run_in(context_ref c) {
  if (loop().current_task() == this) loop().set_context(c.get());
  loop().set_context_of(id_, std::move(c));
  flags_.set(task_flag::has_context);
}

void task_state::inherit_context() {
  const context_state* const c = current_context();
  if (c && !c->empty()) run_in(context_ref::adopt(new context_state(*c)));
}

void task_state::inherit_deadline() noexcept {
  const std::uint64_t ns = loop().deadline_here();
  if (ns != ambient_deadline::never) ambient_ = ambient_deadline::inherited(ns);
}

void task_state::forget_details() noexcept {
  if (flags_.has(task_flag::named)) loop().forget_name(id_);
  if (flags_.has(task_flag::has_context)) loop().forget_context(id_);
}

void task_state::set_name(std::string name) {
  flags_.set(task_flag::named);
  loop().set_name(id_, std::move(name));
}

std::source_location task_state::failed_at() const noexcept {
  return failed() ? promise_base::await_place(failed_at_) : std::source_location{};
}

std::source_location task_state::waiting_at() const noexcept {
  return innermost() ? innermost()->place() : std::source_location{};
}

std::vector<std::source_location> task_state::stack() const {
  std::vector<std::source_location> places;
  for (const promise_base* p = innermost(); p; p = p->calling()) {
    // One of the library's that waits stands at its caller's place: once is enough.
    const bool stands_in =
        p == innermost() && p->calling() && p->calling()->last_place() == p->last_place();
    if (p->has_place() && !stands_in) places.push_back(p->place());
  }
  return places;
}

wait_holder suspension::holder() const noexcept {
  const task_state* const t = awaited_task();
  return t ? wait_holder{t->id(), nullptr} : wait_holder{};
}

const char* task_state::function() const noexcept {
  const promise_base* root = innermost();
  while (root && root->calling()) root = root->calling();
  return root ? root->function() : "";
}

namespace {

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.file_name() == std::string_view(b.file_name());
}

std::string place_words(const char* before, const std::source_location& at) {
  if (at.line() == 0) return {};
  return std::string(before) + at.file_name() + ':' + std::to_string(at.line());
}

}  // namespace

std::string task_state::describe() const {
  const suspension* const s = waiting_on();
  const std::uint64_t wanted = s ? s->holder().task : 0;
  const task_state* holder = wanted ? loop().first_task() : nullptr;
  while (holder && holder->id() != wanted) holder = loop().task_after(*holder);
  return describe(holder);
}

std::string task_state::describe(const task_state* holder) const {
  const auto why = [&] {
    const std::string text = cause_ ? cause_->describe() : std::string();
    return text.empty() ? text : " (" + text + ')';
  };
  const auto word = [&]() -> std::string {
    switch (status_) {
      case future_status::value:
        return "finished";
      case future_status::error:
        return "finished exception=" + sheaf::describe(error_);
      case future_status::cancelled:
        return "cancelled" + why();
      case future_status::pending:
        return cancelling_ > 0 ? "cancelling" + why() : "pending";
    }
    return {};
  };
  std::string line = "task " + std::to_string(id_) + " '" + name() + "' " + word();
  if (!done()) {
    if (waiting_on_) line += " waiting for " + describe_wait(*waiting_on_, holder);
    line += place_words(" at ", waiting_at());
    // A child of gather(a(), b()) knows no place where it was made; one of gather(e.wait()),
    // which is the library's, waits at the same.
    if (created_at_.line() == 0 && !same_place(awaited_at(), waiting_at())) {
      line += place_words(", awaited at ", awaited_at());
    }
  }
  if (loop().debug()) line += place_words(" created at ", created_at_);
  return runtime::one_line(std::move(line));
}

exception_context task_state::describe_as(std::string message) const {
  return {.message = std::move(message),
          .exception = error_,
          .task_id = id_,
          .task_name = name(),
          .created_at = created_at_,
          .waiting_at = done() ? failed_at() : waiting_at()};
}

exception_context task_state::describe_unretrieved() const {
  return describe_as("the exception of a task was never retrieved");
}

}  // namespace sheaf::detail
