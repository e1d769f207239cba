#include "trace_model.hpp"

#include <algorithm>
#include <iostream>

namespace sheaf::tools {

namespace {

std::map<std::string, std::uint64_t> by_state(const trace_model& trace) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [id, task] : trace.tasks()) ++counts[task.state];
  return counts;
}

json task_json(const trace_model& trace) {
  json states = {{"done", 0}, {"error", 0}, {"cancelled", 0}, {"orphan", 0}, {"open", 0}};
  for (const auto& [state, count] : by_state(trace)) states[state] = count;
  states["created"] = trace.tasks().size();
  states["max_live"] = trace.max_live;
  return states;
}

json finding_json(const finding& found) {
  json entry = {{"name", found.name}, {"at_ns", found.at}, {"task", found.task}};
  if (found.us != 0) entry["us"] = found.us;
  if (!found.words.empty()) entry["about"] = found.words;
  return entry;
}

json summary_json(const std::string& path, const trace_model& trace) {
  json summary = {
      {"file", path},
      {"span_ns", trace.span_ns()},
      {"events", trace.events},
      {"dropped", number_or(trace.metadata(), "dropped")},
      {"loop",
       {{"name", trace.loop_name()},
        {"poll_ns", trace.poll_ns},
        {"iterations", trace.iterations},
        {"longest_ns", trace.longest_iteration},
        {"max_ready", trace.max_ready}}},
      {"tasks", task_json(trace)},
      {"ready_ns",
       {{"p50", percentile(trace.ready_ns, 0.5)},
        {"p99", percentile(trace.ready_ns, 0.99)}}},
      {"timers",
       {{"fired", trace.late_us.size()},
        {"max_armed", trace.max_timers},
        {"late_us_p50", percentile(trace.late_us, 0.5)},
        {"late_us_max", percentile(trace.late_us, 1)}}},
      {"pool",
       {{"jobs", trace.queued_us.size()},
        {"run_ns", trace.work_ns},
        {"queued_us_max", percentile(trace.queued_us, 1)}}},
      {"findings", json::array()},
  };
  for (const auto& found : trace.findings()) {
    summary["findings"].push_back(finding_json(found));
  }
  return summary;
}

std::string plural(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

void print_loop(const trace_model& trace) {
  const auto span = trace.span_ns();
  const auto awake = span - std::min(span, trace.poll_ns);
  std::cout << "loop        busy " << (span == 0 ? 0 : awake * 100 / span) << " %  (poll "
            << in_ms(trace.poll_ns) << " ms, " << plural(trace.iterations, "iteration")
            << ", longest " << in_ms(trace.longest_iteration) << " ms)\n";
}

void print_finding(const trace_model& trace, const finding& found) {
  std::cout << "  !! " << found.name;
  if (found.us != 0) std::cout << ' ' << in_ms(found.us * 1000) << " ms";
  if (const auto task = trace.tasks().find(found.task); task != trace.tasks().end()) {
    std::cout << "   task " << found.task << ' ' << task->second.name;
  }
  if (!found.words.empty()) std::cout << "   " << found.words;
  std::cout << "   at " << in_ms(found.at) << " ms\n";
}

void print_findings(const trace_model& trace) {
  constexpr std::size_t most = 10;
  const auto& all = trace.findings();
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i)
    print_finding(trace, all[i]);
  if (all.size() > most) std::cout << "  !! and " << all.size() - most << " more\n";
}

void print_tasks(const trace_model& trace) {
  std::cout << "tasks     ";
  for (const auto& [state, count] : by_state(trace))
    std::cout << "  " << count << ' ' << state;
  std::cout << "      created " << trace.tasks().size() << "  max live " << trace.max_live
            << '\n';
}

void print_latency(const trace_model& trace) {
  std::cout << "ready wait  p50 " << in_ms(percentile(trace.ready_ns, 0.5)) << " ms  p99 "
            << in_ms(percentile(trace.ready_ns, 0.99)) << " ms  queue max "
            << trace.max_ready << '\n';
  if (!trace.late_us.empty()) {
    std::cout << "timers      " << trace.late_us.size() << " fired, late p50 "
              << in_ms(percentile(trace.late_us, 0.5) * 1000) << " ms  max "
              << in_ms(percentile(trace.late_us, 1) * 1000) << " ms  armed max "
              << trace.max_timers << '\n';
  }
  if (!trace.queued_us.empty()) {
    std::cout << "pool        " << plural(trace.queued_us.size(), "job") << "  run "
              << in_ms(trace.work_ns) << " ms  queued max "
              << in_ms(percentile(trace.queued_us, 1) * 1000) << " ms\n";
  }
}

void print_summary(const std::string& path, const trace_model& trace) {
  std::cout << path << "  " << in_ms(trace.span_ns()) << " ms, "
            << plural(trace.tasks().size(), "task") << ", "
            << plural(trace.events, "event") << ", "
            << number_or(trace.metadata(), "dropped") << " dropped\n";
  print_loop(trace);
  print_findings(trace);
  print_tasks(trace);
  print_latency(trace);
  std::cout << "findings    " << trace.findings().size() << '\n';
}

}  // namespace

int trace_summary(arguments words) {
  bool as_json = false;
  std::vector<std::string> paths;
  for (option_reader line(words); !line.done();) {
    const auto word = line.next();
    if (word == "--json") {
      line.no_value();
      as_json = true;
    } else if (word.starts_with('-')) {
      unknown_option("trace summary", word);
    } else {
      paths.emplace_back(word);
    }
  }
  if (paths.empty()) throw usage_error("trace summary: which file?");
  for (const auto& path : paths) {
    const trace_model trace(path);
    if (as_json) {
      std::cout << summary_json(path, trace).dump() << '\n';
    } else {
      print_summary(path, trace);
    }
  }
  return exit_fine;
}

}  // namespace sheaf::tools
