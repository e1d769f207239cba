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

}  // namespace

// ---- read ------------------------------------------------------------------------------

bool read_up_to::await_ready() {
  return ready_if(n_ == 0 || satisfied());
}

std::string read_up_to::await_resume() {
  resumed();
  if (n_ == 0) return {};
  if (core().buffer().empty()) core().throw_error();
  return take(core(), std::min(n_, core().buffer().size()));
}

bool read_to_end::await_ready() { return ready_if(false); }

std::string read_to_end::await_resume() {
  resumed();
  core().throw_error();
  return take(core(), core().buffer().size());
}

bool read_exactly::await_ready() { return ready_if(satisfied()); }

std::string read_exactly::await_resume() {
  resumed();
  if (satisfied()) return take(core(), n_);
  core().throw_error();
  throw incomplete_read(take(core(), core().buffer().size()), n_);
}

bool read_into::await_ready() {
  return ready_if(room_.empty() || satisfied());
}

// What came into the caller's memory for a task that was then cancelled is not consumed.
std::size_t read_into::await_resume() {
  try {
    resumed();
  } catch (...) {
    if (came_ != 0) core().buffer().prepend({room_.data(), came_});
    throw;
  }
  if (came_ != 0 || room_.empty()) return came_;
  if (core().buffer().empty()) core().throw_error();
  const std::size_t n = std::min(room_.size(), core().buffer().size());
  if (n != 0) std::memcpy(room_.data(), core().buffer().view().data(), n);
  core().buffer().drop(n);
  core().consumed();
  return n;
}

// ---- readuntil -------------------------------------------------------------------------

read_until::read_until(stream_core& c, std::string_view separator)
    : read_until(c, std::vector<std::string>{std::string(separator)}) {}

read_until::read_until(stream_core& c, std::vector<std::string> separators)
    : read_wait(c), separators_(std::move(separators)) {
  require_separators();
  const auto [least, most] =
      std::ranges::minmax(separators_, {}, [](const std::string& s) { return s.size(); });
  shortest_ = least.size();
  longest_ = most.size();
}

void read_until::require_separators() const {
  if (separators_.empty()) throw std::invalid_argument("readuntil: no separator");
  for (const std::string& s : separators_) {
    if (s.empty()) throw std::invalid_argument("readuntil: an empty separator");
  }
}

// Looks at what is new, and as far back as a separator may have begun. The one that ends
// first wins; of several that end there the shortest.
bool read_until::satisfied() noexcept {
  const std::string_view bytes = core().buffer().view();
  end_ = 0;
  for (const std::string& s : separators_) {
    const std::size_t at = bytes.find(s, scanned_);
    if (at == std::string_view::npos) continue;
    const std::size_t end = at + s.size();
    if (end_ == 0 || end < end_ || (end == end_ && s.size() < length_)) {
      end_ = end;
      length_ = s.size();
    }
  }
  if (end_ != 0) return true;
  scanned_ = bytes.size() >= longest_ ? bytes.size() - longest_ + 1 : 0;
  return bytes.size() > core().limit() + longest_ - 1;
}

bool read_until::await_ready() { return ready_if(satisfied()); }

std::string read_until::found() {
  if (end_ != 0 && !overrun()) return take(core(), end_);
  if (end_ != 0) {
    throw limit_overrun("readuntil: the separator came after more bytes than the limit",
                        end_ - length_);
  }
  if (core().buffer().size() > core().limit()) {
    throw limit_overrun("readuntil: no separator within the limit", scanned_);
  }
  core().throw_error();
  throw incomplete_read(take(core(), core().buffer().size()), std::nullopt);
}

std::string read_until::await_resume() {
  resumed();
  satisfied();
  return found();
}

// Of a line that is too long nothing is kept that belongs to it and has come.
std::string read_line::await_resume() {
  try {
    return read_until::await_resume();
  } catch (const incomplete_read& e) {
    return e.partial();
  } catch (const limit_overrun& e) {
    core().buffer().drop(end() != 0 ? end() : core().buffer().size());
    core().consumed();
    throw limit_overrun("readline: a line is longer than the stream's limit",
                        e.consumed());
  }
}

}  // namespace sheaf::detail
