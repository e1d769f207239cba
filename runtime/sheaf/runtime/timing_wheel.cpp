#include <sheaf/runtime/timing_wheel.hpp>

#include <algorithm>
#include <bit>
#include <cassert>

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

void timing_wheel::insert(timer_node& n) noexcept {
  const place p = place_of(n.deadline_ >> tick_bits);
  slot& s = at(p);
  if (!s.head) {
    n.prev_ = &n;
    n.next_ = &n;
    s = {&n, n.deadline_, true};
    return mark(p, true);
  }
  timer_node* const last = s.head->prev_;
  s.sorted = s.sorted && last->deadline_ <= n.deadline_;
  s.min = std::min(s.min, n.deadline_);
  n.prev_ = last;
  n.next_ = s.head;
  last->next_ = &n;
  s.head->prev_ = &n;
}

void timing_wheel::arm(timer_node& n, std::uint64_t deadline_ns) noexcept {
  assert(!n.armed() && "a timer node is armed once at a time");
  n.deadline_ = deadline_ns;
  earliest_ = std::min(earliest_, deadline_ns);
  insert(n);
  ++count_;
}

void timing_wheel::remove(timer_node& n) noexcept {
  assert(n.armed());
  const place p = place_of(n.deadline_ >> tick_bits);
  slot& s = at(p);
  if (n.next_ == &n) {
    s = {};
    mark(p, false);
  } else {
    if (s.head == &n) s.head = n.next_in_slot();
    n.prev_->next_ = n.next_;
    n.next_in_slot()->prev_ = n.prev_;
  }
  n.prev_ = nullptr;
  --count_;
  if (n.deadline_ <= earliest_) earliest_ = find_earliest();
}

std::uint64_t timing_wheel::find_earliest() const noexcept {
  place p;
  return first_occupied(p) ? at(p).min : never;
}

timing_wheel::slot timing_wheel::detach(place p) noexcept {
  slot& s = at(p);
  const slot taken = s;
  s = {};
  mark(p, false);
  taken.head->prev_->next_ = nullptr;  // from here on the list ends instead of closing
  return taken;
}

void timing_wheel::cascade(place p) noexcept {
  for (timer_node* n = detach(p).head; n;) {
    timer_node* const next = n->next_in_slot();
    insert(*n);
    n = next;
  }
}

void timing_wheel::take_due(place p, std::uint64_t now_ns, ready_queue& into) {
  const slot taken = detach(p);
  due_.clear();
  for (timer_node* n = taken.head; n;) {
    timer_node* const next = n->next_in_slot();
    if (n->deadline_ <= now_ns) {
      due_.push_back({n->deadline_, n});
      n->prev_ = nullptr;
    } else {
      insert(*n);
    }
    n = next;
  }
  if (!taken.sorted) {
    std::stable_sort(due_.begin(), due_.end(),
                     [](const due& a, const due& b) { return a.deadline < b.deadline; });
  }
  for (const due& d : due_) into.push(*d.node);
  count_ -= due_.size();
}

void timing_wheel::expire(std::uint64_t now_ns, ready_queue& into) {
  const std::uint64_t to = now_ns >> tick_bits;
  for (place p; count_ != 0 && first_occupied(p);) {
    const std::uint64_t start = start_of(p);
    if (start > to) break;
    now_ = std::max(now_, start);
    if (p.level > 0) {
      cascade(p);
      continue;
    }
    take_due(p, now_ns, into);
    if (start == to) break;  // what is left of it is due later in this very tick
  }
  now_ = std::max(now_, to);
  earliest_ = find_earliest();
}

}  // namespace sheaf::runtime
