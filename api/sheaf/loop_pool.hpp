#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/loop_options.hpp>
#include <sheaf/spawn_on.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace sheaf {

/// How loop_pool makes its loops.
class loop_pool_options {
 public:
  /// How each loop is made. Those of a pool run in real time.
  loop_pool_options& loop(loop_options o) & {
    loop_ = std::move(o);
    return *this;
  }
  loop_pool_options&& loop(loop_options o) && { return std::move(loop(std::move(o))); }

  /// The exception handler of each loop; called on their threads, at the same time too.
  loop_pool_options& exception_handler(sheaf::exception_handler f) & {
    handler_ = std::move(f);
    return *this;
  }
  loop_pool_options&& exception_handler(sheaf::exception_handler f) && {
    return std::move(exception_handler(std::move(f)));
  }

  const loop_options& loop() const noexcept { return loop_; }
  const sheaf::exception_handler& exception_handler() const noexcept { return handler_; }

 private:
  loop_options loop_;
  sheaf::exception_handler handler_;
};

namespace detail {
class pool_threads;
}  // namespace detail

/// Loops, each on a thread of its own, which run until the pool ends.
///
///     loop_pool pool(4);
///     auto [a, b] = co_await gather(spawn_on(pool[0], work, 1), spawn_on(pool[1], work, 2));
///
/// Ownership: neither copied nor moved. Its end, by destructor, close() or shutdown(), cancels
/// the tasks that are left, with a cause that says so, runs them to their end, joins the
/// threads of to_thread(), closes each loop on its own thread, and joins that. After it the
/// loops refuse all calls, and exist until the pool is destroyed.
///
/// Failure: what leaves a task that nobody awaits, or a callback, goes to its loop's exception
/// handler, as does a system_exit: it ends nothing. Throws what a loop or a thread throws that
/// cannot be made; those that were there are ended first.
///
/// Thread: threadsafe are size(), operator[], next(), and of a loop spawn_on(),
/// run_coroutine_threadsafe() and call_soon_threadsafe(); each thread that may still use them
/// is joined, or done with that, before the pool is destroyed. SIGPIPE is ignored meanwhile, as
/// by run().
class loop_pool {
 public:
  /// As many as there are processors.
  loop_pool();
  /// Throws std::invalid_argument for 0.
  explicit loop_pool(std::size_t n, const loop_pool_options& options = {});
  loop_pool(const loop_pool&) = delete;
  loop_pool& operator=(const loop_pool&) = delete;
  /// As close(). From one of its own threads it ends the program.
  ~loop_pool();

  std::size_t size() const noexcept;
  /// Unchecked, as a vector's.
  loop& operator[](std::size_t i) const noexcept;
  /// The first, the second, ..., and after the last the first.
  loop& next() const noexcept;

  /// spawn_on() of the next one.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(F&& fn, Args&&... args) const {
    return spawn_on(next(), std::forward<F>(fn), std::forward<Args>(args)...);
  }

  /// Ends the pool, and blocks this thread until that is done. A task of the pool that awaits
  /// one of the loop that runs here would wait for ever: that is what shutdown() is for.
  /// Throws invalid_state on a thread of the pool. Idempotent.
  void close();
  /// The same without blocking the loop that runs here. Cancelling it does not stop the end.
  coro<> shutdown() { return shut_down(threads_); }

 private:
  static coro<> shut_down(std::shared_ptr<detail::pool_threads> threads);
  std::shared_ptr<detail::pool_threads> threads_;
};

}  // namespace sheaf
