#include "trace_reader.hpp"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

namespace sheaf::tools {

namespace {

struct file_close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void cannot_read(const std::string& path) {
  throw file_error(path + ": cannot be read: " + std::strerror(errno));
}

}  // namespace

// stdio, as an ifstream does not say why it failed and opens folders.
std::string read_text(const std::string& path) {
  const std::unique_ptr<std::FILE, file_close> file(std::fopen(path.c_str(), "rb"));
  if (!file) cannot_read(path);
  std::string text;
  std::string block(std::size_t{1} << 16, '\0');
  while (const auto size = std::fread(block.data(), 1, block.size(), file.get())) {
    text.append(block, 0, size);
  }
  if (std::ferror(file.get()) != 0) cannot_read(path);
  return text;
}

json for_each_event(const std::string& path, const std::string& text,
                    const std::function<void(const json&)>& on_event) {
  bool array_form = false;
  bool in_events = false;
  const auto filter = [&](int depth, json::parse_event_t event, json& parsed) {
    using at = json::parse_event_t;
    if (depth == 0 && event == at::array_start) array_form = in_events = true;
    if (depth == 1 && event == at::key) in_events = parsed == "traceEvents";
    const bool ends =
        event == at::object_end || event == at::value || event == at::array_end;
    if (!ends || !in_events || depth != (array_form ? 1 : 2)) return true;
    on_event(parsed);
    return false;  // forgotten, so a file need not fit into memory as a tree
  };
  try {
    auto rest = json::parse(text, filter);
    return array_form ? json::object() : rest;
  } catch (const json::parse_error& error) {
    throw json_error(path + ": not JSON, or cut off: byte " + std::to_string(error.byte) +
                     " of " + std::to_string(text.size()));
  }
}

std::string text_or(const json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : fallback;
}

std::uint64_t number_or(const json& object, const char* key, std::uint64_t fallback) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return fallback;
  return found->get<std::uint64_t>();
}

std::uint64_t ns_of(const json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number()) return 0;
  const auto us = found->get<double>();
  return us > 0 && us < 1e15 ? static_cast<std::uint64_t>(std::llround(us * 1000)) : 0;
}

const json& args_of(const json& event) {
  static const json nothing = json::object();
  const auto found = event.find("args");
  return found != event.end() && found->is_object() ? *found : nothing;
}

}  // namespace sheaf::tools
