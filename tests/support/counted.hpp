#pragma once

#include <utility>

namespace test {

/// Counts its instances, copies and moves, so that a test can claim there was no leak and no
/// copy too many. Call reset() first.
class counted {
 public:
  static inline int alive = 0;
  static inline int copies = 0;
  static inline int moves = 0;
  static void reset() noexcept { alive = copies = moves = 0; }

  explicit counted(int v = 0) noexcept : value(v) { ++alive; }
  counted(const counted& o) noexcept : value(o.value) {
    ++alive;
    ++copies;
  }
  counted(counted&& o) noexcept : value(std::exchange(o.value, moved_from)) {
    ++alive;
    ++moves;
  }
  counted& operator=(const counted& o) noexcept {
    value = o.value;
    ++copies;
    return *this;
  }
  counted& operator=(counted&& o) noexcept {
    value = std::exchange(o.value, moved_from);
    ++moves;
    return *this;
  }
  ~counted() { --alive; }

  static constexpr int moved_from = -1;
  int value;
};

}  // namespace test
