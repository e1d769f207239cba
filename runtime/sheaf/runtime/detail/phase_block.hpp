#pragma once

#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <utility>

namespace sheaf::runtime::detail {

/// The block of a handle whose callback runs at one place of each turn: idle, prepare, check.
///
/// Phase names libuv's handle, its three functions and, for errors and traces, their names.
template <class Phase>
class phase_block final : public handle_block {
 public:
  phase_block(scheduler& s, unique_function<void()> f)
      : handle_block(s, Phase::name), f_(callable(std::move(f), Phase::name)) {
    opened(Phase::init(s.uv(), &uv_), Phase::init_name);
  }

  void start() {
    static_cast<void>(owner(Phase::start_name));
    checked(Phase::start(&uv_, on_turn), Phase::start_name);
  }
  void stop() noexcept {
    if (open()) Phase::stop(&uv_);
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv_); }

 private:
  static void on_turn(typename Phase::type* h) {
    auto& self = of<phase_block>(h);
    self.call(Phase::callback_name, [&self] { self.f_(); });
  }
  void silence() noexcept override { f_.reset(); }

  typename Phase::type uv_;
  unique_function<void()> f_;
};

}  // namespace sheaf::runtime::detail
