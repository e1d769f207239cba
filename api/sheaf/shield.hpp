#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/future_wait.hpp>
#include <sheaf/future.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

/// The future that shield() gives: follows the inner one, a batch later, and does not pass a
/// cancellation on to it. Holds itself while it follows.
template <class T>
class shield_state final : public holding<T, future_state> {
 public:
  explicit shield_state(state_ref inner)
      : holding<T, future_state>(inner->loop()), inner_(std::move(inner)) {
    this->retain();
    inner_->watch(registration_, *this);
  }

  const char* kind() const noexcept override { return "shield"; }
  bool is_work() const noexcept override { return true; }

  void settled(watcher&) noexcept override { this->loop().post(*this); }
  void run() noexcept override {
    if (!this->done()) follow();
    this->release();
  }
  // The loop is closed. Ends nevertheless: a join that watches it holds itself until then.
  void drop() noexcept override { run(); }

  bool cancel(const cancel_ref& cause) noexcept override {
    if (this->done()) return future_state::cancel(cause);
    const bool following = registration_.registered();
    inner_->unwatch(registration_);
    future_state::cancel(cause);
    if (following) this->release();  // else it is queued, and run() does
    return true;
  }

 private:
  ~shield_state() override = default;

  void follow() noexcept {
    if (inner_->status() != future_status::value) {
      inner_->mark_retrieved();
      return this->settle_like(*inner_);
    }
    try {
      take();
      this->settle_value();
    } catch (...) {
      this->settle_error(std::current_exception());
    }
  }
  void take() {
    inner_->require_value();
    if constexpr (!std::is_void_v<T>) this->emplace(take_value<T>(*inner_, 1));
  }

  state_ref inner_;
  watcher registration_;
};

}  // namespace detail

/// Protects `inner` from the cancellation of who awaits it: asyncio's shield.
///
///     auto saved = create_task(save(order));
///     co_await shield(saved);  // cancelled here, the save goes on
///
/// Gives a future of its own, which takes the inner one's value, error or cancellation a
/// batch later; the inner one itself if that is done. A coro becomes a task, which the loop
/// owns: it must not refer to what a cancelled awaiter takes with it. Cancelling the shield
/// leaves the inner alone: its value is dropped, and an error that nobody else reads is
/// reported. Cost: one pooled block.
template <class T>
future<T> shield(const future<T>& inner) {
  if (inner.done()) return inner;
  return future<T>(
      detail::state_ref::adopt(new detail::shield_state<T>(inner.checked())));
}
template <class T>
future<T> shield(coro<T> inner,
                 std::source_location at = std::source_location::current()) {
  return shield<T>(static_cast<future<T>>(create_task(std::move(inner), at)));
}

/// The same of wait_for(...), and of what is awaited in place: q.get(), e.wait(), sleep(d).
template <detail::coro_like A>
auto shield(A&& inner, std::source_location at = std::source_location::current()) {
  return shield(detail::to_coro(std::forward<A>(inner)), at);
}

}  // namespace sheaf
