#include <sheaf/loop.hpp>
#include <sheaf/tty.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace sheaf {

namespace {

using detail::loop_core;
using detail::stream_core;
using detail::stream_ref;

runtime::tty& terminal(const stream& s, const char* what) {
  stream_core& c = s.core();
  if (!c.gone()) {
    if (auto* const t = std::get_if<runtime::tty>(&c.raw())) return *t;
  }
  throw invalid_state(std::string(what) + ": the terminal is closed");
}

void require_room(std::size_t limit) {
  if (limit == 0) throw std::invalid_argument("limit: at least one byte");
}

template <class Stream>
Stream as_stream(loop_core& l, stream_core::raw_stream raw, std::size_t limit) {
  return Stream(stream_ref::adopt(new stream_core(l, std::move(raw), limit)));
}

mode_t kind_of(int descriptor, const char* what) {
  struct stat about;
  if (::fstat(descriptor, &about) != 0) throw uv_error(-errno, what);
  return about.st_mode;
}

// The poll of what is always ready is an error that libuv does not survive.
void require_pollable(int descriptor, const char* what) {
  const mode_t mode = kind_of(descriptor, what);
  if (S_ISFIFO(mode) || S_ISSOCK(mode)) return;
  throw std::invalid_argument(
      std::string(what) + ": descriptor " + std::to_string(descriptor) +
      " is no pipe and no socket; a file never makes a loop wait: "
      "read or write it with to_thread()");
}

/// Another descriptor for the same. Of a pipe, where Linux can, with flags of its own: that it
/// does not block is then not seen by others, who have the pipe too.
int duplicate(int descriptor, const char* what) {
  const int access = ::fcntl(descriptor, F_GETFL) & O_ACCMODE;
  int fresh = -1;
  if (S_ISFIFO(kind_of(descriptor, what))) {
    const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
    fresh = ::open(path.c_str(), access | O_NONBLOCK | O_CLOEXEC);
  }
  if (fresh < 0) fresh = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (fresh < 0) throw uv_error(-errno, what);
  return fresh;
}

stream standard(int descriptor, const char* what) {
  if (is_tty(descriptor)) return open_tty(descriptor);
  require_pollable(descriptor, what);
  static_cast<void>(loop_core::current(what));
  const int fresh = duplicate(descriptor, what);
  try {
    return open_pipe(fresh);
  } catch (...) {
    ::close(fresh);
    throw;
  }
}

}  // namespace

void tty::set_mode(tty_mode m) {
  terminal(*this, "tty::set_mode").set_mode(static_cast<runtime::tty::mode>(m));
}

static_assert(static_cast<int>(tty_mode::normal) ==
              static_cast<int>(runtime::tty::mode::normal));
static_assert(static_cast<int>(tty_mode::raw) ==
              static_cast<int>(runtime::tty::mode::raw));
static_assert(static_cast<int>(tty_mode::io) == static_cast<int>(runtime::tty::mode::io));

tty_size tty::size() const {
  const auto [columns, rows] = terminal(*this, "tty::size").winsize();
  return {columns, rows};
}

bool is_tty(int descriptor) noexcept { return runtime::tty::is_terminal(descriptor); }

tty open_tty(int descriptor, std::size_t limit) {
  require_room(limit);
  loop_core& l = loop_core::current("open_tty");
  return as_stream<tty>(l, runtime::tty(*l.facade(), descriptor), limit);
}

stream open_pipe(int descriptor, std::size_t limit) {
  require_room(limit);
  loop_core& l = loop_core::current("open_pipe");
  require_pollable(descriptor, "open_pipe");
  runtime::pipe p(*l.facade());
  p.open(descriptor);
  return as_stream<stream>(l, std::move(p), limit);
}

stream stdin_stream() { return standard(0, "stdin_stream"); }
stream stdout_stream() { return standard(1, "stdout_stream"); }
stream stderr_stream() { return standard(2, "stderr_stream"); }

}  // namespace sheaf
