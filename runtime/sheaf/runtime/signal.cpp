#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/signal.hpp>

namespace sheaf::runtime {

namespace {

class signal_block final : public detail::handle_block {
 public:
  signal_block(scheduler& s, signal::callback f)
      : handle_block(s, "signal"), f_(detail::callable(std::move(f), "signal")) {
    opened(uv_signal_init(s.uv(), &uv), "uv_signal_init");
  }

  static void on_signal(uv_signal_t* h, int signum) {
    auto& self = of<signal_block>(h);
    if (self.oneshot) uv_signal_stop(h);
    self.call("signal callback", [&] { self.f_(signum); });
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_signal_t uv;
  bool oneshot = false;

 private:
  void silence() noexcept override { f_.reset(); }

  signal::callback f_;
};

signal_block& as_signal(detail::handle_block& b) noexcept {
  return static_cast<signal_block&>(b);
}

}  // namespace

signal::signal(loop& owner, callback on_signal)
    : handle(new signal_block(owner.core(), std::move(on_signal))) {}

// Not uv_signal_start_oneshot: libuv 1.44 never takes the mode back from a handle, so that one
// which is started again would stop after the first signal (signal.c, UV_SIGNAL_ONE_SHOT).
void signal::restart(int signum, bool oneshot) {
  signal_block& b = as_signal(block());
  checked(uv_signal_start(&b.uv, signal_block::on_signal, signum), "uv_signal_start");
  b.oneshot = oneshot;
}

void signal::start(int signum) {
  static_cast<void>(block().owner("signal::start"));
  restart(signum, false);
}

void signal::start_oneshot(int signum) {
  static_cast<void>(block().owner("signal::start_oneshot"));
  restart(signum, true);
}

void signal::stop() noexcept {
  if (block().open()) uv_signal_stop(&as_signal(block()).uv);
}

int signal::signum() const noexcept {
  return active() ? as_signal(block()).uv.signum : 0;
}

}  // namespace sheaf::runtime
