#pragma once

#include <sheaf/runtime/ready_queue.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace sheaf::runtime {

/// A deadline in a timing wheel; when it has passed the node is put into the ready queue.
///
/// Must be removed from the wheel before it dies, and must outlive its run() once due.
class timer_node : public ready_node {
 public:
  /// In nanoseconds of the loop's clock.
  std::uint64_t deadline() const noexcept { return deadline_; }
  bool armed() const noexcept { return prev_ != nullptr; }

 protected:
  timer_node() = default;
  ~timer_node() = default;

 private:
  friend class timing_wheel;
  timer_node* next_in_slot() const noexcept { return static_cast<timer_node*>(next_); }

  timer_node* prev_ = nullptr;
  std::uint64_t deadline_ = 0;
};

/// Every deadline of a loop, in slots of 2^20 ns (1.05 ms) that widen with the distance.
///
/// Order: by deadline, and among equal ones in the order they were armed. Never early: a
/// node is due when the time given to expire() has reached its deadline, to the nanosecond.
/// Cost: arming and removing are O(1) and allocate nothing; a node moves at most once per
/// level, and not at all when it is due within 268 ms.
class timing_wheel {
 public:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

  timing_wheel() = default;
  timing_wheel(const timing_wheel&) = delete;
  timing_wheel& operator=(const timing_wheel&) = delete;

  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }

  void arm(timer_node& n, std::uint64_t deadline_ns) noexcept;
  void remove(timer_node& n) noexcept;

  /// Not later than the earliest deadline; `never` when empty. Exact unless a node was
  /// removed from the slot of the earliest, then at most that slot's width too early.
  std::uint64_t earliest() const noexcept { return earliest_; }

  /// Queues every node that is due at `now_ns`.
  void expire(std::uint64_t now_ns, ready_queue& into);

 private:
  // Level 0 has 256 slots of one tick; each further level 64, as wide as all before it:
  // together the 44 bits that are left of 64 bits of nanoseconds.
  static constexpr int tick_bits = 20;
  static constexpr int levels = 7;
  static constexpr int first_bits = 8;
  static constexpr int bits = 6;
  static constexpr int words = (1 << first_bits) / 64 + levels - 1;
  static constexpr int all_slots = words * 64;

  struct slot {
    timer_node* head = nullptr;  // circular; head->prev_ is the last
    std::uint64_t min = never;   // not later than the earliest deadline in it
    bool sorted = true;          // by deadline, from head on
  };
  struct place {
    int level;
    int index;
  };
  struct due {
    std::uint64_t deadline;
    timer_node* node;
  };

  static constexpr int shift(int level) noexcept {
    return level == 0 ? 0 : first_bits + (level - 1) * bits;
  }
  static constexpr int base(int level) noexcept {
    return level == 0 ? 0 : (1 << first_bits) + (level - 1) * (1 << bits);
  }
  static constexpr int width(int level) noexcept { return level == 0 ? first_bits : bits; }

  place place_of(std::uint64_t tick) const noexcept;
  slot& at(place p) noexcept { return slots_[static_cast<std::size_t>(base(p.level) + p.index)]; }
  const slot& at(place p) const noexcept {
    return slots_[static_cast<std::size_t>(base(p.level) + p.index)];
  }
  void mark(place p, bool occupied) noexcept;
  bool first_occupied(place& out) const noexcept;
  std::uint64_t start_of(place p) const noexcept;
  std::uint64_t find_earliest() const noexcept;
  void insert(timer_node& n) noexcept;
  slot detach(place p) noexcept;
  void cascade(place p) noexcept;
  void take_due(place p, std::uint64_t now_ns, ready_queue& into);

  std::uint64_t now_ = 0;  // tick; every node's slot is relative to it
  std::size_t count_ = 0;
  std::uint64_t earliest_ = never;
  std::array<std::uint64_t, words> occupied_{};
  std::array<slot, all_slots> slots_{};
  std::vector<due> due_;  // scratch of take_due
};

}  // namespace sheaf::runtime
