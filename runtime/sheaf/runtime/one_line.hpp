#pragma once

#include <string>

namespace sheaf::runtime {

/// `text` with each end of a line in it as "\n": a report is one line whatever a name or an
/// error says.
inline std::string one_line(std::string text) {
  for (auto at = text.find_first_of("\r\n"); at != std::string::npos;
       at = text.find_first_of("\r\n", at + 2)) {
    text.replace(at, 1, text[at] == '\n' ? "\\n" : "\\r");
  }
  return text;
}

}  // namespace sheaf::runtime
