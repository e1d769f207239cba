#include <sheaf/task.hpp>

namespace sheaf {

any_task current_task() {
  detail::loop_core* const l = detail::loop_core::current_or_null();
  return any_task(detail::task_ref::share(l ? l->current_task() : nullptr));
}

std::vector<any_task> all_tasks() {
  const auto& l = detail::loop_core::current("all_tasks");
  std::vector<any_task> tasks;
  for (detail::task_state* t = l.first_task(); t; t = l.task_after(*t)) {
    tasks.emplace_back(detail::task_ref::share(t));
  }
  return tasks;
}

namespace detail {

task_options effective(const loop_core& l, const task_options& wish) {
  task_options options = wish;
  if (const auto factory = l.factory) factory(options);  // a copy: it may replace itself
  return options;
}

void apply(task_state& t, const task_options& options) {
  if (options.given_context()) t.run_in(options.given_context()->state());
  if (!options.name().empty()) t.set_name(options.name());
  t.trace_named();
  options.is_eager() && runtime::scheduler::current() == &t.loop() ? t.start_eagerly()
                                                                   : t.start();
}

}  // namespace detail
}  // namespace sheaf
