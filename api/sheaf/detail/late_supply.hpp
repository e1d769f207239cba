#pragma once

#include <sheaf/detail/ambient_deadline.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>

#include <cstdint>
#include <exception>
#include <utility>

// What joins share that make their children later than the call.
namespace sheaf::detail {

/// The context of a call, for what it does when it has long returned.
class kept_context {
 public:
  explicit kept_context(loop_core& l) : loop_(l) {
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

/// The same with the deadline that the call was under, for children that it makes later: they
/// inherit it as those do that it makes at once.
class call_context {
 public:
  explicit call_context(loop_core& l)
      : context_(l),
        loop_(l),
        deadline_(l.deadlines_used() ? l.deadline_here() : never) {}

  template <class F>
  decltype(auto) operator()(F&& f) {
    const struct scope {
      loop_core& loop;
      std::uint64_t before;
      ~scope() { loop.set_call_deadline(before); }
    } in{loop_, loop_.set_call_deadline(deadline_)};
    return context_(std::forward<F>(f));
  }

 private:
  static constexpr std::uint64_t never = ambient_deadline::never;

  kept_context context_;
  loop_core& loop_;
  const std::uint64_t deadline_;
};

/// A child that could not be made.
inline state_ref failed_child(loop_core& l, std::exception_ptr e) {
  auto s = state_ref::adopt(new promised<void>(l));
  s->settle_error(std::move(e));
  return s;
}

}  // namespace sheaf::detail
