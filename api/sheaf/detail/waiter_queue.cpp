#include <sheaf/detail/waiter_queue.hpp>

#include <string>

namespace sheaf::detail {

void waiter::refuse() const {
  const std::string what = std::string("co_await: waiting for a ") + kind();
  if (stage_ == stage::foreign) {
    throw invalid_state(what +
                        " of another loop; pass messages with call_soon_threadsafe");
  }
  throw invalid_state(what +
                      " that was destroyed meanwhile; keep it until those who use it "
                      "have ended");
}

bool waiter_queue::admit_newcomer(waiter& w, task_state& t) noexcept {
  if (!loop_ || loop_->closed()) {
    loop_ = loop_ref::share(&t.loop());
    return true;
  }
  w.task_ = &t;
  w.stage_ = waiter::stage::foreign;
  w.close();
  return false;
}

void waiter_line::forsake_all() noexcept {
  while (anyone_woken()) {
    waiter& w = static_cast<waiter&>(*woken_.next);
    w.unlink();
    w.stage_ = waiter::stage::forsaken;  // its step is queued already
  }
  while (anyone_waiting()) {
    waiter& w = first_waiting();
    w.unlink();
    w.stage_ = waiter::stage::forsaken;
    w.post();
  }
}

}  // namespace sheaf::detail
