#include <sheaf/runtime/detail/phase_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/prepare.hpp>

namespace sheaf::runtime {

namespace {

struct prepare_phase {
  using type = uv_prepare_t;
  static constexpr auto init = uv_prepare_init;
  static constexpr auto start = uv_prepare_start;
  static constexpr auto stop = uv_prepare_stop;
  static constexpr const char* name = "prepare";
  static constexpr const char* init_name = "uv_prepare_init";
  static constexpr const char* start_name = "uv_prepare_start";
  static constexpr const char* callback_name = "prepare callback";
};

using prepare_block = detail::phase_block<prepare_phase>;

}  // namespace

prepare::prepare(loop& owner, unique_function<void()> on_turn)
    : handle(new prepare_block(owner.core(), std::move(on_turn))) {}

void prepare::start() { static_cast<prepare_block&>(block()).start(); }

void prepare::stop() noexcept { static_cast<prepare_block&>(block()).stop(); }

}  // namespace sheaf::runtime
