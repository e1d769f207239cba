#pragma once

#include "scratch_file.hpp"

#include <sstream>
#include <string>
#include <vector>

namespace test {

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The value of a key of an event, as it is printed but for its quotes; empty if there is
/// none.
inline std::string field(const std::string& line, const std::string& key) {
  const auto from = line.find("\"" + key + "\":");
  if (from == line.npos) return "";
  const auto begin = from + key.size() + 3;
  if (line[begin] == '"')
    return line.substr(begin + 1, line.find('"', begin + 1) - begin - 1);
  return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

/// The events of a trace file that hold all of `parts`, a line each, in their order.
inline std::vector<std::string> events(const scratch_file& file,
                                       const std::vector<std::string>& parts) {
  std::vector<std::string> found;
  std::istringstream text(file.text());
  for (std::string line; std::getline(text, line);) {
    bool all = true;
    for (const auto& part : parts) all = all && has(line, part);
    if (all) found.push_back(line);
  }
  return found;
}

}  // namespace test
