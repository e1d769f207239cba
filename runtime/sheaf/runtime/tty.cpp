#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/tty.hpp>

namespace sheaf::runtime {

static_assert(static_cast<int>(tty::mode::normal) == UV_TTY_MODE_NORMAL);
static_assert(static_cast<int>(tty::mode::raw) == UV_TTY_MODE_RAW);
static_assert(static_cast<int>(tty::mode::io) == UV_TTY_MODE_IO);

namespace {

class tty_block final : public detail::stream_block {
 public:
  tty_block(scheduler& s, int descriptor) : stream_block(s, "tty") {
    opened(uv_tty_init(s.uv(), &uv, descriptor, 0), "uv_tty_init");
  }
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

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
