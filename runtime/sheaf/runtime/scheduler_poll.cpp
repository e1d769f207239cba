#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/detail/wake_descriptor.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <memory>

namespace sheaf::runtime {

int scheduler::poll_fd() {
  if (borrowed_) throw invalid_state("poll_fd: a borrowed loop is run by its host");
  if (clock_ != clock_kind::real) {
    throw invalid_state("poll_fd: only a loop on the real clock can be waited for");
  }
  require_open("poll_fd");
  if (!waker_) {
    // Registers the async with the system when it is alive and runs a turn.
    waker_ = std::make_unique<detail::wake_descriptor>(uv_backend_fd(uv_));
    expect_threads(+1);
  }
  if (current() != this) show_next();
  return waker_->get();
}

void scheduler::close_poll_fd() noexcept {
  if (!waker_) return;
  waker_.reset();
  expect_threads(-1);
}

// libuv gives 0 also for what it has not told the system yet: that takes a turn.
void scheduler::show_next() noexcept {
  if (!waker_) return;
  uv_update_time(uv_);
  waker_->ready_in(uv_backend_timeout(uv_));
}

// In a turn there is no need: its end looks at all.
void scheduler::show_ready() noexcept {
  if (current() != this) waker_->ready_in(0);
}

bool scheduler::run_ready() {
  if (borrowed_) throw invalid_state("run_ready: a borrowed loop is run by its host");
  if (running_ || current()) {
    throw invalid_state("run_ready: a loop is already running here");
  }
  require_open("run_ready");
  debug_.enter();
  {
    const detail::current_scope now_running(*this);
    take_inbox();  // libuv does not poll for a loop that has nothing else to do
    uv_run(uv_, UV_RUN_NOWAIT);
  }
  debug_.leave();
  if (!waker_) return uv_loop_alive(uv_) != 0;
  show_next();
  // Waiting for other threads is no reason to go on: the descriptor's own is not counted.
  expect_threads(-1);
  const bool more = uv_loop_alive(uv_) != 0;
  expect_threads(+1);
  return more;
}

}  // namespace sheaf::runtime
