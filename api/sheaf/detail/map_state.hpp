#pragma once

#include <sheaf/detail/join_state.hpp>
#include <sheaf/detail/late_supply.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace sheaf::detail {

/// How many of a map run at a time, how many elements there are if that is known, else 0,
/// and of how many ended ones its table tells.
struct map_sizes {
  std::size_t places;
  std::size_t elements;
  std::size_t reports;
};

/// map(): the untyped part. Has as many places as children may run at a time; when a child
/// has ended its contribution is taken, what became of it noted, the child let go, and its
/// place given to the next element.
class map_state : public join_state {
 protected:
  map_state(loop_core& l, const join_policy& policy, const map_sizes& n);
  ~map_state() override = default;

  /// Goes to the next element; false at the end. What it throws fails the whole.
  virtual bool advance() = 0;
  /// The child of the element. What it throws is how that child failed.
  virtual state_ref make(std::size_t place) = 0;
  /// Takes what the child of the element in that row contributes.
  virtual void take(future_state& child, std::size_t row) = 0;
  /// All children have ended.
  virtual void forget_work() noexcept = 0;

  std::size_t made() const noexcept { return made_; }
  void take_ended() noexcept;

 private:
  void refill() noexcept final;
  void supply_ended() noexcept final {
    forget_work();
    log_.clear();
  }
  std::size_t expected() const noexcept final { return elements_; }
  std::size_t row_of(std::size_t place) const noexcept final { return rows_[place]; }
  std::vector<child_row> early_rows() final { return log_.take(); }
  bool has_room() const noexcept { return free_ || size() < places_; }
  join_link& take_place() noexcept;
  void make_next() noexcept;
  void put_failed(bool whole) noexcept;
  void put_next(state_ref child) noexcept;
  void take_one(join_link& l) noexcept;

  const std::size_t places_;
  const std::size_t elements_;
  const std::unique_ptr<join_link[]> links_;
  const std::unique_ptr<std::size_t[]> rows_;  // by place: which element it has
  join_link* free_ = nullptr;                  // places to be used again
  std::size_t made_ = 0;
  call_context context_;
  child_log log_;
};

}  // namespace sheaf::detail
