#include <sheaf/runtime/trace_hooks.hpp>

#include <string>

namespace sheaf::runtime {

bool stopwatch::too_long(const scheduler& s) noexcept {
  if (began_ == 0) return false;
  took_ = debug_mode::duration(static_cast<std::int64_t>(scheduler::real_now() - began_));
  return took_ >= s.slow();
}

void trace_callback::begin() noexcept {
  began_ = tracing(scheduler_) ? scheduler_.now() : 0;
  watch_ = stopwatch(scheduler_);
}

void trace_callback::end() noexcept {
  if (auto* const t = tracing(scheduler_); t && began_ != 0) {
    const std::uint64_t ended = scheduler_.now();
    if (t->too_long(began_, ended)) t->blocked(ended, ended - began_, 0, at_, {});
    t->callback(began_, ended, what_);
  }
  if (!watch_.too_long(scheduler_)) return;
  scheduler_.report({.message = std::string(what_) + " held the loop",
                     .created_at = at_,
                     .took = watch_.took()});
}

}  // namespace sheaf::runtime
