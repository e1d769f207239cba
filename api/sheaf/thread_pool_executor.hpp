#pragma once

#include <sheaf/runtime/thread_pool.hpp>

#include <cstddef>
#include <memory>

namespace sheaf {

/// Threads for run_in_executor() and to_thread(): asyncio's ThreadPoolExecutor.
///
///     thread_pool_executor disk(4);
///     auto bytes = co_await run_in_executor(disk, read_file, path);
///
/// A counted handle: copies refer to the same threads, and several loops may use them. Threads
/// start when there is work for them. The last handle to go waits for all jobs, and joins.
///
/// Thread: any may copy a handle and call shut_down(), each loop's own submits.
class thread_pool_executor {
 public:
  /// At most `threads` run at once; by default asyncio's number, which is four more than the
  /// machine has cores, and 32 at most.
  explicit thread_pool_executor(
      std::size_t threads = runtime::thread_pool::default_size());

  std::size_t threads() const noexcept { return pool_->size(); }

  /// Refuses jobs from now on, with invalid_state; those it has will be done. Waits for nothing.
  void shut_down() const noexcept { pool_->shut_down(); }

  friend bool operator==(const thread_pool_executor&,
                         const thread_pool_executor&) = default;

  /// For the library.
  const std::shared_ptr<runtime::thread_pool>& pool() const noexcept { return pool_; }

 private:
  std::shared_ptr<runtime::thread_pool> pool_;
};

}  // namespace sheaf
