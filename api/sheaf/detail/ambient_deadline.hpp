#pragma once

#include <sheaf/runtime/timing_wheel.hpp>

#include <algorithm>
#include <cstdint>

namespace sheaf::detail {

class timeout_scope;

/// The deadlines that hold for a task, in a word: the innermost of its own scopes, or the
/// deadline that it inherited from who made it, or none.
class ambient_deadline {
 public:
  static constexpr std::uint64_t never = runtime::timing_wheel::never;

  ambient_deadline() = default;
  explicit ambient_deadline(const timeout_scope& s) noexcept
      : word_(reinterpret_cast<std::uintptr_t>(&s)) {}
  /// In nanoseconds of the loop's clock.
  static ambient_deadline inherited(std::uint64_t ns) noexcept {
    ambient_deadline d;
    d.word_ = std::min(ns, farthest) << 1 | tag;
    return d;
  }

  /// No scope is active and none was when the task was made.
  bool none() const noexcept { return word_ == no_scope; }
  /// The earliest; `never` if there is none. Cost: a step for each scope inside the other.
  std::uint64_t nearest() const noexcept;
  /// How many of the task's own scopes have cancelled it and were not left yet.
  unsigned expired_scopes() const noexcept;

 private:
  static constexpr std::uint64_t tag = 1;  // a time; without it a pointer, which is even
  static constexpr std::uint64_t no_scope = ~std::uint64_t{0};
  static constexpr std::uint64_t farthest = (never >> 1) - 1;
  std::uint64_t word_ = no_scope;
};

}  // namespace sheaf::detail
