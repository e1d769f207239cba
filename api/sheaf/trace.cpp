#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>
#include <sheaf/trace.hpp>

namespace sheaf::trace {

void start(const trace_options& options) {
  auto& l = detail::loop_core::current("trace::start");
  l.start_trace(options.file());
  for (detail::task_state* t = l.first_task(); t; t = l.task_after(*t)) t->trace_alive();
}

void stop() { detail::loop_core::current("trace::stop").stop_trace(); }

void mark(std::string_view name) {
  const auto* const l = detail::loop_core::current_or_null();
  auto* const t = l ? runtime::tracing(*l) : nullptr;
  if (t) t->mark(l->now(), l->running_task(), name);
}

}  // namespace sheaf::trace
