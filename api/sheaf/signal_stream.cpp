#include <sheaf/loop.hpp>
#include <sheaf/signal_stream.hpp>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <string>

namespace sheaf {

namespace {

void require_signals(std::initializer_list<int> signals) {
  if (signals.size() == 0)
    throw std::invalid_argument("signal_stream: no signal is given");
  for (const int each : signals) {
    if (each >= 1 && each < NSIG) continue;
    throw std::invalid_argument("signal_stream: " + std::to_string(each) +
                                " is no signal");
  }
}

}  // namespace

signal_stream::signal_stream(std::initializer_list<int> signals)
    : loop_(runtime::intrusive_ptr<detail::loop_core>::share(
          &detail::loop_core::current("signal_stream"))) {
  require_signals(signals);
  for (const int each : signals) {
    runtime::signal& h =
        handles_.emplace_back(*loop_->facade(), [this](int n) { arrived(n); });
    h.start(each);
    // A clock that jumps when nothing else can happen would wait for the signal instead.
    if (loop_->clock() != runtime::clock_kind::real) h.unref();
    interrupts_ += each == SIGINT;
  }
  loop_->interrupt_streams += interrupts_;
}

signal_stream::~signal_stream() { loop_->interrupt_streams -= interrupts_; }

void signal_stream::arrived(int signum) {
  if (std::ranges::find(pending_, signum) != pending_.end()) return;
  pending_.push_back(signum);
  some_.release();
}

coro<int> signal_stream::next() {
  co_await some_.acquire();
  const int first = pending_.front();
  pending_.erase(pending_.begin());
  co_return first;
}

}  // namespace sheaf
