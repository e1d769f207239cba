#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>

#include <exception>
#include <utility>

// What joins share that make their children later than the call.
namespace sheaf::detail {

/// The context of the call, for the children that are made when it has long returned.
class call_context {
 public:
  explicit call_context(loop_core& l) : loop_(l) {
    if (l.context() && !l.context()->empty()) {
      context_ = context_ref::adopt(new context_state(*l.context()));
    }
  }

  template <class F>
  decltype(auto) operator()(F&& f) {
    const context_swap in(loop_, context_.get());
    return std::forward<F>(f)();
  }

 private:
  loop_core& loop_;
  context_ref context_;
};

/// A child that could not be made.
inline state_ref failed_child(loop_core& l, std::exception_ptr e) {
  auto s = state_ref::adopt(new promised<void>(l));
  s->settle_error(std::move(e));
  return s;
}

}  // namespace sheaf::detail
