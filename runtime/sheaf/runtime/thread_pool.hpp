#pragma once

#include <sheaf/runtime/brief_lock.hpp>
#include <sheaf/runtime/ready_queue.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace sheaf::runtime {

/// Work for a thread of a pool: execute() there, then run() on its loop's thread.
///
/// Owns itself from submit() on: run(), or drop() if the loop closes before, frees it. Both
/// take back what submit() gave, the loop's waiting for it: scheduler::expect_threads(-1).
class pool_job : public ready_node {
 public:
  virtual void execute() noexcept = 0;

  /// When and where it ran.
  struct times {
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint32_t thread = 0;
  };

 protected:
  pool_job() = default;
  ~pool_job() = default;
  /// To be measured, into `t`; before submit().
  void measure(times& t) noexcept { times_ = &t; }

 private:
  friend class thread_pool;
  pool_job* next_ = nullptr;
  scheduler* home_ = nullptr;
  times* times_ = nullptr;  // few are measured, and it goes from processor to processor
};

/// Threads for what blocks, of one loop or of several. libuv's own pool stays free for names
/// and files.
///
/// Threads start when there is work for them, up to a limit, and wait for more until the
/// pool is joined. Order: jobs begin in the order of submit(). A loop whose jobs it has must
/// not be closed before they have come back, which scheduler::close() sees to.
///
/// Waking a thread costs as much as many a job takes, so one is woken at a time: who has been
/// woken wakes the next if there is more to do.
class thread_pool {
 public:
  explicit thread_pool(std::size_t most = default_size()) noexcept : most_(most) {}
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() { join(); }

  /// As many threads as the machine has cores, and four more, 32 at most: asyncio's number.
  static std::size_t default_size() noexcept;
  void set_size(std::size_t most) noexcept { most_ = most; }
  std::size_t size() const noexcept { return most_; }

  /// Called on the thread of `home`, to which the job comes back; of several loops at once if
  /// need be. Throws invalid_state after shut_down(), and std::system_error if there can be no
  /// thread at all.
  void submit(pool_job& job, scheduler& home);

  /// Refuses jobs from now on; those there are will be done. Any thread.
  void shut_down() noexcept;
  /// Waits for all jobs to end; their results are in the inboxes of their loops then.
  void join() noexcept;

  /// Whether the calling thread is one of this pool's.
  bool is_here() const noexcept;

 private:
  enum class need { nothing, wake, thread };
  need add(pool_job& job);
  /// Under lock_: calls one that sleeps, unless nobody is needed or one is on the way; the
  /// caller wakes it.
  bool call_one() noexcept {
    if (queued_ == 0 || idle_ == 0 || called_ > 0) return false;
    --idle_;
    ++called_;
    return true;
  }
  struct finding {
    pool_job* job;  // null: sleep, or leave
    bool wake_another;
    bool leave;
  };
  finding look(bool was_called) noexcept;
  void serve() noexcept;
  static void execute(pool_job& job) noexcept {
    job.times_ ? execute_measured(job) : job.execute();
  }
  static void execute_measured(pool_job& job) noexcept;
  void make_thread();
  void start_first();
  void start_another() noexcept;
  void wake(std::size_t n) noexcept;
  void wait_for_call() noexcept;

  std::size_t most_;

  brief_lock lock_;            // for what follows, up to the next lock
  pool_job* first_ = nullptr;  // a list through the jobs
  pool_job* last_ = nullptr;
  std::size_t queued_ = 0;
  std::size_t started_ = 0;
  std::size_t idle_ = 0;    // threads that sleep until they are called
  std::size_t called_ = 0;  // were woken or started, and will look into the queue
  bool leaving_ = false;    // threads end when there is nothing to do
  bool refusing_ = false;

  std::mutex sleep_lock_;
  std::condition_variable call_;
  std::size_t calls_ = 0;
  std::vector<std::thread> threads_;
  std::mutex join_lock_;
};

}  // namespace sheaf::runtime
