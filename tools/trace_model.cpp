#include "trace_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sheaf::tools {

trace_model::trace_model(const std::string& path) {
  const auto rest = for_each_event(path, read_text(path), [this](const json& one) {
    if (one.is_object()) event(one);
  });
  if (const auto found = rest.find("metadata");
      found != rest.end() && found->is_object()) {
    metadata_ = *found;
  }
  if (events == 0 && metadata_.empty())
    throw file_error(path + ": holds no trace events");
}

void trace_model::event(const json& event) {
  ++events;
  const auto phase = text_or(event, "ph");
  if (phase == "M") {
    if (loop_name_.empty() && text_or(event, "name") == "thread_name") {
      loop_name_ = text_or(args_of(event), "name");
    }
    return;
  }
  const auto ns = ns_of(event, "ts");
  begin_ = std::min(begin_, ns);
  end_ = std::max(end_, ns + ns_of(event, "dur"));
  if (phase == "X") return slice(event);
  if (phase == "i") return instant(event);
  if (phase == "C") return counter(event);
  if (text_or(event, "cat") != "task") return;
  if (phase == "b") begin(event);
  if (phase == "e") end(event);
}

void trace_model::slice(const json& event) {
  const auto cat = text_or(event, "cat");
  const auto name = text_or(event, "name");
  const auto ns = ns_of(event, "dur");
  if (cat == "task") {
    step(args_of(event), ns);
  } else if (cat == "pool") {
    work_ns += ns;
    queued_us.push_back(number_or(args_of(event), "queued_us"));
  } else if (cat == "loop" && name == "poll") {
    poll_ns += ns;
  } else if (cat == "loop" && name == "iteration") {
    ++iterations;
    longest_iteration = std::max(longest_iteration, ns);
  }
}

void trace_model::step(const json& args, std::uint64_t ns) {
  const auto found = tasks_.find(number_or(args, "task"));
  if (found == tasks_.end()) return;
  auto& task = found->second;
  task.busy += ns;
  task.longest = std::max(task.longest, ns);
  ++task.steps;
}

void trace_model::instant(const json& event) {
  const auto& args = args_of(event);
  const auto name = text_or(event, "name");
  if (name == "timer.fire") late_us.push_back(number_or(args, "late_us"));
  if (text_or(event, "cat") != "warn" && name != "task.orphan") return;
  const auto at = text_or(args, "at");
  const auto from = text_or(args, "from");
  const auto span = from.empty() || from == at ? at : from + " to " + at;
  findings_.push_back({name, ns_of(event, "ts"), number_or(args, "task"),
                       number_or(args, "us"), text_or(args, "error", span)});
}

void trace_model::counter(const json& event) {
  const auto& args = args_of(event);
  max_ready = std::max(max_ready, number_or(args, "depth"));
  max_timers = std::max(max_timers, number_or(args, "armed"));
}

void trace_model::begin(const json& event) {
  const auto& args = args_of(event);
  const auto id = number_or(args, "task");
  auto& stack = open_[id];
  const auto ns = ns_of(event, "ts");
  auto& task = tasks_[id];
  if (stack.empty()) {
    task.id = id;
    task.name = text_or(event, "name");
    task.parent = number_or(args, "parent");
    task.at = text_or(args, "at");
    task.begin = task.end = ns;
    max_live = std::max<std::uint64_t>(max_live, open_.size());
  } else {
    inner_begin(task, event);
  }
  stack.push_back({!args.contains("on"), ns});
}

void trace_model::inner_begin(task_row& task, const json& event) {
  const auto& args = args_of(event);
  if (!args.contains("on")) return;
  task.waits_on = text_or(event, "name");
  task.waits_at = text_or(args, "at");
}

void trace_model::end(const json& event) {
  const auto& args = args_of(event);
  const auto id = number_or(args, "task");
  const auto known = open_.find(id);
  if (known == open_.end()) return;
  auto& task = tasks_[id];
  auto& stack = known->second;
  const auto ns = ns_of(event, "ts");
  const auto lasted = ns - std::min(ns, stack.back().begin);
  const bool is_ready = stack.back().is_ready;
  stack.pop_back();
  if (stack.empty()) {
    task.end = ns;
    outcome(task, args);
    open_.erase(known);
    return;
  }
  (is_ready ? task.ready : task.wait) += lasted;
  if (!is_ready) return;
  if (args.contains("open")) {
    task.waits_on = "ready";
    task.waits_at.clear();
  } else {
    ready_ns.push_back(lasted);
  }
}

void trace_model::outcome(task_row& task, const json& args) {
  task.state = text_or(args, "state", "open");
  task.note = text_or(args, "error");
  if (task.state != "cancelled") return;
  task.note = cause(args);
}

// "by task 1 main: a sibling failed at demo.cpp:41", and what of it is known.
std::string trace_model::cause(const json& args) {
  std::string words;
  if (const auto by = number_or(args, "by"); by != 0) {
    const auto name = text_or(args, "by_name");
    words = "by task " + std::to_string(by) + (name.empty() ? "" : ' ' + name);
  }
  if (const auto reason = text_or(args, "reason"); !reason.empty()) {
    words += (words.empty() ? "" : ": ") + reason;
  }
  const auto at = text_or(args, "at");
  if (!at.empty()) words += (words.empty() ? "at " : " at ") + at;
  return words;
}

std::uint64_t percentile(std::vector<std::uint64_t> values, double share) {
  if (values.empty()) return 0;
  const auto rank = std::ceil(share * static_cast<double>(values.size()));
  const auto at = std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(rank), 1) - 1;
  const auto nth = values.begin() + at;
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

std::string in_ms(std::uint64_t ns) {
  char text[32];
  const auto ms = static_cast<double>(ns) / 1e6;
  std::snprintf(text, sizeof text, "%.*f", ms < 1 ? 3 : ms < 100 ? 2 : 1, ms);
  return text;
}

}  // namespace sheaf::tools
