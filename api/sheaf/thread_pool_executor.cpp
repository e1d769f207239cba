#include <sheaf/exceptions.hpp>
#include <sheaf/thread_pool_executor.hpp>

#include <thread>

namespace sheaf {

namespace {

// A thread cannot join itself: where the last handle goes in a job, another one waits for all.
void end(runtime::thread_pool* pool) {
  if (!pool->is_here()) return delete pool;
  std::thread([pool] { delete pool; }).detach();
}

}  // namespace

thread_pool_executor::thread_pool_executor(std::size_t threads) {
  if (threads == 0) {
    throw invalid_state("thread_pool_executor: it takes at least one thread");
  }
  pool_.reset(new runtime::thread_pool(threads), end);
}

}  // namespace sheaf
