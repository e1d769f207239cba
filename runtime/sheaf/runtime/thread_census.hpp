#pragma once

namespace sheaf::runtime {

/// Whether this process has a thread, besides the calling one, that could call into a loop.
///
/// Threads that only run jobs for us (libuv's pool, ours) do not count: a job under way
/// keeps its loop waiting by itself. Where threads cannot be counted the answer is yes.
/// Cost: it reads a directory; asked only when a loop has nothing left to do.
bool other_threads_exist() noexcept;

/// Something was given to libuv's pool, which has its threads from then on: four, or as many
/// as UV_THREADPOOL_SIZE says. They are known only if the pool was first used through us.
void count_libuv_threads() noexcept;

/// A pool of ours has started (+) or joined (-) `change` threads.
void count_pool_threads(int change) noexcept;

}  // namespace sheaf::runtime
