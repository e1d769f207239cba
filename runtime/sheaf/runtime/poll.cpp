#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/poll.hpp>

namespace sheaf::runtime {

static_assert(static_cast<int>(poll_events::readable) == UV_READABLE);
static_assert(static_cast<int>(poll_events::writable) == UV_WRITABLE);
static_assert(static_cast<int>(poll_events::disconnect) == UV_DISCONNECT);
static_assert(static_cast<int>(poll_events::prioritized) == UV_PRIORITIZED);

namespace {

class poll_block final : public detail::handle_block {
 public:
  poll_block(scheduler& s, int descriptor, poll::callback f)
      : handle_block(s, "poll"), f_(detail::callable(std::move(f), "poll")) {
    opened(uv_poll_init(s.uv(), &uv, descriptor), "uv_poll_init");
  }

  static void on_ready(uv_poll_t* h, int status, int events) {
    auto& self = of<poll_block>(h);
    const auto what = static_cast<poll_events>(events);
    const std::error_code error(status, uv_category());
    self.call("poll callback", [&] { self.f_(what, error); });
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_poll_t uv;

 private:
  void silence() noexcept override { f_.reset(); }

  poll::callback f_;
};

poll_block& as_poll(detail::handle_block& b) noexcept {
  return static_cast<poll_block&>(b);
}

}  // namespace

poll::poll(loop& owner, int descriptor, callback on_ready)
    : handle(new poll_block(owner.core(), descriptor, std::move(on_ready))) {}

void poll::start(poll_events events) {
  static_cast<void>(block().owner("poll::start"));
  checked(
      uv_poll_start(&as_poll(block()).uv, static_cast<int>(events), poll_block::on_ready),
      "uv_poll_start");
}

void poll::stop() noexcept {
  if (block().open()) uv_poll_stop(&as_poll(block()).uv);
}

}  // namespace sheaf::runtime
