#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/ready_queue.hpp>
#include <sheaf/runtime/schedule.hpp>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

namespace sheaf::runtime {

ready_queue::~ready_queue() {
  while (block* const b = first_) {
    first_ = b->next;
    frame_pool::deallocate(b, sizeof(block));
  }
}

std::size_t ready_queue::size() const noexcept {
  if (empty()) return 0;
  if (first_ == last_) return static_cast<std::size_t>(tail_ - head_);
  const auto in_first = static_cast<std::size_t>(head_end_ - head_);
  const auto in_last = static_cast<std::size_t>(tail_ - last_->nodes);
  return in_first + (blocks_ - 2) * room + in_last;
}

// The queue is full, or has no block yet. One block that has run empty is used again.
void ready_queue::add_block() noexcept {
  if (last_ && empty() && !in_batch_) {
    head_ = tail_ = last_->nodes;
    return;
  }
  auto* const fresh = static_cast<block*>(frame_pool::allocate(sizeof(block)));
  fresh->next = nullptr;
  if (!last_) {
    first_ = fresh;
    head_ = fresh->nodes;
    head_end_ = fresh->nodes + room;
  } else {
    last_->next = fresh;
  }
  last_ = fresh;
  ++blocks_;
  tail_ = fresh->nodes;
  tail_end_ = fresh->nodes + room;
}

void ready_queue::next_block() noexcept {
  block* const done = first_;
  first_ = done->next;
  --blocks_;
  frame_pool::deallocate(done, sizeof(block));
  head_ = first_->nodes;
  head_end_ = first_->nodes + room;
}

// The same, with a look ahead: the node that comes in eight turns is asked for, and the one
// that comes in four, which has arrived by then, asks for what it will touch. A wait for
// memory costs as much as ten steps, and these wait side by side.
std::size_t ready_queue::run_far_batch(const bool& leave) noexcept {
  constexpr std::ptrdiff_t ahead = 8;
  std::size_t ran = 0;
  in_batch_ = true;
  for (ready_node** const end = tail_; head_ != end;) {
    if (head_ == head_end_) next_block();
    if (head_end_ - head_ > ahead && (head_end_ != tail_end_ || end - head_ > ahead)) {
      const char* const later = reinterpret_cast<const char*>(head_[ahead]);
      __builtin_prefetch(later);
      __builtin_prefetch(later + 64);
      head_[ahead / 2]->prefetch();
    }
    ++ran;
    (*head_++)->run();
    if (leave) {
      note_cut_off(end);
      break;
    }
  }
  in_batch_ = false;
  return ran;
}

namespace {

std::size_t nodes_in(const std::vector<std::size_t>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::size_t{0});
}

}  // namespace

// Taken out and queued again: the queue keeps one way of walking its blocks.
void ready_queue::arrange(schedule& by) {
  arranged_.clear();
  while (ready_node* const n = pop()) arranged_.push_back(n);
  std::span<ready_node*> rest(arranged_);
  // Without a schedule nobody sees a batch that has run whole: what was noted may be long gone.
  if (!std::exchange(cut_off_, false) || nodes_in(parts_) > rest.size()) parts_.clear();
  parts_.push_back(rest.size() - nodes_in(parts_));
  for (const std::size_t n : parts_) {
    if (n > 1) by.arrange(rest.first(n));
    rest = rest.subspan(n);
  }
  for (ready_node* const n : arranged_) push(*n);
}

template <class F>
void ready_queue::for_each_until(ready_node** end, F f) noexcept {
  block* in = first_;
  ready_node** block_end = head_end_;
  for (ready_node** at = head_; at != end; ++at) {
    if (at == block_end) {
      in = in->next;
      at = in->nodes;
      block_end = at + room;
    }
    f(*at);
  }
}

// Parts are run from the first one on.
void ready_queue::note_cut_off(ready_node** end) noexcept {
  std::size_t left = 0;
  for_each_until(end, [&left](ready_node*) { ++left; });
  if (nodes_in(parts_) < left) parts_.assign(1, left);
  std::size_t ran = nodes_in(parts_) - left;
  for (std::size_t& part : parts_) {
    const std::size_t of_it = std::min(part, ran);
    part -= of_it;
    ran -= of_it;
  }
  std::erase(parts_, 0U);
  cut_off_ = true;
}

namespace {

class nobody final : public ready_node {
 public:
  nobody() = default;
  void run() noexcept override {}
};

}  // namespace

void ready_queue::forget(const ready_node& n) noexcept {
  static nobody in_its_place;
  for_each_until(tail_, [&n](ready_node*& at) {
    if (at == &n) at = &in_its_place;
  });
}

}  // namespace sheaf::runtime
