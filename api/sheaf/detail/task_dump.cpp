#include <sheaf/detail/task_dump.hpp>
#include <sheaf/runtime/one_line.hpp>

#include <algorithm>
#include <bit>
#include <set>

namespace sheaf::detail {

namespace {

std::string place_text(std::source_location at) {
  return std::string(at.file_name()) + ':' + std::to_string(at.line());
}

std::string task_text(const task_state& t) {
  return runtime::one_line("task " + std::to_string(t.id()) + " '" + t.name() + '\'');
}

}  // namespace

std::string describe_wait(const suspension& s, const task_state* holder) {
  const wait_holder by = s.holder();
  if (const std::size_t n = s.awaited_children(); n != 0) {
    return std::string(s.kind()) + " of " + std::to_string(n) +
           (n == 1 ? " task" : " tasks");
  }
  if (by.task == 0) return s.kind();
  if (s.awaited_task()) return task_text(*s.awaited_task());
  std::string text = std::string(s.kind()) + " held by ";
  text += holder ? task_text(*holder)
                 : "task " + std::to_string(by.task) + ", which has ended";
  if (by.since) {
    text +=
        " (taken at " + place_text(std::bit_cast<std::source_location>(by.since)) + ')';
  }
  return text;
}

task_dump::task_dump(const loop_core& l) {
  for (const task_state* t = l.first_task(); t; t = l.task_after(*t)) tasks_.push_back(t);
}

const task_state* task_dump::find(std::uint64_t id) const noexcept {
  const auto at = std::lower_bound(
      tasks_.begin(), tasks_.end(), id,
      [](const task_state* t, std::uint64_t wanted) { return t->id() < wanted; });
  return at != tasks_.end() && (*at)->id() == id ? *at : nullptr;
}

const task_state* task_dump::waits_for(const task_state& t) const noexcept {
  const suspension* const s = t.waiting_on();
  return s ? find(s->holder().task) : nullptr;
}

std::string task_dump::lines() const {
  std::string all;
  for (const task_state* t : tasks_) all += "\n  " + t->describe(waits_for(*t));
  return all;
}

// Each task waits for one other at most: from each the way is followed until it meets a task
// that was seen before; on this very way, it is a circle.
std::string task_dump::cycles() const {
  std::string all;
  std::set<const task_state*> seen;
  for (const task_state* t : tasks_) {
    std::set<const task_state*> way;
    while (t && seen.insert(t).second) {
      way.insert(t);
      t = waits_for(*t);
    }
    if (t && way.contains(t)) all += cycle_from(*t);
  }
  return all;
}

std::string task_dump::cycle_from(const task_state& first) const {
  std::string text = "\n  " + task_text(first);
  const task_state* t = &first;
  do {
    const task_state* const next = waits_for(*t);
    if (t != &first) text += ", which";
    text += " waits for " + describe_wait(*t->waiting_on(), next);
    t = next;
  } while (t != &first);
  return text;
}

}  // namespace sheaf::detail
