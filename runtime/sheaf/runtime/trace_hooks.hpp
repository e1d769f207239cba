#pragma once

#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/trace.hpp>

#include <cstdint>

namespace sheaf::runtime {

/// The recorder of `s`, or null: the one branch that tracing costs while it is off. With
/// SHEAF_NO_TRACE the answer is known when compiling and the hooks are gone.
inline trace_recorder* tracing([[maybe_unused]] const scheduler& s) noexcept {
#ifdef SHEAF_NO_TRACE
  return nullptr;
#else
  return s.trace();
#endif
}

/// Records a callback of the loop as a slice, from here to the end of the scope.
class trace_callback {
 public:
  trace_callback(scheduler& s, const char* what) noexcept
      : scheduler_(s), what_(what), begin_(tracing(s) ? s.now() : 0) {}
  trace_callback(const trace_callback&) = delete;
  trace_callback& operator=(const trace_callback&) = delete;
  ~trace_callback() {
    if (auto* const t = tracing(scheduler_); t && begin_ != 0) [[unlikely]] {
      const std::uint64_t end = scheduler_.now();
      if (t->too_long(begin_, end)) t->blocked(end, end - begin_, 0, {}, {});
      t->callback(begin_, end, what_);
    }
  }

 private:
  scheduler& scheduler_;
  const char* what_;
  std::uint64_t begin_;
};

}  // namespace sheaf::runtime
