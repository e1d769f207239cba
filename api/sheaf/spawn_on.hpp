#pragma once

#include <sheaf/detail/far_call.hpp>
#include <sheaf/loop.hpp>

#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

template <class T>
inline constexpr bool gives_coro = false;
template <class T>
inline constexpr bool gives_coro<coro<T>> = true;

/// A coro that is there already, in place of a call that makes one.
template <class T>
class given_coro {
 public:
  explicit given_coro(coro<T> c) noexcept : coro_(std::move(c)) {}
  given_coro(given_coro&&) noexcept = default;
  given_coro& operator=(given_coro&&) = delete;
  ~given_coro() { coro_.close(); }  // given over, if in vain: not "never awaited"

  coro<T> operator()() && { return std::move(coro_); }

 private:
  coro<T> coro_;
};

}  // namespace detail

/// Calls `fn(args...)`, which gives a coro, on the thread of `far`, runs that as a task of that
/// loop, and gives its result as a future of the loop that runs here.
///
///     int answer = co_await spawn_on(pool[1], ask, std::string("6 times 7"));
///
/// The future is one like any other: gather(), race(), wait_for() take it. The coroutine's
/// frame is made and destroyed over there.
///
/// Ownership: the far loop owns the task; dropping the future neither stops nor joins it.
/// `fn` and `args` are moved or copied over, and live until the task has ended; what they
/// refer to must outlive it too, and is used by two threads. It runs in a copy of the caller's
/// context.
///
/// Order: calls for one loop begin in the order in which they were made on one thread.
/// Failure: what it throws comes out of the co_await here. Cancelling the future, or who awaits
/// it, cancels the task over there and waits until that has ended, in whatever way: total
/// if it ends cancelled. If `far` is closed first its tasks are cancelled, and what had not
/// begun fails with invalid_state. If the loop here is closed first its future is cancelled;
/// a task over there that somebody awaited is asked to end, any other goes on, and an error
/// that nobody hears is reported there. Throws invalid_state if `far` is closed already, or no
/// loop runs here: run_coroutine_threadsafe() is for a thread without one.
///
/// Thread: that of a running loop. `far` must exist when this is called; after that either of
/// the two may go first. Virtual time stands still here while a call is under way.
/// Cost: three pooled blocks beside the frame; a wake-up of each loop that sleeps.
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...> &&
           detail::gives_coro<detail::spawned_coro<F, Args...>>
auto spawn_on(loop& far, F&& fn, Args&&... args) {
  using result = typename detail::spawned_coro<F, Args...>::value_type;
  auto& home = detail::loop_core::current("spawn_on");
  home.require_open("spawn_on");
  return detail::call_far<result>(home, far.tasks(), {}, std::forward<F>(fn),
                                  std::forward<Args>(args)...);
}

/// The same of a coro. Its frame and its arguments were made here, and are destroyed there.
template <class T>
future<T> spawn_on(loop& far, coro<T> c,
                   std::source_location at = std::source_location::current()) {
  auto& home = detail::loop_core::current("spawn_on");
  home.require_open("spawn_on");
  return detail::call_far<T>(home, far.tasks(), at, detail::given_coro<T>(std::move(c)));
}
template <detail::coro_like A>
auto spawn_on(loop& far, A&& what,
              std::source_location at = std::source_location::current()) {
  return spawn_on(far, detail::to_coro(std::forward<A>(what)), at);
}

}  // namespace sheaf
