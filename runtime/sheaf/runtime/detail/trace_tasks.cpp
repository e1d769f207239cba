#include <sheaf/runtime/detail/trace_tasks.hpp>

#include <algorithm>

namespace sheaf::runtime::detail {

namespace {

const std::string ready_name = "\"ready\"";

std::string_view state_of(trace_kind kind) {
  switch (kind) {
    case trace_kind::task_failed:
      return "\"error\"";
    case trace_kind::task_cancelled:
      return "\"cancelled\"";
    case trace_kind::task_orphan:
      return "\"orphan\"";
    default:
      return "\"done\"";
  }
}

trace_result result_of(trace_kind kind) {
  switch (kind) {
    case trace_kind::task_done:
      return trace_result::ok;
    case trace_kind::task_failed:
      return trace_result::error;
    default:
      return trace_result::cancelled;
  }
}

}  // namespace

std::string place_text(const trace_recorder& recorder, std::uint32_t place) {
  auto file = recorder.file_of(place);
  if (file.empty()) return {};
  while (file.starts_with("../") || file.starts_with("./")) {
    file.remove_prefix(file.find('/') + 1);
  }
  return std::string(file) + ':' + std::to_string(trace_recorder::line_of(place));
}

const std::string& trace_tasks::quoted_name(std::uint16_t id) {
  if (id >= names_.size()) names_.resize(id + std::size_t{1});
  auto& text = names_[id];
  if (text.empty()) {
    const auto name = recorder_.name(id);
    text = name.empty() ? "\"unnamed\"" : quoted(name);
  }
  return text;
}

std::string trace_tasks::name_text(std::uint64_t task, std::uint16_t id) {
  return id != 0 ? quoted_name(id) : "\"Task-" + std::to_string(task) + '"';
}

std::string trace_tasks::name_of(std::uint64_t task, std::uint16_t fallback) {
  if (const auto t = tracks_.find(task); t != tracks_.end()) return t->second.name;
  const auto before = ended_.find(task);
  return name_text(task, before != ended_.end() ? before->second.name_id : fallback);
}

void trace_tasks::cause(const trace_record& entry) {
  const auto by = entry.a & 0xffffffff;
  events_.number("by", by);
  if (by != 0) events_.raw("by_name", name_of(by, 0));
  events_.text("reason", recorder_.text_of(entry.b));
  const auto at = place_text(recorder_, static_cast<std::uint32_t>(entry.a >> 32));
  if (!at.empty()) events_.text("at", at);
}

trace_events& trace_tasks::edge(char letter, std::uint64_t task, const std::string& name,
                                std::uint64_t ns) {
  return events_.open(letter, "task", name, ns).local_id(task);
}

// Starts a track on the first sight of a task whose begin the recording does not hold.
trace_tasks::track& trace_tasks::track_of(const trace_record& entry, std::uint64_t ns) {
  auto& t = tracks_[entry.task];
  if (t.begun) return t;
  // The name of a wait or of a spawn's child is not the task's.
  const bool named = entry.kind != trace_kind::task_waits;
  t.name_id = named ? entry.name : std::uint16_t{0};
  t.name = name_text(entry.task, t.name_id);
  begin(t, entry, ns, true);
  return t;
}

void trace_tasks::begin(track& t, const trace_record& entry, std::uint64_t ns, bool cut) {
  t.begun = true;
  edge('b', entry.task, t.name, ns).args().number("task", entry.task);
  if (cut) {
    events_.raw("cut", "true").close();
    return;
  }
  events_.number("parent", entry.a);
  made_at(entry);
  if (entry.kind == trace_kind::task_alive) events_.raw("cut", "true");
  events_.close();
}

// A child of gather(a(), b()) knows no place of its own: the co_await of the gather is it.
void trace_tasks::made_at(const trace_record& entry) {
  auto at = place_text(recorder_, entry.b);
  std::uint64_t id = 0;
  const auto* const join = at.empty() ? joins_.awaited_for(entry.task, id) : nullptr;
  if (join != nullptr) at = place_text(recorder_, join->place);
  if (!at.empty()) events_.text("at", at);
  if (join != nullptr) events_.number("join", id);
}

void trace_tasks::spawned(const trace_record& entry, std::uint64_t ns) {
  auto& t = tracks_[entry.task];
  if (t.begun) return;
  t.name_id = entry.name;
  t.name = name_text(entry.task, t.name_id);
  begin(t, entry, ns, false);
  if (entry.kind == trace_kind::task_spawned) ready(t, entry.task, ns);
}

void trace_tasks::ready(track& t, std::uint64_t task, std::uint64_t ns) {
  t.now = phase::ready;
  edge('b', task, ready_name, ns).args().number("task", task).close();
}

void trace_tasks::step_began(std::uint64_t task, std::uint16_t name, std::uint64_t ns) {
  trace_record seen{};
  seen.task = task;
  seen.name = name;
  if (ended_.contains(task)) return;
  auto& t = track_of(seen, ns);
  end_inner(t, task, ns, false);
  t.woken_early = false;
}

void trace_tasks::end_inner(track& t, std::uint64_t task, std::uint64_t ns, bool open) {
  if (t.now == phase::running) return;
  const bool waited = t.now == phase::waiting;
  edge('e', task, waited ? t.wait_name : ready_name, ns).args().number("task", task);
  if (open) {
    events_.raw("open", "true");
  } else if (waited) {
    wait_result(t);
  }
  events_.close();
  t.now = phase::running;
}

// Says how the wait ended where the recording shows it, and nothing otherwise.
void trace_tasks::wait_result(const track& t) {
  const auto word = [this](trace_result r) {
    events_.raw("result", '"' + std::string(to_string(r)) + '"');
  };
  auto* join = joins_.find(t.wait_object);
  if (join != nullptr && t.wait_name == quoted(join->label)) {
    if (!join->finished.empty()) events_.raw("order", task_list(join->finished));
    if (join->first != 0) events_.number("first", join->first);
    if (join->settled && !t.cancel_seen) return word(join->result);
  }
  const auto on = recorder_.name(t.wait_on);
  if (t.cancel_seen) return word(trace_result::cancelled);
  if (on == "sleep" || on == "yield") return word(trace_result::ok);
  if (const auto done = ended_.find(t.wait_object);
      on == "task" && done != ended_.end()) {
    word(done->second.result);
  }
}

void trace_tasks::waits(const trace_record& entry, std::uint64_t ns) {
  auto& t = track_of(entry, ns);
  end_inner(t, entry.task, ns, false);
  t.wait_on = entry.name;
  t.wait_object = entry.a;
  t.cancel_seen = false;
  const auto what = recorder_.name(entry.name);
  auto* join = joins_.find(entry.a);
  const bool joins = join != nullptr && join->label.starts_with(std::string(what) + '(');
  t.wait_name = quoted(joins ? join->label : "await " + std::string(what));
  // A task that queued itself before it suspended is ready at once: a yield.
  if (t.woken_early) {
    t.woken_early = false;
    return ready(t, entry.task, ns);
  }
  t.now = phase::waiting;
  edge('b', entry.task, t.wait_name, ns).args().number("task", entry.task);
  events_.raw("on", quoted_name(entry.name));
  if (joins) {
    events_.number("join", entry.a).raw("children", task_list(join->children));
  } else {
    wait_args(entry);
  }
  if (const auto at = place_text(recorder_, entry.b); !at.empty()) events_.text("at", at);
  events_.close();
}

void trace_tasks::wait_args(const trace_record& entry) {
  const auto on = recorder_.name(entry.name);
  if (on == "sleep") {
    const auto left = entry.a > entry.at_ns ? entry.a - entry.at_ns : 0;
    events_.number("for_us", left / 1000);
  } else if (on == "task" && entry.a != 0) {
    events_.number("awaits", entry.a);
  } else if (on == "mutex" && entry.a != 0) {
    events_.number("held_by", entry.a);
  } else if (entry.a != 0) {
    events_.number("object", entry.a);
  }
}

void trace_tasks::woken(track& t, std::uint64_t task, std::uint64_t ns) {
  if (t.now == phase::ready) return;
  if (t.now == phase::running) {
    t.woken_early = true;
    return;
  }
  end_inner(t, task, ns, false);
  ready(t, task, ns);
}

void trace_tasks::ended(const trace_record& entry, std::uint64_t ns) {
  auto& t = track_of(entry, ns);
  end_inner(t, entry.task, ns, entry.kind == trace_kind::task_orphan);
  edge('e', entry.task, t.name, ns).args().number("task", entry.task);
  events_.raw("state", state_of(entry.kind));
  if (entry.kind == trace_kind::task_failed) {
    events_.text("error", recorder_.text_of(entry.b));
  }
  if (entry.kind == trace_kind::task_cancelled) cause(entry);
  events_.close();
  ended_[entry.task] = {result_of(entry.kind), t.name_id};
  tracks_.erase(entry.task);
  joins_.finish(entry.task);
}

void trace_tasks::join_began(const trace_record& entry, std::uint64_t ns) {
  auto* join = joins_.find(entry.a);
  if (join == nullptr || join->open) return;
  join->open = true;
  events_.open('b', "join", quoted(join->label), ns).local_id(entry.a);
  events_.args().number("join", entry.a).number("owner", join->owner);
  events_.number("n", join->size).raw("children", task_list(join->children)).close();
}

void trace_tasks::join_ended(const trace_record& entry, std::uint64_t ns) {
  auto* join = joins_.find(entry.a);
  if (join == nullptr || !join->open) return;
  join->open = false;
  join->settled = true;
  join->first = entry.task;
  join->result = static_cast<trace_result>(entry.b);
  events_.open('e', "join", quoted(join->label), ns).local_id(entry.a);
  events_.args().number("join", entry.a);
  events_.raw("result", '"' + std::string(to_string(join->result)) + '"');
  if (join->first != 0) events_.number("first", join->first);
  events_.raw("order", task_list(join->finished)).close();
}

void trace_tasks::point(const trace_record& entry, std::uint64_t ns) {
  switch (entry.kind) {
    case trace_kind::join_begin:
      return join_began(entry, ns);
    case trace_kind::join_end:
      return join_ended(entry, ns);
    default:
      break;
  }
  // What reaches a task after its end, such as a late cancel, does not begin a second
  // life.
  if (ended_.contains(entry.task)) return;
  switch (entry.kind) {
    case trace_kind::task_spawned:
    case trace_kind::task_alive:
      return spawned(entry, ns);
    case trace_kind::task_waits:
      return waits(entry, ns);
    case trace_kind::task_woken:
      return woken(track_of(entry, ns), entry.task, ns);
    case trace_kind::task_cancel:
      track_of(entry, ns).cancel_seen = true;
      return;
    case trace_kind::task_done:
    case trace_kind::task_failed:
    case trace_kind::task_orphan:
    case trace_kind::task_cancelled:
      return ended(entry, ns);
    default:
      return;
  }
}

void trace_tasks::finish(std::uint64_t ns) {
  std::vector<std::uint64_t> alive;
  for (const auto& [task, t] : tracks_) alive.push_back(task);
  std::sort(alive.begin(), alive.end());
  for (const auto task : alive) {
    auto& t = tracks_.at(task);
    end_inner(t, task, ns, true);
    edge('e', task, t.name, ns).args().number("task", task).raw("open", "true").close();
  }
  for (const auto id : joins_.open()) {
    events_.open('e', "join", quoted(joins_.find(id)->label), ns).local_id(id);
    events_.args().number("join", id).raw("open", "true").close();
  }
}

}  // namespace sheaf::runtime::detail
