#pragma once

#include <sheaf/detail/submission.hpp>
#include <sheaf/loop.hpp>

#include <future>
#include <source_location>
#include <stop_token>
#include <utility>

namespace sheaf {

/// Runs `c` as a task of `l`, from any other thread, and gives what becomes of it: asyncio's
/// run_coroutine_threadsafe.
///
///     std::future<int> f = run_coroutine_threadsafe(l, ask(42));
///     int answer = f.get();                       // blocks this thread, not the loop
///
/// Ownership: the loop owns the task; dropping the future neither stops nor joins it. What the
/// coroutine refers to must outlive it; its frame dies on the loop's thread. It runs in a copy
/// of the caller's context. The loop must exist when this is called, and until it returns: a
/// thread that may still call joins before the loop is destroyed. One that was closed before
/// throws invalid_state.
///
/// Failure: what the task throws comes out of get(); `cancelled` if it ends cancelled; and
/// invalid_state if the loop is closed before it began. The future is always told.
/// Waiting for it on the loop's own thread waits for ever.
///
/// Thread: any. Cost: two blocks beside the frame, and a wake-up of the loop if that sleeps.
template <class T>
[[nodiscard("its errors are in the future")]] std::future<T> run_coroutine_threadsafe(
    loop& l, coro<T> c, std::stop_token stop,
    std::source_location at = std::source_location::current()) {
  auto* const s = new detail::submission_of<T>(std::move(c), std::move(stop), at);
  std::future<T> result = s->get_future();
  s->post(l.tasks());
  return result;
}

/// The same without a token. With one, a request to stop cancels the task, from any thread and
/// without waiting: a std::future has no cancel() of its own.
///
///     std::stop_source stop;
///     auto f = run_coroutine_threadsafe(l, serve(), stop.get_token());
///     if (f.wait_for(1s) != std::future_status::ready) stop.request_stop();
template <class T>
[[nodiscard("its errors are in the future")]] std::future<T> run_coroutine_threadsafe(
    loop& l, coro<T> c, std::source_location at = std::source_location::current()) {
  return run_coroutine_threadsafe(l, std::move(c), std::stop_token(), at);
}

/// The same of wait_for(...), and of what is awaited in place: q.get(), q.put(x), e.wait().
template <detail::coro_like A>
[[nodiscard("its errors are in the future")]] auto run_coroutine_threadsafe(
    loop& l, A&& what, std::stop_token stop = {},
    std::source_location at = std::source_location::current()) {
  return run_coroutine_threadsafe(l, detail::to_coro(std::forward<A>(what)),
                                  std::move(stop), at);
}

}  // namespace sheaf
