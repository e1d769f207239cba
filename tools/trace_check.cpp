#include "trace_rules.hpp"

#include <algorithm>
#include <iostream>

namespace sheaf::tools {

namespace {

constexpr std::size_t most_lines = 20;  // of one file: one mistake of a writer repeats

std::vector<std::string> problems_of(const std::string& path) {
  const auto text = read_text(path);
  trace_rules rules;
  try {
    rules.text(text);
    const auto rest =
        for_each_event(path, text, [&rules](const json& event) { rules.event(event); });
    rules.finish(rest);
  } catch (const json_error& error) {
    return {std::string(error.what()).substr(path.size() + 2)};
  }
  return rules.problems();
}

bool check(const std::string& path) {
  const auto problems = problems_of(path);
  const auto shown = std::min(problems.size(), most_lines);
  for (std::size_t i = 0; i < shown; ++i)
    std::cout << path << ": " << problems[i] << '\n';
  if (problems.size() > shown) {
    std::cout << path << ": and " << problems.size() - shown << " more\n";
  }
  if (problems.empty()) std::cout << path << ": ok\n";
  return problems.empty();
}

}  // namespace

int trace_check(arguments words) {
  if (words.empty()) throw usage_error("trace check: which file?");
  for (const auto word : words) {
    if (word.starts_with('-')) unknown_option("trace check", word);
  }
  bool fine = true;
  for (const auto word : words) fine = check(std::string(word)) && fine;
  return fine ? exit_fine : exit_found;
}

}  // namespace sheaf::tools
