#include <sheaf/detail/only_reader.hpp>
#include <sheaf/detail/stream_buffer.hpp>
#include <sheaf/line_reader.hpp>
#include <sheaf/runtime/error.hpp>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace sheaf::fs {

namespace {

constexpr std::size_t piece = 65'536;

}  // namespace

line_options& line_options::limit(std::size_t bytes) & {
  if (bytes == 0) throw std::invalid_argument("limit: at least one byte");
  limit_ = bytes;
  return *this;
}

struct line_reader::state {
  detail::file_ref from;
  line_options options;
  detail::stream_buffer come{};
  std::size_t scanned = 0;  // no end of a line is before
  bool skipping = false;    // the rest of a line that was too long
  bool reading = false;

  /// Takes the next line, if it has come as a whole.
  std::optional<std::string> take();
  /// What is there when the file has ended.
  std::optional<std::string> rest();
  void skip(std::size_t n) noexcept {
    come.drop(n);
    scanned = 0;
  }
  [[noreturn]] void overrun(std::size_t n) const;
};

void line_reader::state::overrun(std::size_t n) const {
  throw limit_overrun("fs::line_reader: a line is longer than the limit of " +
                          std::to_string(options.limit()) + " bytes",
                      n);
}

std::optional<std::string> line_reader::state::take() {
  for (;;) {
    const std::size_t end = come.view().find('\n', scanned);
    if (end == std::string_view::npos) break;
    if (!std::exchange(skipping, false)) {
      if (end > options.limit()) {
        skip(end + 1);
        overrun(end);
      }
      std::optional<std::string> line(come.view().substr(0, end));
      skip(end + 1);
      return line;
    }
    skip(end + 1);
  }
  scanned = come.size();
  if (scanned > options.limit() && !std::exchange(skipping, true)) {
    const std::size_t n = scanned;
    skip(n);
    overrun(n);
  }
  if (skipping) skip(scanned);
  return std::nullopt;
}

std::optional<std::string> line_reader::state::rest() {
  if (options.follows()) return std::nullopt;
  skipping = false;
  scanned = 0;
  if (come.empty()) return std::nullopt;
  return come.take(come.size());
}

line_reader::line_reader(const file& from, line_options options)
    : state_(std::make_shared<state>(state{from.core(), options})) {}

coro<std::optional<std::string>> line_reader::next_of(std::shared_ptr<state> s) {
  if (!s) throw invalid_state("fs::line_reader: this one was moved from");
  const detail::only_reader here(s->reading,
                                 "fs::line_reader: another task waits for the next line");
  for (;;) {
    std::optional<std::string> line = s->take();
    if (line) co_return line;
    const std::string more = co_await detail::read_file_part(s->from, piece, {});
    if (more.empty()) co_return s->rest();
    s->come.append(more);
  }
}

}  // namespace sheaf::fs
