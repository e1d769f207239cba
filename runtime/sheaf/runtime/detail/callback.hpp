#pragma once

#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <exception>
#include <utility>

namespace sheaf::runtime::detail {

/// Calls `f` from a callback of libuv: with the loop current, as a slice of the trace, and
/// with what it throws sent to the loop's handler, for libuv is C and lets nothing through.
template <class F>
void call_on(scheduler& s, const char* what, F&& f) noexcept {
  const current_scope now_running(s);
  const trace_callback slice(s, what);
  try {
    std::forward<F>(f)();
  } catch (...) {
    s.fail(what, std::current_exception());
  }
}

}  // namespace sheaf::runtime::detail
