#pragma once

#include <sheaf/runtime/ready_queue.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace sheaf::runtime {

/// Work for a thread of a pool: execute() there, then run() on the loop's thread.
///
/// Owns itself from submit() on: run(), or drop() if the loop closes before, frees it. Both
/// take back what submit() gave, the loop's waiting for it: scheduler::expect_threads(-1).
class pool_job : public ready_node {
 public:
  virtual void execute() noexcept = 0;

  /// When and where it ran; measured only if its loop was traced when it was submitted.
  struct times {
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint32_t thread = 0;
  };
  bool timed() const noexcept { return timed_; }
  const times& ran() const noexcept { return ran_; }

 protected:
  pool_job() = default;
  ~pool_job() = default;

 private:
  friend class thread_pool;
  times ran_;
  bool timed_ = false;
};

/// Threads of a loop for what blocks. libuv's own pool stays free for names and files.
///
/// Threads start when there is work for them, up to a limit, and wait for more until the
/// pool is joined. Order: jobs begin in the order of submit().
class thread_pool {
 public:
  explicit thread_pool(scheduler& s) noexcept : scheduler_(s) {}
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() { join(); }

  /// As many threads as the machine has cores, and four more, 32 at most: asyncio's number.
  static std::size_t default_size() noexcept;
  void set_size(std::size_t most) noexcept { most_ = most; }

  /// Called on the loop's thread. Throws std::system_error if there can be no thread at all.
  void submit(pool_job& job);
  /// Waits for all jobs to end; their results are in the loop's inbox then.
  void join() noexcept;

 private:
  void serve() noexcept;
  static void execute(pool_job& job) noexcept;
  void start_thread();

  scheduler& scheduler_;
  std::size_t most_ = default_size();
  std::vector<std::thread> threads_;  // of the loop's thread alone

  std::mutex lock_;
  std::condition_variable work_;
  std::deque<pool_job*> jobs_;  // guarded by lock_, as are the following
  std::size_t idle_threads_ = 0;
  bool closing_ = false;
};

}  // namespace sheaf::runtime
