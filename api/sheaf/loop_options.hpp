#pragma once

#include <sheaf/runtime/scheduler.hpp>

namespace sheaf {

/// How a loop is made.
class loop_options {
 public:
  /// Time jumps to the next deadline when nothing else can happen: a test that sleeps an
  /// hour takes none, and the order of things is as in real time.
  loop_options& virtual_time(bool on = true) & {
    clock_ = on ? runtime::clock_kind::virtual_ : runtime::clock_kind::real;
    return *this;
  }
  loop_options&& virtual_time(bool on = true) && { return std::move(virtual_time(on)); }

  /// Time stands still until loop::advance().
  loop_options& manual_time() & {
    clock_ = runtime::clock_kind::manual;
    return *this;
  }
  loop_options&& manual_time() && { return std::move(manual_time()); }

  runtime::clock_kind clock() const noexcept { return clock_; }

 private:
  runtime::clock_kind clock_ = runtime::clock_kind::real;
};

}  // namespace sheaf
