#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/thread_census.hpp>
#include <sheaf/runtime/thread_pool.hpp>

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace sheaf::runtime {

namespace {
constinit thread_local const thread_pool* pool_here = nullptr;
}  // namespace

bool thread_pool::is_here() const noexcept { return pool_here == this; }

std::size_t thread_pool::default_size() noexcept {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  return std::min<std::size_t>(cores + 4, 32);
}

// ---- from a loop's thread --------------------------------------------------------------

void thread_pool::submit(pool_job& job, scheduler& home) {
  job.home_ = &home;
  home.give_job(+1);
  try {
    switch (add(job)) {
      case need::nothing:
        return;
      case need::wake:
        return wake(1);
      case need::thread:
        return start_another();
    }
  } catch (...) {
    home.give_job(-1);
    throw;
  }
}

thread_pool::need thread_pool::add(pool_job& job) {
  const std::lock_guard hold(lock_);
  if (refusing_) throw invalid_state("the executor was shut down");
  if (started_ == 0) start_first();
  job.next_ = nullptr;
  (first_ ? last_->next_ : first_) = &job;
  last_ = &job;
  if (++queued_ <= called_) return need::nothing;
  // Who has been called calls the next of those that sleep.
  if (queued_ > called_ + idle_ && started_ < most_) {
    ++started_;
    ++called_;
    return need::thread;
  }
  return call_one() ? need::wake : need::nothing;
}

void thread_pool::make_thread() {
  const std::lock_guard hold(sleep_lock_);
  threads_.emplace_back([this] { serve(); });
}

// Before its job is in the queue, and under the lock: no job of another loop counts on a thread
// that then cannot be made.
void thread_pool::start_first() {
  make_thread();
  ++started_;
  ++called_;
}

void thread_pool::start_another() noexcept {
  try {
    make_thread();
  } catch (...) {  // those that there are will get to it
    const std::lock_guard hold(lock_);
    --started_;
    --called_;
    if (call_one()) wake(1);
  }
}

void thread_pool::wake(std::size_t n) noexcept {
  {
    const std::lock_guard hold(sleep_lock_);
    calls_ += n;
  }
  n == 1 ? call_.notify_one() : call_.notify_all();
}

// ---- on the threads --------------------------------------------------------------------

thread_pool::finding thread_pool::look(bool was_called) noexcept {
  const std::lock_guard hold(lock_);
  if (was_called) --called_;
  pool_job* const job = first_;
  if (!job) {
    idle_ += !leaving_;
    return {nullptr, false, leaving_};
  }
  first_ = job->next_;
  --queued_;
  return {job, call_one(), false};
}

void thread_pool::wait_for_call() noexcept {
  std::unique_lock hold(sleep_lock_);
  call_.wait(hold, [this] { return calls_ > 0; });
  --calls_;
}

void thread_pool::serve() noexcept {
  pool_here = this;
  count_pool_threads(+1);
  for (bool called = true;;) {
    const auto [job, wake_another, leave] = look(called);
    if (wake_another) wake(1);
    if (leave) return count_pool_threads(-1);
    called = !job;
    if (job) {
      execute(*job);
      // The loop does not close before it has its jobs back, so it takes this one.
      job->home_->post_job(*job);
    } else {
      wait_for_call();
    }
  }
}

void thread_pool::execute_measured(pool_job& job) noexcept {
  pool_job::times* const t = job.times_;
  t->thread = static_cast<std::uint32_t>(gettid());
  t->begin_ns = uv_hrtime();
  job.execute();
  t->end_ns = uv_hrtime();
}

// ---- ending ----------------------------------------------------------------------------

void thread_pool::shut_down() noexcept {
  const std::lock_guard hold(lock_);
  refusing_ = true;
}

void thread_pool::join() noexcept {
  const std::lock_guard one_at_a_time(join_lock_);
  std::size_t sleeping;
  {
    const std::lock_guard hold(lock_);
    leaving_ = true;
    sleeping = std::exchange(idle_, 0);
    called_ += sleeping;
  }
  wake(sleeping);
  std::vector<std::thread> leaving;
  {
    const std::lock_guard hold(sleep_lock_);
    leaving.swap(threads_);
  }
  for (std::thread& t : leaving) t.join();
  const std::lock_guard hold(lock_);
  started_ -= leaving.size();
  leaving_ = false;
}

}  // namespace sheaf::runtime
