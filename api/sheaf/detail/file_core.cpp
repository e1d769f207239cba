#include <sheaf/detail/file_core.hpp>
#include <sheaf/detail/request_wait.hpp>
#include <sheaf/runtime/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace sheaf::detail {

namespace {

// What one call of the system's is asked for at most; libuv counts in 32 bits.
constexpr std::size_t largest_piece = std::size_t{1} << 30;
constexpr std::size_t rest_piece = std::size_t{1} << 16;

std::int64_t checked_offset(std::uint64_t at, const char* what, const descriptor& d) {
  if (at <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return static_cast<std::int64_t>(at);
  }
  throw uv_error(-EINVAL, std::string(what) + ": the offset", d.path());
}

/// One operation: where it is, and, if that is the position, nobody else's meanwhile.
class place {
 public:
  place(file_core& f, const char* what, at_offset at)
      : file_(f), what_(what), moves_(!at), open_(f.open(what)) {
    if (at) {
      offset_ = checked_offset(*at, what, *open_);
      return;
    }
    if (f.position_in_use) {
      throw invalid_state(std::string(what) +
                          ": another task reads or writes at the position of this file; "
                          "await that first, or say an offset");
    }
    f.position_in_use = true;
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  ~place() {
    if (moves_) file_.position_in_use = false;
  }

  const descriptor_ref& open() const noexcept { return open_; }
  const char* what() const noexcept { return what_; }
  bool at_position() const noexcept { return moves_; }
  std::int64_t offset() const noexcept {
    if (!moves_) return offset_;
    return file_.seekable() ? file_.position : runtime::fs::current;
  }
  void passed(std::size_t n, bool written = false) noexcept {
    const auto by = static_cast<std::int64_t>(n);
    if (!moves_) offset_ += by;
    if (moves_ && !(written && file_.appends())) file_.position += by;
  }
  // Bytes of a pipe that a thread has taken are given to nobody else.
  once_begun when_reading() const noexcept {
    return file_.seekable() ? once_begun::dropped : once_begun::awaited;
  }
  /// Of what was given back to it; nothing if nothing was.
  std::string take_again(std::size_t n) {
    if (!moves_ || file_.given_back.empty()) return {};
    std::string first = file_.given_back.substr(0, n);
    file_.given_back.erase(0, n);
    return first;
  }
  /// After an error: whether to try again, as what has no places.
  bool try_without_places(const uv_error& e) const noexcept {
    if (!moves_ || !file_.seekable() || e.code() != std::errc::invalid_seek) return false;
    file_.set_not_seekable();
    return true;
  }

 private:
  file_core& file_;
  const char* what_;
  bool moves_;
  descriptor_ref open_;
  std::int64_t offset_ = 0;
};

/// What a thread reads into.
struct block {
  explicit block(const descriptor_ref& d, std::size_t n)
      : open(d), room(std::make_unique_for_overwrite<char[]>(n)) {}
  descriptor_ref open;
  std::unique_ptr<char[]> room;
};

/// What a thread writes.
struct outgoing {
  descriptor_ref open;
  std::string bytes;
};

runtime::request keeping(runtime::request r, std::shared_ptr<const void> what) {
  r.keep(std::move(what));
  return r;
}

coro<std::string> read_once(const place& at, std::size_t n) {
  const auto ask = [&at, n](runtime::loop& l, auto f) {
    return keeping(
        runtime::fs::read(l, at.open()->number(), n, at.offset(), std::move(f)),
        at.open());
  };
  using wait = request_wait<std::string, decltype(ask)>;
  co_return co_await wait(at.what(), at.open()->path(), at.when_reading(), ask);
}

coro<std::string> read_piece(place& at, std::size_t n) {
  for (;;) {
    try {
      std::string bytes = at.take_again(n);
      if (bytes.empty()) bytes = co_await read_once(at, n);
      at.passed(bytes.size());
      co_return bytes;
    } catch (const uv_error& e) {
      if (!at.try_without_places(e)) throw;
    }
  }
}

coro<std::size_t> read_once(const place& at, const std::shared_ptr<block>& to,
                            std::size_t n) {
  const auto ask = [&at, &to, n](runtime::loop& l, auto f) {
    return keeping(runtime::fs::read_into(l, at.open()->number(), {to->room.get(), n},
                                          at.offset(), std::move(f)),
                   to);
  };
  using wait = request_wait<std::size_t, decltype(ask)>;
  co_return co_await wait(at.what(), at.open()->path(), at.when_reading(), ask);
}

coro<std::size_t> write_once(const place& at, const std::shared_ptr<outgoing>& from,
                             std::size_t done) {
  const auto piece = std::string_view(from->bytes).substr(done, largest_piece);
  const auto ask = [&at, &from, piece](runtime::loop& l, auto f) {
    return keeping(runtime::fs::write_borrowed(l, at.open()->number(), piece, at.offset(),
                                               std::move(f)),
                   from);
  };
  using wait = request_wait<std::size_t, decltype(ask)>;
  // What was begun is written as a whole: only the first piece may be refused.
  const once_begun how = done == 0 ? once_begun::awaited : once_begun::resumed;
  co_return co_await wait(at.what(), at.open()->path(), how, ask);
}

}  // namespace

const descriptor_ref& file_core::open(const char* what) const {
  if (!descriptor_) throw invalid_state(std::string(what) + ": the file is closed");
  return descriptor_;
}

coro<std::string> read_file_part(file_ref f, std::size_t n, at_offset offset) {
  place at(*f, "fs::read", offset);
  co_return co_await read_piece(at, std::min(n, largest_piece));
}

coro<std::string> read_file_rest(file_ref f) {
  place at(*f, "fs::read", {});
  const std::int64_t from = f->position;
  std::string all;
  std::size_t size = rest_piece;
  try {
    for (;;) {
      const std::string more = co_await read_piece(at, size);
      if (more.empty()) co_return all;
      all += more;
      if (more.size() == size) size = std::min(2 * size, largest_piece);
    }
  } catch (...) {
    f->position = from;
    if (!f->seekable()) f->given_back.insert(0, all);
    throw;
  }
}

coro<std::size_t> read_file_into(file_ref f, std::span<char> room, at_offset offset) {
  place at(*f, "fs::read_some", offset);
  const std::size_t size = std::min(room.size(), largest_piece);
  if (const std::string again = at.take_again(size); !again.empty()) {
    again.copy(room.data(), again.size());
    at.passed(again.size());
    co_return again.size();
  }
  const auto to = std::make_shared<block>(at.open(), size);
  for (;;) {
    try {
      const std::size_t n = co_await read_once(at, to, size);
      std::memcpy(room.data(), to->room.get(), n);
      at.passed(n);
      co_return n;
    } catch (const uv_error& e) {
      if (!at.try_without_places(e)) throw;
    }
  }
}

coro<> write_file_part(file_ref f, std::string bytes, at_offset offset) {
  place at(*f, "fs::write", offset);
  const auto from = std::make_shared<outgoing>(outgoing{at.open(), std::move(bytes)});
  for (std::size_t done = 0; done < from->bytes.size();) {
    try {
      const std::size_t n = co_await write_once(at, from, done);
      at.passed(n, true);
      done += n;
    } catch (const uv_error& e) {
      if (!at.try_without_places(e)) throw;
    }
  }
}

coro<> close_file(file_ref f) {
  descriptor_ref last = f->take();
  if (!last) co_return;
  const future<> closed = last->closed();
  last.reset();
  co_await closed;
}

}  // namespace sheaf::detail
