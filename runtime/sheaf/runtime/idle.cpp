#include <sheaf/runtime/detail/phase_block.hpp>
#include <sheaf/runtime/idle.hpp>
#include <sheaf/runtime/loop.hpp>

namespace sheaf::runtime {

namespace {

struct idle_phase {
  using type = uv_idle_t;
  static constexpr auto init = uv_idle_init;
  static constexpr auto start = uv_idle_start;
  static constexpr auto stop = uv_idle_stop;
  static constexpr const char* name = "idle";
  static constexpr const char* init_name = "uv_idle_init";
  static constexpr const char* start_name = "uv_idle_start";
  static constexpr const char* callback_name = "idle callback";
};

using idle_block = detail::phase_block<idle_phase>;

}  // namespace

idle::idle(loop& owner, unique_function<void()> on_turn)
    : handle(new idle_block(owner.core(), std::move(on_turn))) {}

void idle::start() { static_cast<idle_block&>(block()).start(); }

void idle::stop() noexcept { static_cast<idle_block&>(block()).stop(); }

}  // namespace sheaf::runtime
