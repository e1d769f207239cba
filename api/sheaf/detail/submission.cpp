#include <sheaf/detail/settled.hpp>
#include <sheaf/detail/submission.hpp>

namespace sheaf::detail {

submission::submission(std::stop_token stop) : stop_(std::move(stop)) {
  if (has_context()) context_ = copy_context().state();
}

void submission::post(loop_core& l) {
  loop_ = &l;
  if (l.post_threadsafe(*this)) return;
  delete this;
  throw invalid_state("run_coroutine_threadsafe: the loop is closed");
}

void submission::run() noexcept {
  if (task_) return finish();
  if (loop_->ending()) return drop();
  try {
    begin();
  } catch (...) {
    tell(std::current_exception());
    loop_->report({.message = "run_coroutine_threadsafe could not make its task",
                   .exception = std::current_exception()});
    delete this;
  }
}

void submission::begin() {
  if (stop_.stop_requested()) {
    tell(std::make_exception_ptr(cancelled(asked_to_stop())));
    return delete this;
  }
  task_options options;
  if (context_ || has_context()) {  // not in that of the loop's thread
    options.context(context_ ? context(std::move(context_)) : context());
  }
  task_ = make_task(*loop_, options);
  if (task_->done()) return loop_->post(*this);  // it began eagerly
  task_->watch(entry_, *this);
  if (stop_.stop_possible()) stopper_.emplace(stop_, on_stop{this});
}

void submission::finish() noexcept {
  stopper_.reset();  // from here on nobody asks; waits for one who does
  task_->mark_retrieved();
  try {
    tell(*task_);
  } catch (...) {
    tell(std::current_exception());  // the value could not be moved
  }
  over_ = true;
  if (!asked_) delete this;
}

void submission::drop() noexcept {
  if (task_) return finish();
  tell(std::make_exception_ptr(invalid_state(
      "run_coroutine_threadsafe: the loop was closed before the coroutine began")));
  delete this;
}

// On any thread, and for the last time: once the request is in the inbox this may be gone.
// A loop that is closed has cancelled its tasks anyway.
void submission::ask() noexcept {
  asked_ = true;
  try {
    if (loop_->post_threadsafe(request_)) return;
  } catch (...) {
  }
  asked_ = false;
}

void submission::requested(bool loop_open) noexcept {
  asked_ = false;
  if (over_) return delete this;
  if (loop_open && !task_->done()) task_->cancel(asked_to_stop());
}

cancel_ref submission::asked_to_stop() const {
  return make_cause(*loop_, "a stop was requested", {});
}

}  // namespace sheaf::detail
