#pragma once

#include <sheaf/context_var.hpp>
#include <sheaf/detail/loop_core.hpp>

#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// A callback that runs in a copy of the context where it was made.
template <class F>
class in_context {
 public:
  in_context(loop_core& l, F f)
      : loop_(l), context_(copy_context().state()), f_(std::move(f)) {}

  template <class... Args>
  decltype(auto) operator()(Args&&... args) {
    const context_swap in(loop_, context_.get());
    return f_(std::forward<Args>(args)...);
  }

 private:
  loop_core& loop_;
  context_ref context_;
  F f_;
};

/// Whether a callback registered here has to bring its context along.
inline bool has_context() noexcept {
  const context_state* const c = current_context();
  return c && !c->empty();
}

}  // namespace sheaf::detail
