#pragma once

#include <sheaf/detail/loop_core.hpp>
#include <sheaf/runtime/timing_wheel.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace sheaf::detail {

/// A time-out of something that waits: calls `on_time` of its owner once.
///
/// Stop it before the owner's task is woken: what is in the ready queue by then runs before
/// the task does, and nothing comes after.
template <class Owner>
class deadline final : public runtime::timer_node {
 public:
  explicit deadline(Owner& owner) noexcept : owner_(owner) {}
  ~deadline() { stop(); }

  void start(loop_core& l, std::optional<std::int64_t> delay_ns) noexcept {
    if (!delay_ns) return;
    loop_ = &l;
    l.arm_after(*this, *delay_ns);
  }
  void stop() noexcept {
    if (armed()) loop_->disarm(*this);
  }
  void run() noexcept override { owner_.on_time(); }
  void drop() noexcept override { owner_.on_dropped(); }

 private:
  Owner& owner_;
  loop_core* loop_ = nullptr;
};

}  // namespace sheaf::detail
