#include <sheaf/runtime/check.hpp>
#include <sheaf/runtime/detail/phase_block.hpp>
#include <sheaf/runtime/loop.hpp>

namespace sheaf::runtime {

namespace {

struct check_phase {
  using type = uv_check_t;
  static constexpr auto init = uv_check_init;
  static constexpr auto start = uv_check_start;
  static constexpr auto stop = uv_check_stop;
  static constexpr const char* name = "check";
  static constexpr const char* init_name = "uv_check_init";
  static constexpr const char* start_name = "uv_check_start";
  static constexpr const char* callback_name = "check callback";
};

using check_block = detail::phase_block<check_phase>;

}  // namespace

check::check(loop& owner, unique_function<void()> on_turn)
    : handle(new check_block(owner.core(), std::move(on_turn))) {}

void check::start() { static_cast<check_block&>(block()).start(); }

void check::stop() noexcept { static_cast<check_block&>(block()).stop(); }

}  // namespace sheaf::runtime
