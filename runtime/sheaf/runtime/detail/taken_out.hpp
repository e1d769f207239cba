#pragma once

#include <utility>

namespace sheaf::runtime::detail {

/// A callable that is called from the place it is stored in, and may stop or replace itself:
/// it is out of the place meanwhile, and put back if the place is still `wanted` for it.
template <class F>
class taken_out {
 public:
  taken_out(F& place, const bool& wanted) noexcept
      : place_(place), wanted_(wanted), f_(std::move(place)) {}
  taken_out(const taken_out&) = delete;
  taken_out& operator=(const taken_out&) = delete;
  ~taken_out() {
    if (wanted_ && !place_) place_ = std::move(f_);
  }
  F& operator*() noexcept { return f_; }

 private:
  F& place_;
  const bool& wanted_;
  F f_;
};

}  // namespace sheaf::runtime::detail
