#pragma once

#include <sheaf/detail/plain_callback.hpp>
#include <sheaf/detail/thread_call.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace sheaf {

/// Calls `fn(args...)` on a thread of the loop's default executor and gives its result:
/// asyncio's to_thread.
///
///     std::string text = co_await to_thread(read_file, path);
///
/// Function and arguments are copied or moved in, and destroyed on the thread; pass
/// references with std::ref and keep what they refer to until it has ended. It runs in a copy
/// of the caller's context, so that it sees the same context variables.
///
/// Order: calls begin in the order they were made. Failure: what `fn` throws comes out of the
/// await; invalid_state where no loop runs, or once the executor was shut down. Cancelling the
/// future drops the result; a call that has not begun is not made, one under way goes on to its
/// end, and the loop's close waits for it. Cost: a pooled block, a wake-up of a thread or of
/// the loop where that sleeps.
template <class F, class... Args>
  requires detail::plain_callback<std::decay_t<F>, std::decay_t<Args>...>
auto to_thread(F&& fn, Args&&... args) {
  auto& l = detail::loop_core::current("to_thread");
  return detail::call_on(l, l.executor("to_thread"), "to_thread",
                         detail::with_context::yes, std::forward<F>(fn),
                         std::forward<Args>(args)...);
}

}  // namespace sheaf
