#include <sheaf/detail/stream_core.hpp>
#include <sheaf/detail/stream_wait.hpp>

namespace sheaf::detail {

std::uint64_t stream_wait::object() const noexcept { return core_->id(); }

bool stream_wait::cancel(const cancel_ref&) noexcept {
  interrupt();
  return true;
}

void stream_wait::interrupt() noexcept {
  withdraw();
  stage_ = stage::none;
  task_->wake_cancelled();
}

void stream_wait::refuse() const {
  throw invalid_state("stream: it belongs to another loop than the task that awaits it");
}

// ---- reading ---------------------------------------------------------------------------

// What came into the caller's memory for a task that was then cancelled is not consumed.
void read_wait::give_back() noexcept {
  core().buffer().prepend({room_.data(), std::exchange(came_, 0)});
}

// ---- lists -----------------------------------------------------------------------------

bool line_wait::enter(task_state& t) noexcept {
  if (!begin(t)) [[unlikely]]
    return false;
  prev_ = nullptr;
  next_ = std::exchange(*first_, this);
  if (next_) next_->prev_ = this;
  return true;
}

void line_wait::unlink() noexcept {
  (prev_ ? prev_->next_ : *first_) = next_;
  if (next_) next_->prev_ = prev_;
  unlisted();
}

closed_wait::closed_wait(stream_core& c) noexcept : line_wait(c, c.closers_) {}

bool closed_wait::await_ready() const noexcept { return core().is_lost(); }
void closed_wait::await_resume() {
  require_wake();
  core().throw_error();
}

}  // namespace sheaf::detail
