#include <sheaf/runtime/exception_context.hpp>
#include <sheaf/shutdown_report.hpp>

#include <algorithm>

namespace sheaf {

namespace {

const char* words(shutdown_end end) {
  switch (end) {
    case shutdown_end::cancelled:
      return "ended when it was cancelled";
    case shutdown_end::aborted:
      return "ended when it was aborted";
    case shutdown_end::still_running:
      break;
  }
  return "is still running: it swallows its cancellation";
}

std::string line_of(const unfinished_connection& c) {
  std::string line = "\n  " + c.name + ' ' + words(c.end);
  if (c.unsent != 0) line += "; " + std::to_string(c.unsent) + " bytes were not sent";
  line += c.handler.empty() ? "; its handler had ended" : "; it was " + c.handler;
  if (c.error) line += "; " + describe(c.error);
  return line;
}

}  // namespace

bool shutdown_report::all_ended() const noexcept {
  return std::ranges::none_of(unfinished, [](const unfinished_connection& c) {
    return c.end == shutdown_end::still_running;
  });
}

std::string shutdown_report::describe() const {
  std::string text = std::to_string(finished) + " connections finished, " +
                     std::to_string(unfinished.size()) + " did not";
  for (const unfinished_connection& c : unfinished) text += line_of(c);
  return text;
}

}  // namespace sheaf
