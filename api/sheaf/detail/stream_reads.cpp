#include <sheaf/detail/stream_reads.hpp>
#include <sheaf/stream_errors.hpp>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace sheaf::detail {

namespace {

std::string take(stream_core& c, std::size_t n) {
  std::string bytes = c.buffer().take(n);
  c.consumed();
  return bytes;
}

std::string take_all(stream_core& c) { return take(c, c.buffer().size()); }

void require_separator(const std::string& s) {
  if (s.empty()) throw std::invalid_argument("readuntil: an empty separator");
}

}  // namespace

// ---- read ------------------------------------------------------------------------------

bool read_up_to::await_ready() { return ready_if(n_ == 0 || satisfied()); }

// To the end means all or nothing: of a connection that was lost the bytes stay.
std::string read_up_to::await_resume() {
  resumed();
  if (n_ == 0) return {};
  if (n_ == everything || core().buffer().empty()) core().throw_error();
  return take(core(), std::min(n_, core().buffer().size()));
}

read_exactly::read_exactly(stream_core& c, std::size_t n) : read_wait(c), n_(n) {
  if (n > static_cast<std::size_t>(-1) / 2) {
    throw std::invalid_argument("readexactly: a negative number of bytes");
  }
}

bool read_exactly::await_ready() { return ready_if(satisfied()); }

std::string read_exactly::await_resume() {
  resumed();
  if (satisfied()) return take(core(), n_);
  core().throw_error();
  throw incomplete_read(take_all(core()), n_);
}

std::size_t read_into::from_buffer() {
  stream_buffer& from = core().buffer();
  if (wanted_room().empty()) return 0;
  if (from.empty()) core().throw_error();
  const std::size_t n = std::min(wanted_room().size(), from.size());
  if (n != 0) std::memcpy(wanted_room().data(), from.view().data(), n);
  from.drop(n);
  core().consumed();
  return n;
}

// ---- readuntil -------------------------------------------------------------------------

separators::separators(std::string_view one) : first_(one), longest_(one.size()) {
  require_separator(first_);
}

separators::separators(std::vector<std::string> several) : longest_(0) {
  if (several.empty()) throw std::invalid_argument("readuntil: no separator");
  for (const std::string& s : several) {
    require_separator(s);
    longest_ = std::max(longest_, s.size());
  }
  first_ = std::move(several.back());
  several.pop_back();
  others_ = std::move(several);
}

void separators::consider(match& best, const std::string& s, std::string_view bytes,
                          std::size_t from) noexcept {
  const std::size_t at = bytes.find(s, from);
  if (at == std::string_view::npos) return;
  const std::size_t end = at + s.size();
  if (best.end == 0 || end < best.end || (end == best.end && s.size() < best.length)) {
    best = {end, s.size()};
  }
}

separators::match separators::find_in(std::string_view bytes,
                                      std::size_t from) const noexcept {
  match best;
  consider(best, first_, bytes, from);
  for (const std::string& s : others_) consider(best, s, bytes, from);
  return best;
}

// Looks at what is new, and as far back as a separator may have begun.
bool read_delimited::satisfied() noexcept {
  if (match_.end != 0) return true;
  const std::string_view bytes = core().buffer().view();
  match_ = separators_.find_in(bytes, scanned_);
  if (match_.end != 0) return true;
  const std::size_t longest = separators_.longest();
  scanned_ = bytes.size() >= longest ? bytes.size() - longest + 1 : 0;
  return overrun();
}

// What is before the separator counts, and that may still come.
bool read_delimited::overrun() const noexcept {
  const std::size_t clean = match_.end != 0 ? match_.end - match_.length : scanned_;
  return clean > core().limit();
}

std::string read_delimited::found() {
  resumed();
  satisfied();
  stream_core& c = core();
  if (match_.end != 0 && !overrun()) return take(c, match_.end);
  if (match_.end != 0) {
    throw limit_overrun("readuntil: the separator came after more bytes than the limit",
                        match_.end - match_.length);
  }
  if (overrun()) {
    throw limit_overrun("readuntil: no separator within the limit", scanned_);
  }
  c.throw_error();
  throw incomplete_read(take_all(c), std::nullopt);
}

std::string read_delimited::line() {
  try {
    return found();
  } catch (const incomplete_read& e) {
    return e.partial();
  } catch (const limit_overrun& e) {
    stream_buffer& from = core().buffer();
    from.drop(match_.end != 0 ? match_.end : from.size());
    core().consumed();
    throw limit_overrun("readline: a line is longer than the stream's limit",
                        e.consumed());
  }
}

std::string read_until::await_resume() { return found(); }
std::string read_line::await_resume() { return line(); }

std::optional<std::string> read_next_line::await_resume() {
  std::string one = line();
  if (one.empty()) return std::nullopt;
  return one;
}

}  // namespace sheaf::detail
