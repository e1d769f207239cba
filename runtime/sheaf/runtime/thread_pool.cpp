#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/thread_census.hpp>
#include <sheaf/runtime/thread_pool.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace sheaf::runtime {

std::size_t thread_pool::default_size() noexcept {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  return std::min<std::size_t>(cores + 4, 32);
}

void thread_pool::start_thread() {
  try {
    threads_.emplace_back([this] { serve(); });
    count_pool_threads(+1);
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;  // the threads that there are will get to it
  }
}

void thread_pool::submit(pool_job& job) {
  // A clock that is not real has nothing to say of what runs beside it.
  job.timed_ = tracing(scheduler_) && scheduler_.clock() == clock_kind::real;
  bool thread_needed;
  {
    const std::lock_guard hold(lock_);
    thread_needed = jobs_.size() + 1 > idle_threads_;
  }
  if (thread_needed && threads_.size() < most_) start_thread();
  {
    const std::lock_guard hold(lock_);
    jobs_.push_back(&job);
  }
  work_.notify_one();
  scheduler_.expect_threads(+1);
}

void thread_pool::execute(pool_job& job) noexcept {
  if (!job.timed_) return job.execute();
  job.ran_.thread = static_cast<std::uint32_t>(gettid());
  job.ran_.begin_ns = uv_hrtime();
  job.execute();
  job.ran_.end_ns = uv_hrtime();
}

void thread_pool::serve() noexcept {
  std::unique_lock hold(lock_);
  for (;;) {
    ++idle_threads_;
    work_.wait(hold, [this] { return !jobs_.empty() || closing_; });
    --idle_threads_;
    if (jobs_.empty()) return;
    pool_job& job = *jobs_.front();
    jobs_.pop_front();
    hold.unlock();
    execute(job);
    // The loop outlives its pool, so it takes the job; and closes its inbox only later.
    scheduler_.post_threadsafe(job);
    hold.lock();
  }
}

void thread_pool::join() noexcept {
  {
    const std::lock_guard hold(lock_);
    closing_ = true;
  }
  work_.notify_all();
  for (std::thread& t : threads_) t.join();
  count_pool_threads(-static_cast<int>(threads_.size()));
  threads_.clear();
  closing_ = false;
}

}  // namespace sheaf::runtime
