#include <sheaf/detail/far_call.hpp>
#include <sheaf/detail/settled.hpp>

namespace sheaf::detail {

// ---- at home -------------------------------------------------------------------------------

far_call::far_call(loop_core& home) : home_mail_(home.mail()), home_loop_(home) {
  if (has_context()) context_ = copy_context().state();
}

bool far_call::send(far_result& home, loop_core& far) {
  home_ = &home;
  far_ = &far;
  far_mail_ = far.mail();
  retain();  // the far side's
  if (far_mail_->put(*this)) return true;
  home_ = nullptr;
  release();
  return false;
}

// One request at a time is under way: what comes meanwhile says nothing new.
void far_call::ask(const cancel_ref& cause) noexcept {
  if (asked_.exchange(true, std::memory_order_acq_rel)) return;
  wish_ = cause;
  retain();
  if (far_mail_->put(request_)) return;
  release();  // closed: the answer is on its way
}

void far_call::answered() noexcept {
  if (far_result* const home = std::exchange(home_, nullptr)) {
    const auto held = state_ref::adopt(home);
    home->land();
    deliver(*home);
  } else {
    report_unheard(home_loop_);
  }
  release();  // the far side's
}

void far_call::deliver(far_result& to) noexcept {
  if (ended_ == ending::cancelled) return to.settle_cancelled(std::move(cause_));
  if (ended_ == ending::error) return to.settle_error(std::move(error_));
  try {
    give_value(to);
  } catch (...) {
    return to.settle_error(std::current_exception());
  }
  to.settle_value();
}

bool far_result::cancel(const cancel_ref& cause) noexcept {
  if (done()) return future_state::cancel(cause);
  call_->ask(cause);
  return true;
}

void far_result::send(loop_core& far) {
  if (!call_->send(*this, far)) {
    call_ = {};
    throw invalid_state("spawn_on: the loop is closed");
  }
  retain();  // until it has landed
  enter(loop().flights());
  loop().expect_threads(+1);
}

void far_result::land() noexcept {
  unlink();
  loop().expect_threads(-1);
  call_ = {};
}

void far_result::leave() noexcept {
  const auto held = state_ref::adopt(this);
  const auto cause =
      make_cause(cancel_why::shutdown, nullptr, {}, "the loop that waits was closed");
  if (watched()) call_->ask(cause);
  call_->forget_home();
  land();
  settle_cancelled(cause);
}

// ---- over there ----------------------------------------------------------------------------

void far_call::run() noexcept {
  if (task_) return finish();
  if (before_) {
    ended_ = ending::cancelled;
    cause_ = std::move(before_);
    return tell();
  }
  if (far_->ending()) return drop();
  try {
    begin();
  } catch (...) {
    end_with(std::current_exception());
    tell();
  }
}

void far_call::begin() {
  task_options options;
  if (context_ || has_context()) {  // not in that of the loop's thread
    options.context(context_ ? context(std::move(context_)) : context());
  }
  task_ = make_task(*far_, options);
  if (task_->done()) return far_->post(*this);  // it began eagerly
  task_->watch(entry_, *this);
}

void far_call::finish() noexcept {
  task_->mark_retrieved();
  if (task_->failed()) {
    end_with(task_->hand_over_error());
  } else if (task_->status() == future_status::cancelled) {
    ended_ = ending::cancelled;
    cause_ = task_->cause();
  } else {
    try {
      keep_value(*task_);
      ended_ = ending::value;
    } catch (...) {
      end_with(std::current_exception());
    }
  }
  task_ = {};
  tell();
}

void far_call::drop() noexcept {
  if (task_) return finish();
  end_with(std::make_exception_ptr(
      invalid_state("spawn_on: the loop was closed before the coroutine began")));
  tell();
}

void far_call::end_with(std::exception_ptr e) noexcept {
  ended_ = ending::error;
  error_ = std::move(e);
}

// Last of all: once the answer is in the inbox this may be gone, and the home loop with it.
void far_call::tell() noexcept {
  over_ = true;
  context_ = {};
  forget();
  const auto mail = home_mail_;
  if (mail->put(answer_)) return;
  report_unheard(*far_);
  release();
}

void far_call::requested() noexcept {
  const cancel_ref wish = std::move(wish_);
  asked_.store(false, std::memory_order_release);
  if (!over_) {
    if (!task_) {
      before_ = wish;
    } else if (!task_->done()) {
      task_->cancel(wish);
    }
  }
  release();
}

void far_call::report_unheard(loop_core& l) noexcept {
  if (ended_ != ending::error) return;
  l.report({.message = "a coroutine failed on another loop, and the loop that called "
                       "spawn_on is closed",
            .exception = std::move(error_)});
}

}  // namespace sheaf::detail
