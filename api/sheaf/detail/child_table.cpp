#include <sheaf/detail/child_table.hpp>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace sheaf::detail {

std::unique_ptr<const child_row::extra> child_row::extra_of(const future_state& child) {
  auto all = std::make_unique<extra>();
  if (child.failed()) all->error = child.error();  // else a thread may be at it
  if (child.is_task()) all->name = static_cast<const task_state&>(child).given_name();
  return all;
}

void sort_by_index(std::vector<child_row>& rows) {
  const auto index = [](const child_row& r) { return std::uint64_t{r.index}; };
  if (!std::ranges::is_sorted(rows, {}, index)) std::ranges::sort(rows, {}, index);
}

// ---- the log ---------------------------------------------------------------------------

void child_log::add_other(const future_state& child, std::size_t index,
                          child_times when) noexcept {
  try {
    if (at_ == end_ && !begin_block()) return;
    std::construct_at(at_, child, index, when);
    ++at_;
  } catch (const std::bad_alloc&) {
    return;
  }
}

bool child_log::begin_block() {
  if (room_ == 0) return false;
  const bool first_can_go = blocks_ != 0 && (blocks_ - 1) * block::rows >= room_;
  append(first_can_go ? *drop_first() : *new block);
  return true;
}

void child_log::append(block& b) noexcept {
  b.next = nullptr;
  (last_ ? last_->next : first_) = &b;
  last_ = &b;
  ++blocks_;
  at_ = b.begin();
  end_ = at_ + block::rows;
}

child_log::block* child_log::drop_first() noexcept {
  block* const b = std::exchange(first_, first_->next);
  std::destroy(b->begin(), b == last_ ? at_ : b->begin() + block::rows);
  passed_over_ = 0;
  --blocks_;
  if (b == last_) {
    last_ = nullptr;
    at_ = end_ = nullptr;
  }
  return b;
}

void child_log::trim() noexcept {
  while (size() >= block::rows && size() - block::rows >= room_) delete drop_first();
  if (size() > room_) passed_over_ = size() - room_;
}

void child_log::clear() noexcept {
  while (first_) delete drop_first();
}

std::vector<child_row> child_log::take() {
  trim();
  std::vector<child_row> rows;
  rows.reserve(size() - passed_over_);
  while (first_) {
    child_row* const end = first_ == last_ ? at_ : first_->begin() + block::rows;
    std::move(first_->begin() + passed_over_, end, std::back_inserter(rows));
    delete drop_first();
  }
  return rows;
}

}  // namespace sheaf::detail
