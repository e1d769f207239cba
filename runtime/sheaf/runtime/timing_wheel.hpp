#pragma once

#include <sheaf/runtime/ready_queue.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace sheaf::runtime {

class timer_node;

namespace detail {

/// A node's place in a slot of the wheel; null in `node` once it was removed.
struct timer_entry {
  std::uint64_t deadline;
  timer_node* node;
};

/// Entries of one slot, in the order they were armed.
struct timer_chunk {
  static constexpr std::size_t room = 31;
  timer_chunk* next;
  std::size_t size;
  timer_entry entries[room];
};

}  // namespace detail

/// What waits for a deadline in a timing wheel, and is put into the ready queue when that has
/// passed. Must be removed from the wheel before it dies, and must outlive its run() once due.
class timer_node : public ready_node {
 public:
  bool armed() const noexcept { return entry_ != nullptr; }
  /// In nanoseconds of the loop's clock; only while armed.
  std::uint64_t deadline() const noexcept { return entry_->deadline; }

 protected:
  timer_node() = default;
  ~timer_node() = default;

 private:
  friend class timing_wheel;
  detail::timer_entry* entry_ = nullptr;  // where it is in the wheel
};

/// Hears of each node that becomes due, just before it is queued.
class due_listener {
 public:
  virtual void due(const timer_node& n, std::uint64_t deadline_ns) noexcept = 0;

 protected:
  ~due_listener() = default;
};

/// Every deadline of a loop, in slots of 2^20 ns (1.05 ms) that widen with the distance.
///
/// Order: by deadline, and among equal ones in the order they were armed. Never early: a
/// node is due when the time given to expire() has reached its deadline, to the nanosecond.
/// Cost: arming and removing are O(1), a pooled block of memory for 31 nodes; a node moves
/// at most once per level, and not at all when it is due within 268 ms. A slot is an array
/// beside its nodes, not a list through them: a million sleeping frames are memory that is
/// in no cache, and an array tells in advance which will be touched.
class timing_wheel {
 public:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

  timing_wheel() = default;
  timing_wheel(const timing_wheel&) = delete;
  timing_wheel& operator=(const timing_wheel&) = delete;
  ~timing_wheel();

  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }

  void arm(timer_node& n, std::uint64_t deadline_ns) noexcept;
  void remove(timer_node& n) noexcept;

  /// Not later than the earliest deadline; `never` when empty. Exact unless a node was
  /// removed from the slot of the earliest, then at most that slot's width too early.
  std::uint64_t earliest() const noexcept { return earliest_; }

  /// Queues every node that is due at `now_ns`.
  void expire(std::uint64_t now_ns, ready_queue& into, due_listener* told = nullptr);

 private:
  // Level 0 has 256 slots of one tick; each further level 64, as wide as all before it:
  // together the 44 bits that are left of 64 bits of nanoseconds.
  static constexpr int tick_bits = 20;
  static constexpr int levels = 7;
  static constexpr int first_bits = 8;
  static constexpr int bits = 6;
  static constexpr int words = (1 << first_bits) / 64 + levels - 1;
  static constexpr int all_slots = words * 64;

  using entry = detail::timer_entry;
  using chunk = detail::timer_chunk;

  struct slot {
    chunk* first = nullptr;
    chunk* last = nullptr;
    std::uint64_t min = never;  // not later than the earliest deadline in it
    std::uint32_t live = 0;
    std::uint32_t removed = 0;
    bool sorted = true;  // by deadline
  };
  struct place {
    int level;
    int index;
  };
  struct due {
    std::uint64_t deadline;
    std::size_t order;  // of arming, within the slot
    timer_node* node;
  };

  static constexpr int shift(int level) noexcept {
    return level == 0 ? 0 : first_bits + (level - 1) * bits;
  }
  static constexpr int base(int level) noexcept {
    return level == 0 ? 0 : (1 << first_bits) + (level - 1) * (1 << bits);
  }
  static constexpr int width(int level) noexcept {
    return level == 0 ? first_bits : bits;
  }

  place place_of(std::uint64_t tick) const noexcept;
  slot& at(place p) noexcept {
    return slots_[static_cast<std::size_t>(base(p.level) + p.index)];
  }
  const slot& at(place p) const noexcept {
    return slots_[static_cast<std::size_t>(base(p.level) + p.index)];
  }
  void mark(place p, bool occupied) noexcept;
  bool first_occupied(place& out) const noexcept;
  std::uint64_t start_of(place p) const noexcept;
  std::uint64_t find_earliest() const noexcept;
  void insert(timer_node& n, std::uint64_t deadline_ns) noexcept;
  entry& append(slot& s, const entry& e) noexcept;
  void compact(slot& s) noexcept;
  void free_chunks(chunk* first) noexcept;
  slot detach(place p) noexcept;
  void cascade(place p) noexcept;
  void take_due(place p, std::uint64_t now_ns);
  void queue_due(ready_queue& into) noexcept;
  template <class F>
  static void each_live(const slot& s, F&& f);

  std::uint64_t now_ = 0;  // tick; every node's slot is relative to it
  std::size_t count_ = 0;
  std::uint64_t earliest_ = never;
  std::array<std::uint64_t, words> occupied_{};
  std::array<slot, all_slots> slots_{};
  chunk* spare_ = nullptr;  // of the last slot that ran empty: for a timer alone
  std::vector<due> due_;    // scratch of take_due
};

}  // namespace sheaf::runtime
