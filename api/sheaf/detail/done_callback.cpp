#include <sheaf/detail/done_callback.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <exception>
#include <memory>

namespace sheaf::detail {

std::uint64_t done_callback::attach(future_state& s) noexcept {
  state_ = &s;
  id_ = s.loop().next_callback_id();
  const std::uint64_t id = id_;
  if (s.done()) {
    settled(registration_);  // a closed loop drops it, and with it this object
  } else {
    s.watch(registration_, *this);
  }
  return id;
}

void done_callback::settled(watcher&) noexcept {
  keep_ = state_ref::share(state_);
  state_->loop().post(*this);
}

void done_callback::run() noexcept {
  const std::unique_ptr<done_callback> ended(this);
  loop_core& l = state_->loop();
  const runtime::trace_callback slice(l, "done callback");
  try {
    invoke(keep_);
  } catch (...) {
    l.fail("a done callback", std::current_exception());
  }
}

std::size_t done_callback::remove(future_state& s, std::uint64_t id) noexcept {
  watcher* const w = s.find_callback(id);
  if (!w) return 0;
  s.unwatch(*w);
  w->who->forsaken(*w);
  return 1;
}

}  // namespace sheaf::detail
