#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <algorithm>

namespace sheaf::runtime {

namespace {

// Nodes are larger than 16 bytes, so these differ for all that are armed within 64 GiB.
std::uint64_t id_of(const timer_node& n) noexcept {
  return reinterpret_cast<std::uintptr_t>(&n) >> 4;
}

class fire_tracer final : public due_listener {
 public:
  fire_tracer(trace_recorder& to, std::uint64_t now_ns) noexcept
      : to_(to), now_(now_ns) {}
  void due(const timer_node& n, std::uint64_t deadline_ns) noexcept override {
    to_.timer_fire(now_, id_of(n), now_ - std::min(now_, deadline_ns));
  }

 private:
  trace_recorder& to_;
  std::uint64_t now_;
};

}  // namespace

void scheduler::armed(const timer_node& n, std::uint64_t deadline_ns) noexcept {
  if (auto* const t = tracing(*this)) {
    t->timer_arm(now(), id_of(n), deadline_ns, running_task());
  }
  if (!draining_) rearm();
}

void scheduler::disarmed(const timer_node& n) noexcept {
  if (auto* const t = tracing(*this)) t->timer_disarm(now(), id_of(n));
  if (!draining_) rearm();
}

void scheduler::expire() noexcept {
  auto* const t = tracing(*this);
  if (!t) [[likely]]
    return wheel_.expire(batch_now_, ready_);
  fire_tracer tracer(*t, now());
  wheel_.expire(batch_now_, ready_, &tracer);
}

// With what is due, so that the depth is what the turn has before it.
void scheduler::trace_turn() noexcept {
  if (wheel_.earliest() <= batch_now_) expire();
  trace_counters();
}

// At the end of a turn too: a reader draws a value until the next one.
void scheduler::trace_counters() noexcept {
  auto* const t = tracing(*this);
  if (!t) return;
  t->counters(now(), ready_.size(), wheel_.size(), t->live_tasks());
}

void scheduler::trace_idle(std::uint64_t since) noexcept {
  auto* const t = tracing(*this);
  if (t && fake_now_ > since) t->poll(since, fake_now_, -1);
}

}  // namespace sheaf::runtime
