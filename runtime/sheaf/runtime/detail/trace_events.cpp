#include <sheaf/runtime/detail/trace_events.hpp>

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace sheaf::runtime::detail {

namespace {
constexpr std::size_t block = std::size_t{64} << 10;
}

std::string quoted(std::string_view text) {
  using nlohmann::json;
  return json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace);
}

trace_events& trace_events::open(char phase, std::string_view cat, std::string_view name,
                                 std::uint64_t ns) {
  buffer_ += first_event_ ? "{" : ",\n{";
  first_event_ = false;
  first_key_ = true;
  in_args_ = false;
  buffer_ += "\"ph\":\"";
  buffer_ += phase;
  buffer_ += "\",\"cat\":\"";
  buffer_ += cat;
  buffer_ += "\",\"name\":";
  buffer_ += name;
  first_key_ = false;
  return time("ts", ns).number("pid", pid_).number("tid", tid_);
}

trace_events& trace_events::args() {
  key("args");
  buffer_ += '{';
  in_args_ = first_key_ = true;
  return *this;
}

trace_events& trace_events::time(std::string_view name, std::uint64_t ns) {
  key(name);
  digits(ns / 1000);
  const auto rest = ns % 1000;
  buffer_ += '.';
  for (const auto unit : {100U, 10U, 1U}) {
    buffer_ += static_cast<char>('0' + rest / unit % 10);
  }
  return *this;
}

trace_events& trace_events::number(std::string_view name, std::uint64_t value) {
  key(name);
  digits(value);
  return *this;
}

trace_events& trace_events::raw(std::string_view name, std::string_view json) {
  key(name);
  buffer_ += json;
  return *this;
}

trace_events& trace_events::id(std::uint64_t value) {
  key("id");
  buffer_ += "\"0x";
  digits(value, 16);
  buffer_ += '"';
  return *this;
}

void trace_events::close() {
  buffer_ += in_args_ ? "}}" : "}";
  if (buffer_.size() >= block) flush();
}

void trace_events::flush() {
  sink_(buffer_);
  buffer_.clear();
}

void trace_events::key(std::string_view name) {
  if (!first_key_) buffer_ += ',';
  first_key_ = false;
  buffer_ += '"';
  buffer_ += name;
  buffer_ += "\":";
}

void trace_events::digits(std::uint64_t value, int base) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, base).ptr;
  buffer_.append(text.data(), end);
}

}  // namespace sheaf::runtime::detail
