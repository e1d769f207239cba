#include <sheaf/runtime/detail/descriptor_watch.hpp>
#include <sheaf/runtime/detail/signal_table.hpp>
#include <sheaf/runtime/loop.hpp>

#include <csignal>
#include <stdexcept>

namespace sheaf::runtime::detail {

namespace {

/// Owned by the handle's callback, so that the handler goes when the handle does: removed,
/// replaced, or closed with its loop.
class queued_handler {
 public:
  queued_handler(scheduler& s, unique_function<void()> f)
      : node_(intrusive_ptr<ready_callback>::adopt(
            new ready_callback(s, "signal handler", std::move(f)))) {}
  queued_handler(queued_handler&&) noexcept = default;
  queued_handler& operator=(queued_handler&&) = delete;
  ~queued_handler() {
    if (node_) node_->cancel();
  }

  void operator()(int) const noexcept { node_->queue(); }

 private:
  intrusive_ptr<ready_callback> node_;
};

}  // namespace

void signal_table::add(int signum, unique_function<void()> f) {
  loop_.core().require_open("add_signal_handler");
  if (signum < 1 || signum >= NSIG) {
    throw std::invalid_argument("add_signal_handler: " + std::to_string(signum) +
                                " is no signal");
  }
  f = callable(std::move(f), "add_signal_handler");
  signal fresh(loop_, queued_handler(loop_.core(), std::move(f)));
  fresh.start(signum);
  // A clock that jumps when nothing else can happen would wait for the signal instead.
  if (loop_.core().clock() != clock_kind::real) fresh.unref();
  // The one before goes last: its handler may own what adds or removes others.
  const auto [place, is_new] = signals_.try_emplace(signum, std::move(fresh));
  if (!is_new) std::swap(place->second, fresh);
}

bool signal_table::remove(int signum) noexcept {
  const auto gone = signals_.extract(signum);
  return gone && gone.mapped().active();
}

bool signal_table::has(int signum) const noexcept {
  const auto found = signals_.find(signum);
  return found != signals_.end() && found->second.active();
}

}  // namespace sheaf::runtime::detail
