#pragma once

#include "command.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace sheaf::tools {

using nlohmann::json;

/// The file was read and is no JSON: cut off, or damaged. what() is one line that names
/// it.
struct json_error : file_error {
  using file_error::file_error;
};

/// The contents of a file; a file_error names the path and the reason.
std::string read_text(const std::string& path);

/// Calls `on_event` with each element of traceEvents, in the order of the file, and gives
/// the rest of the top level: metadata and the like. The array form has no rest and gives
/// an empty object without "traceEvents". One event is in memory at a time.
json for_each_event(const std::string& path, const std::string& text,
                    const std::function<void(const json&)>& on_event);

/// What a reader that trusts nothing asks of an event: the fallback unless the type is
/// right.
std::string text_or(const json& object, const char* key,
                    const std::string& fallback = {});
std::uint64_t number_or(const json& object, const char* key, std::uint64_t fallback = 0);

/// A time field in ns, exact: files hold us with three decimals.
std::uint64_t ns_of(const json& event, const char* key);

/// args, or an empty object.
const json& args_of(const json& event);

}  // namespace sheaf::tools
