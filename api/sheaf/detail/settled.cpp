#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/detail/task_state.hpp>

#include <utility>

namespace sheaf::detail {

cancel_ref make_cause(const loop_core& l, std::string reason, std::source_location at) {
  const task_state* const by = l.current_task();
  return cancel_ref::adopt(new cancel_cause(std::move(reason), by ? by->id() : 0, at));
}

}  // namespace sheaf::detail
