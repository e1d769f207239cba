#pragma once

#include <sheaf/runtime/trace.hpp>

#include <cstdint>
#include <vector>

namespace sheaf::runtime::detail {

/// The order and the times in which a recording is drawn.
///
/// A record says when a slice began, but it was put when the slice ended, and under a
/// virtual clock hundreds of slices share one time. The layout finds where each slice
/// opened, so that slices nest strictly, and moves edges by as many nanoseconds as it
/// takes for each to have one of its own: readers add times as doubles and pair edges
/// that fall together wrongly. It also pairs what caused a step with that step. Borrows
/// the recorder, which rests meanwhile.
class trace_layout {
 public:
  using index = std::uint32_t;  // a place in the order, not in the recorder
  static constexpr index none = ~index{0};

  explicit trace_layout(const trace_recorder& recorder);

  /// Calls visitor.open(i), .close(i) and .point(i) in the order of their times. A slice
  /// has an open and a close, anything else is a point.
  template <class Visitor>
  void visit(Visitor& visitor) const {
    for (index i = 0; i < order_.size(); ++i) {
      for (index s = first_[i]; s != none; s = next_[s]) visitor.open(s);
      is_slice(i) ? visitor.close(i) : visitor.point(i);
    }
  }

  const trace_record& record(index i) const { return recorder_[order_[i]]; }
  bool is_slice(index i) const;

  /// Nanoseconds since 1 us before the start: of the begin of a slice, and of its end or
  /// of a point. The first is above 0.
  std::uint64_t open_ns(index i) const { return open_ns_[i]; }
  std::uint64_t at_ns(index i) const { return at_ns_[i]; }
  std::uint64_t end_ns() const { return end_ns_; }
  std::uint64_t relative(std::uint64_t clock_ns) const;
  std::uint64_t origin() const { return origin_; }

  /// The step that the spawn, wake-up or cancel at `i` led to, or the other way round.
  index arrow(index i) const { return arrow_[i]; }

  /// Slices of other threads (work_ran), as indexes into the recorder, by begin.
  const std::vector<index>& foreign() const { return foreign_; }

 private:
  void sort_polls();
  void nest();
  bool inside(index inner, index outer) const;
  void assign_times();
  void pair_arrows();

  const trace_recorder& recorder_;
  std::uint64_t origin_ = 0;
  std::uint64_t end_ns_ = 0;
  std::vector<index> order_;
  std::vector<index> first_;  // the outermost slice that opens just before i
  std::vector<index> next_;   // the next one that opens there
  std::vector<std::uint64_t> open_ns_;
  std::vector<std::uint64_t> at_ns_;
  std::vector<index> arrow_;
  std::vector<index> foreign_;
};

}  // namespace sheaf::runtime::detail
