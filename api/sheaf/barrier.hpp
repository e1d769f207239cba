#pragma once

#include <sheaf/detail/waiter_queue.hpp>

#include <coroutine>
#include <cstddef>
#include <stdexcept>

namespace sheaf {

class barrier;

/// What wait() of a barrier throws that is broken, or was reset meanwhile.
class broken_barrier : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

class barrier_wait final : public waiter {
 public:
  explicit barrier_wait(barrier& b) noexcept : barrier_(b) {}
  barrier_wait(barrier_wait&&) noexcept = default;
  ~barrier_wait();

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  std::size_t await_resume();

  void interrupt() noexcept final;
  const char* kind() const noexcept final { return "barrier"; }

 private:
  friend class sheaf::barrier;
  bool begin(task_state& t) noexcept;

  barrier& barrier_;
  std::size_t index_ = 0;
  bool broken_ = false;
};

/// What is done when it is called, and may be awaited all the same, as in asyncio.
struct done_at_once {
  using awaits_in_task = void;
  bool await_ready() const noexcept { return true; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise>) const noexcept {}
  void await_resume() const noexcept {}
};

}  // namespace detail

/// Holds tasks back until a number of them have come: asyncio's Barrier.
///
/// Must outlive those who wait for the others; one of those that it has let go may destroy
/// it. Destroyed before, those who wait get invalid_state.
///
/// Order: cyclic. The last one to come goes on at once, the others through the ready queue,
/// in the order in which they came. Until they all have run it drains: who comes then waits
/// for the next round. A task cancelled before its round is complete leaves, and one more is
/// needed; cancelled after that, the others go on without it.
///
/// Thread: its loop's. Cost: no allocation. Source: asyncio.Barrier of CPython 3.13, but for
/// the indices, which are given when a round is complete: unique even after a cancellation.
class barrier {
 public:
  /// Throws std::invalid_argument below 1.
  explicit barrier(std::ptrdiff_t parties);
  ~barrier();

  /// co_await b.wait(): gives a number from 0 to parties - 1, each once a round. Throws
  /// broken_barrier, `cancelled`, and invalid_state on another loop.
  detail::barrier_wait wait() noexcept { return detail::barrier_wait(*this); }

  /// Breaks it: who waits, and who comes from now on, gets broken_barrier, until reset().
  detail::done_at_once abort();
  /// Makes it as new. Who waits for the round to be complete gets broken_barrier; who waits
  /// for the next round waits on.
  detail::done_at_once reset();

  std::size_t parties() const noexcept { return parties_; }
  /// How many wait for the others; 0 while it drains.
  std::size_t n_waiting() const noexcept { return queue_.anyone_woken() ? 0 : waiting_; }
  bool broken() const noexcept { return broken_; }

 private:
  friend class detail::barrier_wait;
  bool arrive(detail::barrier_wait& w, detail::task_state& t) noexcept;
  void release_round() noexcept;
  void left() noexcept;
  void break_waiting() noexcept;
  void break_woken() noexcept;

  detail::waiter_queue
      queue_;  // while anyone is woken it drains; the rest is next round's
  std::size_t parties_;
  std::size_t waiting_ = 0;
  bool broken_ = false;
};

}  // namespace sheaf
