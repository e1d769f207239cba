#pragma once

#include <sheaf/detail/deadline.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/detail/late_supply.hpp>

#include <cstddef>
#include <cstdint>

namespace sheaf::detail {

/// hedge(): the untyped part. Makes the first attempt at once, one more each time the delay
/// has passed since the last one was made, and one more for each that fails.
class hedge_state : public join_state {
 public:
  void on_time() noexcept;
  void on_dropped() noexcept { release(); }

 protected:
  hedge_state(loop_core& l, std::int64_t delay_ns, std::size_t attempts);
  ~hedge_state() override = default;

  /// What it throws is how that attempt failed.
  virtual state_ref make(std::size_t attempt) = 0;

 private:
  void refill() noexcept final;
  void supply_closed() noexcept final { stop_deadline(); }
  std::size_t expected() const noexcept final { return attempts_; }
  std::size_t due() const noexcept;
  void make_next() noexcept;
  void restart_deadline() noexcept;
  void stop_deadline() noexcept;

  const std::int64_t delay_ns_;
  const std::size_t attempts_;
  std::size_t on_time_ = 1;  // attempts that time alone has made due
  call_context context_;
  deadline<hedge_state> deadline_{*this};
};

}  // namespace sheaf::detail
