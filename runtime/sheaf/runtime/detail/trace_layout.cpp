#include <sheaf/runtime/detail/trace_layout.hpp>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace sheaf::runtime::detail {

namespace {

// How deep a record may stand: a slice holds what has a higher level.
int level_of(trace_kind kind) {
  switch (kind) {
    case trace_kind::poll:
    case trace_kind::iteration:
      return 0;
    case trace_kind::callback:
      return 1;
    case trace_kind::task_step:
      return 2;
    default:
      return 3;
  }
}

// Where a point and a step share a time, whose doing it was decides whether it is inside.
bool is_by(const trace_record& point, std::uint64_t task) {
  switch (point.kind) {
    case trace_kind::task_spawned:
    case trace_kind::task_woken:
      return point.a == task;
    case trace_kind::task_cancel:
      return static_cast<std::uint32_t>(point.a) == task;
    case trace_kind::task_waits:
    case trace_kind::task_done:
    case trace_kind::task_failed:
    case trace_kind::task_cancelled:
      return point.task == task;
    case trace_kind::timer_arm:
    case trace_kind::blocked:
      return point.task == task;
    case trace_kind::timer_fire:
    case trace_kind::task_alive:
    case trace_kind::counters:
      return false;
    default:
      return true;
  }
}

class arrow_pairing {
 public:
  using index = trace_layout::index;
  arrow_pairing(const trace_layout& layout, std::vector<index>& arrows)
      : layout_(layout), arrows_(arrows) {}

  void open(index i) {
    ++depth_;
    const auto& slice = layout_.record(i);
    if (slice.kind != trace_kind::task_step) return;
    const auto cause = pending_.find(slice.task);
    if (cause == pending_.end()) return;
    arrows_[i] = cause->second;
    arrows_[cause->second] = i;
    pending_.erase(cause);
  }

  void close(index) { --depth_; }

  // The first cause since the last step counts, but a cancel outranks what it interrupts.
  // Readers bind an arrow to a slice only: outside of all slices there is none.
  void point(index i) {
    const auto& cause = layout_.record(i);
    const bool cancel = cause.kind == trace_kind::task_cancel;
    const bool wakes = cancel || cause.kind == trace_kind::task_spawned ||
                       cause.kind == trace_kind::task_woken;
    if (!wakes || depth_ == 0) return;
    const auto [known, fresh] = pending_.try_emplace(cause.task, i);
    if (!fresh && cancel) known->second = i;
  }

 private:
  const trace_layout& layout_;
  std::vector<index>& arrows_;
  std::unordered_map<std::uint64_t, index> pending_;
  int depth_ = 0;
};

}  // namespace

trace_layout::trace_layout(const trace_recorder& recorder) : recorder_(recorder) {
  const auto size = static_cast<index>(recorder.size());
  origin_ = recorder.start_ns() != 0 ? recorder.start_ns() : ~std::uint64_t{0};
  order_.reserve(size);
  for (index i = 0; i < size; ++i) {
    const auto& entry = recorder[i];
    if (entry.kind == trace_kind::none) continue;
    origin_ = std::min(origin_, entry.at_ns);
    (entry.kind == trace_kind::work_ran ? foreign_ : order_).push_back(i);
  }
  if (size == 0) origin_ = recorder.start_ns();
  std::sort(foreign_.begin(), foreign_.end(), [&recorder](index a, index b) {
    return std::pair(recorder[a].at_ns, a) < std::pair(recorder[b].at_ns, b);
  });
  sort_polls();
  nest();
  assign_times();
  pair_arrows();
}

bool trace_layout::is_slice(index i) const { return level_of(record(i).kind) < 3; }

std::uint64_t trace_layout::relative(std::uint64_t clock_ns) const {
  return 1000 + (clock_ns > origin_ ? clock_ns - origin_ : 0);
}

// A poll is put after the callbacks it woke, as only the loop's check knows its length.
void trace_layout::sort_polls() {
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const auto& poll = recorder_[order_[i]];
    if (poll.kind != trace_kind::poll) continue;
    auto to = i;
    while (to > 0 && recorder_[order_[to - 1]].at_ns >= poll.a &&
           level_of(recorder_[order_[to - 1]].kind) > 0) {
      --to;
    }
    const auto at = order_.begin();
    std::rotate(at + static_cast<std::ptrdiff_t>(to), at + static_cast<std::ptrdiff_t>(i),
                at + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

bool trace_layout::inside(index inner, index outer) const {
  const auto& in = record(inner);
  const auto& out = record(outer);
  if (in.at_ns < out.at_ns) return false;
  if (level_of(in.kind) == 3) {
    // What a virtual clock does before it jumps is at the begin of the jump.
    if (out.kind == trace_kind::poll) return in.at_ns > out.at_ns;
    return out.kind != trace_kind::task_step || in.at_ns > out.at_ns ||
           is_by(in, out.task);
  }
  if (out.kind == trace_kind::iteration) return level_of(in.kind) > 0;
  return level_of(in.kind) >= level_of(out.kind) && in.a <= out.a && in.a > out.at_ns;
}

// What a slice holds was put before it: it swallows from the top of the stack whatever
// lies inside it, and opens where the first of them opens.
void trace_layout::nest() {
  first_.assign(order_.size(), none);
  next_.assign(order_.size(), none);
  std::vector<std::pair<index, index>> stack;  // a node, and where it opens
  for (index i = 0; i < order_.size(); ++i) {
    auto opens = i;
    if (is_slice(i)) {
      for (; !stack.empty() && inside(stack.back().first, i); stack.pop_back()) {
        opens = stack.back().second;
      }
      next_[i] = first_[opens];
      first_[opens] = i;
    }
    stack.emplace_back(i, opens);
  }
}

void trace_layout::assign_times() {
  open_ns_.assign(order_.size(), 0);
  at_ns_.assign(order_.size(), 0);
  std::uint64_t last = relative(0) - 1;
  const auto after = [&last](std::uint64_t wanted) {
    return last = std::max(last + 1, wanted);
  };
  for (index i = 0; i < order_.size(); ++i) {
    for (auto s = first_[i]; s != none; s = next_[s]) {
      open_ns_[s] = after(relative(record(s).at_ns));
      ++last;  // the head of an arrow lies 1 ns inside its slice
    }
    const auto& entry = record(i);
    at_ns_[i] = after(relative(is_slice(i) ? entry.a : entry.at_ns));
  }
  for (const auto i : foreign_) after(relative(recorder_[i].a));
  end_ns_ = last + 1;
}

void trace_layout::pair_arrows() {
  arrow_.assign(order_.size(), none);
  arrow_pairing pairing(*this, arrow_);
  visit(pairing);
}

}  // namespace sheaf::runtime::detail
