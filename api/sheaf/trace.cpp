#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/trace.hpp>

namespace sheaf::trace {

void start(const trace_options& options) {
  auto& l = detail::loop_core::current("trace::start");
  l.start_trace(options.file());
  for (detail::task_state* t = l.first_task(); t; t = l.task_after(*t)) t->trace_alive();
}

void stop() { detail::loop_core::current("trace::stop").stop_trace(); }

}  // namespace sheaf::trace
