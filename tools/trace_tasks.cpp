#include "trace_model.hpp"

#include <algorithm>
#include <array>
#include <iostream>

namespace sheaf::tools {

namespace {

using key = std::uint64_t (*)(const task_row&);
struct order {
  std::string_view name;
  key of;
};

constexpr std::array<order, 6> orders{{
    {"alive", [](const task_row& t) { return t.alive(); }},
    {"busy", [](const task_row& t) { return t.busy; }},
    {"ready", [](const task_row& t) { return t.ready; }},
    {"wait", [](const task_row& t) { return t.wait; }},
    {"steps", [](const task_row& t) { return t.steps; }},
    {"longest", [](const task_row& t) { return t.longest; }},
}};

struct request {
  std::string path;
  std::string name;  // a part of the names wanted
  key by = nullptr;  // null: by id
};

key order_of(std::string_view name) {
  if (name == "id") return nullptr;
  for (const auto& known : orders) {
    if (known.name == name) return known.of;
  }
  throw usage_error(
      "trace tasks: --sort takes id alive busy ready wait steps longest, not '" +
      std::string(name) + "'");
}

request parse(arguments words) {
  request wanted;
  for (option_reader line(words); !line.done();) {
    const auto word = line.next();
    if (word == "--sort") {
      wanted.by = order_of(line.value());
    } else if (word == "--name") {
      wanted.name = line.value();
    } else if (word.starts_with('-')) {
      unknown_option("trace tasks", word);
    } else if (!wanted.path.empty()) {
      throw usage_error("trace tasks: one file, please");
    } else {
      wanted.path = word;
    }
  }
  if (wanted.path.empty()) throw usage_error("trace tasks: which file?");
  return wanted;
}

std::vector<const task_row*> rows_of(const trace_model& trace, const request& wanted) {
  std::vector<const task_row*> rows;
  for (const auto& [id, task] : trace.tasks()) {
    if (task.name.find(wanted.name) != std::string::npos) rows.push_back(&task);
  }
  if (wanted.by == nullptr) return rows;
  std::sort(rows.begin(), rows.end(),
            [by = wanted.by](const task_row* a, const task_row* b) {
              return std::pair(by(*b), a->id) < std::pair(by(*a), b->id);
            });
  return rows;
}

// A name may hold anything; a table keeps to one line.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
  return text;
}

std::string waiting(const task_row& task) {
  if (task.state != "open" || task.waits_on.empty()) return task.note;
  return task.waits_on + (task.waits_at.empty() ? "" : " at " + task.waits_at);
}

// Right-aligned but for the name and the state; widths count bytes.
std::string line(const std::array<std::string, 11>& cells, std::size_t name_width) {
  constexpr std::array<std::size_t, 10> widths{5, 6, 0, 9, 9, 9, 9, 9, 6, 9};
  std::string text;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const bool left = i == 2 || i == 3;
    const auto width = i == 2 ? name_width : widths[i];
    const std::string gap(width - std::min(width, cells[i].size()), ' ');
    text += left ? cells[i] + gap : gap + cells[i];
    text += ' ';
  }
  return text + ' ' + cells.back() + '\n';
}

std::string row(const task_row& task, std::size_t name_width) {
  const auto parent = task.parent == 0 ? std::string("-") : std::to_string(task.parent);
  const auto note = waiting(task);
  auto end = printable(task.at.empty() ? "-" : task.at);
  if (!note.empty()) end += "  " + printable(note);
  return line({std::to_string(task.id), parent, printable(task.name), task.state,
               in_ms(task.alive()), in_ms(task.busy), in_ms(task.ready), in_ms(task.wait),
               std::to_string(task.steps), in_ms(task.longest), end},
              name_width);
}

}  // namespace

int trace_tasks(arguments words) {
  const auto wanted = parse(words);
  const trace_model trace(wanted.path);
  const auto rows = rows_of(trace, wanted);
  std::size_t width = 4;
  for (const auto* task : rows)
    width = std::max(width, std::min<std::size_t>(task->name.size(), 32));
  std::cout << line({"id", "parent", "name", "state", "alive", "busy", "ready", "wait",
                     "steps", "longest", "at"},
                    width);
  for (const auto* task : rows) std::cout << row(*task, width);
  std::cout << "times in ms\n";
  return exit_fine;
}

}  // namespace sheaf::tools
