#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/idle.hpp>
#include <sheaf/runtime/loop.hpp>

namespace sheaf::runtime {

namespace {

class idle_block final : public detail::handle_block {
 public:
  idle_block(scheduler& s, unique_function<void()> f)
      : handle_block(s, "idle"), f_(detail::callable(std::move(f), "idle")) {
    opened(uv_idle_init(s.uv(), &uv), "uv_idle_init");
  }

  static void on_turn(uv_idle_t* h) {
    auto& self = of<idle_block>(h);
    self.call("idle callback", [&self] { self.f_(); });
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_idle_t uv;

 private:
  void silence() noexcept override { f_.reset(); }

  unique_function<void()> f_;
};

idle_block& as_idle(detail::handle_block& b) noexcept {
  return static_cast<idle_block&>(b);
}

}  // namespace

idle::idle(loop& owner, unique_function<void()> on_turn)
    : handle(new idle_block(owner.core(), std::move(on_turn))) {}

void idle::start() {
  static_cast<void>(block().owner("idle::start"));
  check(uv_idle_start(&as_idle(block()).uv, idle_block::on_turn), "uv_idle_start");
}

void idle::stop() noexcept {
  if (block().open()) uv_idle_stop(&as_idle(block()).uv);
}

}  // namespace sheaf::runtime
