#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sheaf::runtime::detail {

/// `text` as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
std::string quoted(std::string_view text);

/// Prints trace events, one a line, in blocks of 64 KiB to a sink. Numbers never pass
/// through a double: a time is printed from its nanoseconds, in us with three decimals.
///
///     events.open('X', "task", quoted("fetch"), ns).time("dur", 7).args().number("task",
///     1).close();
///
/// Names and keys go out as they are; `name` is a quoted() string.
class trace_events {
 public:
  using sink = std::function<void(std::string_view)>;

  trace_events(sink to, std::uint32_t pid, std::uint32_t tid)
      : sink_(std::move(to)), pid_(pid), tid_(tid) {}

  /// The thread that the following events belong to.
  void thread(std::uint32_t tid) { tid_ = tid; }
  std::uint32_t pid() const { return pid_; }

  trace_events& open(char phase, std::string_view cat, std::string_view name,
                     std::uint64_t ns);
  trace_events& args();
  trace_events& time(std::string_view key, std::uint64_t ns);
  trace_events& number(std::string_view key, std::uint64_t value);
  trace_events& raw(std::string_view key, std::string_view json);
  trace_events& text(std::string_view key, std::string_view words) {
    return raw(key, quoted(words));
  }
  /// The id of a flow as it is, or of something that lives in this process.
  trace_events& id(std::uint64_t value);
  trace_events& local_id(std::uint64_t value) {
    return id(std::uint64_t{pid_} << 32 | (value & 0xffffffff));
  }
  void close();

  /// Text between events: the head and the tail of the file.
  void plain(std::string_view text) { buffer_ += text; }
  void flush();

 private:
  void key(std::string_view name);
  void digits(std::uint64_t value, int base = 10);

  sink sink_;
  std::uint32_t pid_;
  std::uint32_t tid_;
  std::string buffer_;
  bool first_event_ = true;
  bool first_key_ = true;
  bool in_args_ = false;
};

}  // namespace sheaf::runtime::detail
