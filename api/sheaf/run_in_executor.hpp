#pragma once

#include <sheaf/detail/plain_callback.hpp>
#include <sheaf/detail/thread_call.hpp>
#include <sheaf/thread_pool_executor.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace sheaf {

/// Calls `fn(args...)` on a thread of `executor` and gives its result: asyncio's
/// loop.run_in_executor.
///
///     auto bytes = co_await run_in_executor(disk, read_file, path);
///
/// As to_thread(), but for the executor, and that it brings no context along. Throws
/// invalid_state once the executor was shut down.
template <class F, class... Args>
  requires detail::plain_callback<std::decay_t<F>, std::decay_t<Args>...>
auto run_in_executor(const thread_pool_executor& executor, F&& fn, Args&&... args) {
  auto& l = detail::loop_core::current("run_in_executor");
  return detail::call_on(l, *executor.pool(), "run_in_executor", detail::with_context::no,
                         std::forward<F>(fn), std::forward<Args>(args)...);
}

/// The same on the loop's default executor.
template <class F, class... Args>
  requires detail::plain_callback<std::decay_t<F>, std::decay_t<Args>...>
auto run_in_executor(std::nullptr_t, F&& fn, Args&&... args) {
  auto& l = detail::loop_core::current("run_in_executor");
  return detail::call_on(l, l.executor("run_in_executor"), "run_in_executor",
                         detail::with_context::no, std::forward<F>(fn),
                         std::forward<Args>(args)...);
}

}  // namespace sheaf
