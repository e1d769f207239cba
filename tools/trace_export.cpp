#include "trace_reader.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace sheaf::tools {

namespace {

struct request {
  std::string path;
  std::string out;
  bool speedscope = false;
};

request parse(arguments words) {
  request wanted;
  for (option_reader line(words); !line.done();) {
    const auto word = line.next();
    if (word == "--speedscope") {
      line.no_value();
      wanted.speedscope = true;
    } else if (word == "-o" || word == "--output") {
      wanted.out = line.value();
    } else if (word.starts_with('-')) {
      unknown_option("trace export", word);
    } else if (!wanted.path.empty()) {
      throw usage_error("trace export: one file, please");
    } else {
      wanted.path = word;
    }
  }
  if (wanted.path.empty()) throw usage_error("trace export: which file?");
  if (!wanted.speedscope) throw usage_error("trace export: to what? --speedscope");
  if (wanted.out.empty()) throw usage_error("trace export: where to? -o OUT");
  return wanted;
}

}  // namespace

// speedscope tells frames apart by name and args, so ids in the args would make every
// step a frame of its own.
int trace_export(arguments words) {
  const auto wanted = parse(words);
  const auto text = read_text(wanted.path);
  std::ofstream out(wanted.out, std::ios::binary);
  if (!out) throw file_error(wanted.out + ": cannot be written: " + std::strerror(errno));
  out << "{\"traceEvents\":[";
  const char* between = "\n";
  const auto copy = [&](const json& event) {
    const auto phase = event.is_object() ? text_or(event, "ph") : "";
    if (phase != "X" && phase != "M") return;
    auto kept = event;
    if (phase == "X") kept.erase("args");
    out << between << kept.dump();
    between = ",\n";
  };
  for_each_event(wanted.path, text, copy);
  out << "\n]}\n";
  out.close();
  if (!out) throw file_error(wanted.out + ": cannot be written: " + std::strerror(errno));
  return exit_fine;
}

}  // namespace sheaf::tools
