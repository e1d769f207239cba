#include "trace_model.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <map>

namespace sheaf::tools {

namespace {

/// An event without what differs between two equal runs.
struct event_line {
  std::string what;
  std::string times;  // counted by a virtual clock: equal as well; else to be ignored
  std::uint64_t ns = 0;
};

/// What the tasks of a trace did, in order, comparable with that of another run.
///
/// Tasks and joins are numbered as they appear. Left out are times, processes and threads, and
/// what the machine decides and not the program: turns of the loop and their counters, when
/// threads ran, loop.blocked. Arrows say nothing that steps do not.
class story {
 public:
  explicit story(const std::string& path) : path_(path) {
    const auto rest = for_each_event(path, read_text(path), [this](const json& one) {
      if (one.is_object() && is_kept(one)) add(one);
    });
    const auto meta = rest.find("metadata");
    is_virtual_ =
        meta != rest.end() && meta->is_object() && text_or(*meta, "clock") == "virtual";
    if (meta == rest.end() && lines_.empty()) {
      throw file_error(path + ": holds no trace events");
    }
  }

  const std::string& path() const { return path_; }
  const std::vector<event_line>& lines() const { return lines_; }
  bool is_virtual() const { return is_virtual_; }

 private:
  using numbers = std::map<std::uint64_t, std::uint64_t>;

  static bool is_kept(const json& event) {
    constexpr std::array<std::string_view, 6> cats{"task", "join", "timer",
                                                   "cb",   "mark", "warn"};
    const auto phase = text_or(event, "ph");
    const auto cat = text_or(event, "cat");
    return (phase == "b" || phase == "e" || phase == "X" || phase == "i") &&
           std::find(cats.begin(), cats.end(), cat) != cats.end() &&
           text_or(event, "name") != "loop.blocked";
  }

  void add(const json& event) {
    const auto& args = args_of(event);
    event_line line;
    line.ns = ns_of(event, "ts");
    line.what = word_for(text_or(event, "ph")) + text_or(event, "cat") + ' ' +
                name_of(text_or(event, "name"), args, "task");
    for (const auto& [key, value] : args.items()) {
      if (key.ends_with("_us") || key == "us") {
        line.times.append(" ").append(key).append("=").append(value.dump());
      } else {
        line.what.append(" ").append(key).append("=");
        line.what.append(value_of(key, value, args));
      }
    }
    lines_.push_back(std::move(line));
  }

  static std::string word_for(const std::string& phase) {
    if (phase == "b") return "begin ";
    if (phase == "e") return "end ";
    return phase == "X" ? "run " : "";
  }

  // "Task-7" stands for a name that is not known.
  std::string name_of(const std::string& name, const json& args, const char* whose) {
    const auto id = number_or(args, whose);
    if (id == 0 || name != "Task-" + std::to_string(id)) return name;
    return std::string("Task-").append(renumbered(tasks_, id));
  }

  std::string value_of(const std::string& key, const json& value, const json& args) {
    if (key == "by_name" && value.is_string()) return name_of(value, args, "by");
    if (value.is_string()) return value;
    if (key == "join") return number(joins_, value);
    if (key == "object") return number(objects_, value);
    constexpr std::array<std::string_view, 9> of_tasks{"task",   "parent",   "by",
                                                       "awaits", "held_by",  "first",
                                                       "owner",  "children", "order"};
    const bool task = std::find(of_tasks.begin(), of_tasks.end(), key) != of_tasks.end();
    return task ? number(tasks_, value) : value.dump();
  }

  static std::string number(numbers& known, const json& value) {
    if (value.is_number_unsigned()) return renumbered(known, value);
    if (!value.is_array()) return value.dump();
    std::string list;
    for (const auto& each : value) {
      if (!list.empty()) list.append(",");
      list.append(number(known, each));
    }
    return list;
  }
  static std::string renumbered(numbers& known, std::uint64_t id) {
    if (id == 0) return "0";
    return std::to_string(known.try_emplace(id, known.size() + 1).first->second);
  }

  std::string path_;
  std::vector<event_line> lines_;
  numbers tasks_;
  numbers joins_;
  numbers objects_;
  bool is_virtual_ = false;
};

void print_event(const std::string& where, const story& trace, std::size_t at,
                 bool with_times) {
  std::cout << "  " << where << ": ";
  if (at >= trace.lines().size()) {
    std::cout << "ends here\n";
    return;
  }
  const auto& line = trace.lines()[at];
  std::cout << line.what << (with_times ? line.times : "") << "   at " << in_ms(line.ns)
            << " ms\n";
}

}  // namespace

int trace_diff(arguments words) {
  std::vector<std::string> paths;
  for (const auto word : words) {
    if (word.starts_with('-')) unknown_option("trace diff", word);
    paths.emplace_back(word);
  }
  if (paths.size() != 2) throw usage_error("trace diff: which two files?");
  const story a(paths[0]);
  const story b(paths[1]);
  const bool timed = a.is_virtual() && b.is_virtual();
  const auto [here, there] =
      std::mismatch(a.lines().begin(), a.lines().end(), b.lines().begin(),
                    b.lines().end(), [timed](const auto& x, const auto& y) {
                      return x.what == y.what && (!timed || x.times == y.times);
                    });
  if (here == a.lines().end() && there == b.lines().end()) {
    std::cout << "the same: " << a.lines().size() << " events\n";
    return exit_fine;
  }
  const auto at = static_cast<std::size_t>(here - a.lines().begin());
  std::cout << "the first difference is event " << at + 1 << ":\n";
  if (at > 0) print_event("both before", a, at - 1, timed);
  print_event(a.path(), a, at, timed);
  print_event(b.path(), b, at, timed);
  return exit_found;
}

}  // namespace sheaf::tools
