#include <sheaf/detail/interruptible.hpp>
#include <sheaf/loop.hpp>

#include <csignal>

namespace sheaf::detail {

interruptible::interruptible(loop& l, task_state& main, bool wanted)
    : loop_(l), main_(main) {
  if (wanted && runtime::interrupt_watch::available()) {
    watch_.emplace(l, [this] { on_interrupt(); });
  }
}

void interruptible::on_interrupt() {
  if (loop_.has_signal_handler(SIGINT) || loop_.tasks().interrupt_streams != 0) return;
  if (++count_ == 1 && !main_.done()) {
    main_.cancel(cancel_ref::adopt(
        new cancel_cause("SIGINT", 0, std::source_location::current())));
  } else {
    loop_.core().leave_with(std::make_exception_ptr(keyboard_interrupt()));
  }
}

void interruptible::rethrow() {
  if (count_ == 0 || main_.status() != future_status::cancelled) return;
  if (main_.uncancel() == 0) throw keyboard_interrupt();
}

}  // namespace sheaf::detail
