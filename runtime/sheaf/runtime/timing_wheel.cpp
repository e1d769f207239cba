#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/timing_wheel.hpp>

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace sheaf::runtime {

// Invariant: a node stands at the level of the highest group of bits in which its tick
// differs from now_, in the slot that group names. expire() keeps it by emptying each slot
// before now_ enters it, so remove() can find a node's slot from its deadline alone.
timing_wheel::place timing_wheel::place_of(std::uint64_t tick) const noexcept {
  if (tick <= now_) tick = now_;
  const int top = static_cast<int>(std::bit_width((tick ^ now_) | 1)) - 1;
  const int level = top < first_bits ? 0 : 1 + (top - first_bits) / bits;
  const auto mask = (std::uint64_t{1} << width(level)) - 1;
  return {level, static_cast<int>((tick >> shift(level)) & mask)};
}

void timing_wheel::mark(place p, bool occupied) noexcept {
  const int bit = base(p.level) + p.index;
  auto& word = occupied_[static_cast<std::size_t>(bit / 64)];
  const auto mask = std::uint64_t{1} << (bit % 64);
  word = occupied ? word | mask : word & ~mask;
}

bool timing_wheel::first_occupied(place& out) const noexcept {
  constexpr int first_words = (1 << first_bits) / 64;
  for (int w = 0; w < words; ++w) {
    const auto word = occupied_[static_cast<std::size_t>(w)];
    if (!word) continue;
    const int bit = std::countr_zero(word);
    out = w < first_words ? place{0, w * 64 + bit} : place{w - first_words + 1, bit};
    return true;
  }
  return false;
}

std::uint64_t timing_wheel::start_of(place p) const noexcept {
  const int end = shift(p.level) + width(p.level);
  return (now_ >> end << end) | (static_cast<std::uint64_t>(p.index) << shift(p.level));
}

timing_wheel::~timing_wheel() {
  for (slot& s : slots_) free_chunks(s.first);
  if (spare_) frame_pool::deallocate(spare_, sizeof(chunk));
}

void timing_wheel::free_chunks(chunk* c) noexcept {
  if (c && !spare_) spare_ = std::exchange(c, c->next);
  while (c) frame_pool::deallocate(std::exchange(c, c->next), sizeof(chunk));
}

timing_wheel::entry& timing_wheel::append(slot& s, const entry& e) noexcept {
  if (!s.last || s.last->size == chunk::room) {
    auto* const fresh = spare_ ? std::exchange(spare_, nullptr)
                               : static_cast<chunk*>(frame_pool::allocate(sizeof(chunk)));
    fresh->next = nullptr;
    fresh->size = 0;
    (s.last ? s.last->next : s.first) = fresh;
    s.last = fresh;
  }
  entry& at_end = s.last->entries[s.last->size++];
  at_end = e;
  return at_end;
}

void timing_wheel::insert(timer_node& n, std::uint64_t deadline_ns) noexcept {
  const place p = place_of(deadline_ns >> tick_bits);
  slot& s = at(p);
  if (s.live == 0) {
    mark(p, true);
  } else {
    s.sorted = s.sorted && s.last->entries[s.last->size - 1].deadline <= deadline_ns;
  }
  s.min = std::min(s.min, deadline_ns);
  ++s.live;
  n.entry_ = &append(s, {deadline_ns, &n});
}

void timing_wheel::arm(timer_node& n, std::uint64_t deadline_ns) noexcept {
  assert(!n.armed() && "a timer node is armed once at a time");
  earliest_ = std::min(earliest_, deadline_ns);
  insert(n, deadline_ns);
  ++count_;
}

void timing_wheel::remove(timer_node& n) noexcept {
  assert(n.armed());
  entry& e = *std::exchange(n.entry_, nullptr);
  const std::uint64_t deadline = e.deadline;  // the entry may be freed below
  const place p = place_of(deadline >> tick_bits);
  slot& s = at(p);
  // A slot's minimum stays when its node goes, so the slot's last node may be a later one.
  const bool look_again = deadline <= earliest_ || (s.live == 1 && s.min <= earliest_);
  e.node = nullptr;
  --count_;
  ++s.removed;
  if (--s.live == 0) {
    free_chunks(s.first);
    s = {};
    mark(p, false);
  } else if (s.removed > chunk::room && s.removed > s.live) {
    compact(s);
  }
  if (look_again) earliest_ = find_earliest();
}

// So that timers which are started and cancelled do not pile up in the slot of a time that is
// far away (LOOP-15). Paid for by the removals since the last time.
void timing_wheel::compact(slot& s) noexcept {
  slot kept;
  kept.min = s.min;
  kept.live = s.live;
  kept.sorted = s.sorted;
  each_live(s, [&](const entry& e) { e.node->entry_ = &append(kept, e); });
  free_chunks(s.first);
  s = kept;
}

template <class F>
void timing_wheel::each_live(const slot& s, F&& f) {
  for (const chunk* c = s.first; c; c = c->next) {
    for (std::size_t i = 0; i < c->size; ++i) {
      if (c->entries[i].node) f(c->entries[i]);
    }
  }
}

std::uint64_t timing_wheel::find_earliest() const noexcept {
  place p;
  return first_occupied(p) ? at(p).min : never;
}

timing_wheel::slot timing_wheel::detach(place p) noexcept {
  mark(p, false);
  return std::exchange(at(p), {});
}

void timing_wheel::cascade(place p) noexcept {
  const slot taken = detach(p);
  each_live(taken, [&](const entry& e) { insert(*e.node, e.deadline); });
  free_chunks(taken.first);
}

void timing_wheel::take_due(place p, std::uint64_t now_ns) {
  const slot taken = detach(p);
  due_.clear();
  each_live(taken, [&](const entry& e) {
    if (e.deadline > now_ns) return insert(*e.node, e.deadline);
    due_.push_back({e.deadline, due_.size(), e.node});
  });
  free_chunks(taken.first);
  if (!taken.sorted) {
    std::sort(due_.begin(), due_.end(), [](const due& a, const due& b) {
      return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
    });
  }
}

void timing_wheel::queue_due(ready_queue& into) noexcept {
  constexpr std::size_t ahead = 8;
  for (std::size_t i = 0; i < due_.size(); ++i) {
    if (i + ahead < due_.size()) __builtin_prefetch(due_[i + ahead].node, 1);
    due_[i].node->entry_ = nullptr;
    into.push(*due_[i].node);
  }
  count_ -= due_.size();
}

void timing_wheel::expire(std::uint64_t now_ns, ready_queue& into, due_listener* told) {
  const std::uint64_t to = now_ns >> tick_bits;
  for (place p; count_ != 0 && first_occupied(p);) {
    const std::uint64_t start = start_of(p);
    if (start > to) break;
    now_ = std::max(now_, start);
    if (p.level > 0) {
      cascade(p);
      continue;
    }
    take_due(p, now_ns);
    if (told) [[unlikely]] {
      for (const due& d : due_) told->due(*d.node, d.deadline);
    }
    queue_due(into);
    if (start == to) break;  // what is left of it is due later in this very tick
  }
  now_ = std::max(now_, to);
  earliest_ = find_earliest();
}

}  // namespace sheaf::runtime
