#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/detail/task_state.hpp>

#include <utility>

namespace sheaf::detail {

cancel_ref make_cause(const loop_core& l, std::string reason, std::source_location at) {
  return make_cause(cancel_why::requested, l.current_task(), at, std::move(reason));
}

cancel_ref make_cause(cancel_why why, const future_state* by, std::source_location at,
                      std::string text) {
  const auto* const t =
      by && by->is_task() ? static_cast<const task_state*>(by) : nullptr;
  return cancel_ref::adopt(new cancel_cause(why, std::move(text), t ? t->id() : 0,
                                            t ? t->given_name() : std::string(), at));
}

}  // namespace sheaf::detail
