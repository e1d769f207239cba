#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/generator_state.hpp>
#include <sheaf/exceptions.hpp>

namespace sheaf::detail {

void generator_state::throw_exit() { throw generator_exit(); }

// One that runs is a frame of somebody's task, which is to come back from it first.
void generator_owner::let_go() noexcept {
  if (!state_->running_) return state_->handle().destroy();
  state_->owner_ = nullptr;
}

void generator_wait::begin(promise_base& consumer) noexcept {
  state_->ring_link::enter(consumer.task()->loop().generators());
}

void generator_wait::refuse_running() {
  throw invalid_state(
      "the generator is running already: await one next() or aclose() before the next");
}

// The frame goes before the error does: its arguments die ahead of who catches that.
std::exception_ptr generator_wait::destroy() noexcept {
  std::exception_ptr error = parent_ ? parent_->task()->take_in_flight() : nullptr;
  std::exchange(state_, nullptr)->handle().destroy();
  return error;
}

void generator_wait::end() {
  if (const auto error = destroy()) std::rethrow_exception(error);
}

bool generator_wait::closed_already() {
  if (ended()) return true;
  if (state_->caller()) return false;
  static_cast<void>(destroy());
  return true;
}

void generator_wait::finish_close() {
  if (!state_) return;
  const bool went_on = state_->value_ != nullptr;
  const auto error = destroy();
  if (went_on) {
    throw invalid_state(
        "aclose: the generator yielded another value in place of ending; let "
        "generator_exit pass, or co_return after it");
  }
  if (error && !thrown<generator_exit>(error)) std::rethrow_exception(error);
}

}  // namespace sheaf::detail
