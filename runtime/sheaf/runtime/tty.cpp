#include <sheaf/runtime/detail/socket_options.hpp>
#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/tty.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace sheaf::runtime {

static_assert(static_cast<int>(tty::mode::normal) == UV_TTY_MODE_NORMAL);
static_assert(static_cast<int>(tty::mode::raw) == UV_TTY_MODE_RAW);
static_assert(static_cast<int>(tty::mode::io) == UV_TTY_MODE_IO);

namespace {

/// A descriptor that libuv may close: it takes some over (those of a terminal's master), and
/// opens the terminal anew for the others, which it leaves open.
class own_copy {
 public:
  explicit own_copy(int of)
      : fd_(is_standard(of) ? of : ::fcntl(of, F_DUPFD_CLOEXEC, 3)) {
    if (fd_ < 0) throw uv_error(uv_translate_sys_error(errno), "uv_tty_init");
    if (::isatty(fd_) == 0) {
      const int code = uv_translate_sys_error(errno);
      drop();
      throw uv_error(code, "uv_tty_init");
    }
  }
  own_copy(const own_copy&) = delete;
  own_copy& operator=(const own_copy&) = delete;
  ~own_copy() { drop(); }
  int get() const noexcept { return fd_; }
  void give_up_if(int taken) noexcept {
    if (taken == fd_) fd_ = -1;
  }

 private:
  static bool is_standard(int fd) noexcept { return fd >= 0 && fd <= STDERR_FILENO; }
  void drop() noexcept {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }
  int fd_;
};

class tty_block final : public detail::stream_block {
 public:
  tty_block(scheduler& s, int descriptor) : stream_block(s, "tty") {
    own_copy copy(descriptor);
    opened(uv_tty_init(s.uv(), &uv, copy.get(), 0), "uv_tty_init");
    copy.give_up_if(detail::fileno(*this));
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  // libuv does so by itself only in later versions.
  void close() noexcept override {
    if (open()) uv_tty_set_mode(&uv, UV_TTY_MODE_NORMAL);
    stream_block::close();
  }

  uv_tty_t uv;
};

tty_block& as_tty(detail::stream_block& b, const char* what) {
  static_cast<void>(b.owner(what));
  return static_cast<tty_block&>(b);
}

}  // namespace

tty::tty(loop& owner, int descriptor) : stream(new tty_block(owner.core(), descriptor)) {}

bool tty::is_terminal(int descriptor) noexcept {
  return uv_guess_handle(descriptor) == UV_TTY;
}

void tty::set_mode(mode m) {
  checked(uv_tty_set_mode(&as_tty(block(), "tty::set_mode").uv,
                          static_cast<uv_tty_mode_t>(m)),
          "uv_tty_set_mode");
}

void tty::reset_mode() noexcept { uv_tty_reset_mode(); }

tty::size tty::winsize() const {
  size s{};
  checked(uv_tty_get_winsize(&as_tty(block(), "tty::winsize").uv, &s.columns, &s.rows),
          "uv_tty_get_winsize");
  return s;
}

}  // namespace sheaf::runtime
