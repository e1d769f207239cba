#pragma once

#include <utility>

namespace sheaf::detail {

/// Holds a lock or a permit for a scope, on behalf of whoever has it: it may be moved.
///
/// What it holds must outlive it. Its destructor never throws: where the lock is free
/// already, because somebody else released it, nothing happens.
template <class Primitive>
class [[nodiscard("the lock is released at once unless this is kept")]] guard {
 public:
  explicit guard(Primitive& of) noexcept : of_(&of) {}
  guard(guard&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  guard& operator=(guard other) noexcept {
    std::swap(of_, other.of_);
    return *this;
  }
  ~guard() { release(); }

  /// Releases before the end of the scope; without effect the second time.
  void release() noexcept {
    if (of_) std::exchange(of_, nullptr)->release_if_held();
  }

 private:
  Primitive* of_;
};

}  // namespace sheaf::detail
