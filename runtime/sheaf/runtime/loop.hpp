#pragma once

#include <sheaf/runtime/call.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

struct uv_loop_s;

namespace sheaf {

/// Says that a loop runs inside somebody else's uv_loop_t.
struct borrowed_t {
  explicit borrowed_t() = default;
};
inline constexpr borrowed_t borrowed{};

}  // namespace sheaf

namespace sheaf::runtime {

namespace detail {
class descriptor_table;
class signal_table;
}  // namespace detail

/// A uv_loop_t with one FIFO queue of callbacks and one wheel of deadlines.
///
/// Owns its uv_loop_t, or borrows the host's: then it never stops, closes or configures it,
/// and keeps it alive only while it has something to do. Handles and futures may outlive a
/// loop; they then refuse, they do not dangle.
///
/// Order: as asyncio's, all callbacks go through one queue, and those queued by a callback
/// run in the next batch. Unlike asyncio several batches may run between two polls, within
/// set_budget(); callbacks of equal deadlines run in the order they were armed.
/// Failure: an exception that leaves a callback goes to the exception handler.
/// Thread: everything belongs to the thread that runs the loop, but call_soon_threadsafe().
class loop {
 public:
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::steady_clock::time_point;
  using place = std::source_location;

  /// Throws uv_error if the system has no descriptors left.
  loop() : loop(clock_kind::real) {}
  explicit loop(clock_kind clock);
  /// Runs inside `host`, which must outlive this and must be run, or be closed only after a
  /// further turn, for libuv to give its handles back.
  loop(uv_loop_s* host, borrowed_t);
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;
  /// Closes. From a callback of this very loop that is a misuse, which ends the program.
  ~loop();

  /// The loop that runs on this thread; throws invalid_state if none does. It is never made
  /// for you.
  static loop& current();
  static bool has_current() noexcept { return scheduler::current() != nullptr; }

  /// Runs `f()` in the next batch, after all that was queued before. Cost: one pooled block.
  /// Reports of it name `at`.
  template <std::invocable F>
  call_handle call_soon(F&& f, place at = place::current()) {
    scheduler_->require_open("call_soon");
    auto node = make_call<detail::known_place>(false, std::forward<F>(f), at);
    scheduler_->post(*node);
    return call_handle(std::move(node));
  }

  /// Runs `f()` once, not earlier than `delay` from now; zero or less is the next batch.
  template <std::invocable F>
  timer_handle call_later(duration delay, F&& f, place at = place::current()) {
    scheduler_->require_open("call_later");
    return arm(std::forward<F>(f), scheduler_->after(delay.count()), at);
  }

  /// Runs `f()` once, not earlier than `when` of time().
  template <std::invocable F>
  timer_handle call_at(time_point when, F&& f, place at = place::current()) {
    scheduler_->require_open("call_at");
    return arm(std::forward<F>(f), to_ns(when), at);
  }

  /// call_soon() for any thread; wakes the loop. The callable is destroyed on the loop's
  /// thread, or by cancel(). Throws invalid_state when the loop is closed. The loop must exist
  /// until `f` runs or this returns, whichever is first: destroy it when `f` has told you that
  /// no more comes, or when the threads that call are joined.
  /// Cost: a pooled block and a short lock; a system call only if the loop sleeps. From a
  /// stream of calls the loop takes what has come every 2 us.
  template <std::invocable F>
  call_handle call_soon_threadsafe(F&& f, place at = place::current()) {
    auto node = scheduler_->observed()
                    ? make_call<detail::known_place>(true, std::forward<F>(f), at)
                    : make_call<detail::no_place>(true, std::forward<F>(f), at);
    post_threadsafe(*node);
    return call_handle(std::move(node));
  }

  /// Runs `f()` in a batch after each poll that finds `descriptor` readable, until
  /// remove_reader(); one registered before is replaced. Borrows the descriptor: remove it
  /// before you close that. Throws uv_error for what cannot be polled, such as a file.
  void add_reader(int descriptor, unique_function<void()> f);
  /// The same for writing, independent of the reader.
  void add_writer(int descriptor, unique_function<void()> f);
  /// `f` is not called after this returns; false if there was none, or the loop is closed.
  bool remove_reader(int descriptor) noexcept;
  bool remove_writer(int descriptor) noexcept;

  /// Runs `f()` in a batch after the process got `signum`, until it is removed; one registered
  /// before is replaced. Signals that come before it ran are one. It keeps the loop running,
  /// but not one on virtual or manual time.
  /// Any thread's loop may; asyncio wants the main thread. Throws std::invalid_argument for
  /// what is no signal, and uv_error for one that cannot be caught.
  void add_signal_handler(int signum, unique_function<void()> f);
  /// `f` is not called after this returns; false if there was none. The default is restored,
  /// whatever was set before, unless another loop of the process handles it too.
  bool remove_signal_handler(int signum) noexcept;
  bool has_signal_handler(int signum) const noexcept;

  /// The loop's clock, read now; it never goes backwards.
  time_point time() const noexcept { return to_time(scheduler_->now()); }
  /// Moves a manual clock.
  void advance(duration by) { scheduler_->advance(by); }

  /// Runs until stop(), or until nothing is left that could happen. Rethrows a system_exit,
  /// or keyboard_interrupt.
  void run_forever();
  /// Lets the batch under way finish, then run_forever() returns. Called before it, the next
  /// run_forever() runs one batch. What is queued stays queued.
  void stop();
  /// One turn that does not block; true while there is more to come. For tests.
  bool turn() { return scheduler_->turn(); }

  /// For a host that has a loop of its own and only waits for descriptors, with poll(2) or
  /// what it has: one that is readable while this loop has something to do. The host then
  /// calls run_ready(). Nothing else than waiting may be done with it, and it must be taken out
  /// of the host's set before the loop is closed, which closes it.
  ///
  /// What is queued, armed or begun through sheaf between two turns, or by another thread,
  /// makes it readable; what is begun by functions of libuv's own does at the next call of
  /// this, so call it before each wait if you do that. Timers are libuv's: up to 1 ms late.
  /// Failure: uv_error, ENOTSUP where there is no timerfd (all but Linux), EMFILE;
  /// invalid_state if the loop is borrowed, or its clock is not the real one.
  /// Cost: two descriptors for the loop's life, and two system calls a turn.
  int poll_fd() { return scheduler_->poll_fd(); }
  /// Runs what is ready and one poll that does not block. False when nothing is left that
  /// could still happen by itself. Errors of callbacks, a system_exit too, are reported.
  bool run_ready() { return scheduler_->run_ready(); }

  /// Ends what runs here, drops what is queued, closes all handles. Idempotent; an error
  /// (invalid_state) while the loop runs. Afterwards all calls but this are errors.
  void close() { scheduler_->close(); }
  bool is_closed() const noexcept { return scheduler_->closed(); }
  bool is_running() const noexcept { return scheduler_->running(); }

  /// Takes the place of the default, which prints one line to stderr; an empty one restores
  /// it. What the handler throws is printed, with the error it was called for.
  void set_exception_handler(exception_handler f) {
    scheduler_->handler() = std::move(f);
  }
  template <class F>
    requires std::invocable<F&, loop&, const exception_context&>
  void set_exception_handler(F f) {
    scheduler_->handler() = [this, f](const exception_context& c) mutable {
      f(*this, c);
    };
  }
  const exception_handler& get_exception_handler() const noexcept {
    return scheduler_->handler();
  }
  /// Reports so far, so that a test can claim there were none.
  std::uint64_t exceptions_reported() const noexcept { return scheduler_->reports(); }
  /// Sends a report of your own to the handler.
  void call_exception_handler(const exception_context& c) noexcept {
    scheduler_->report(c);
  }

  /// asyncio's debug mode: reports what is no error yet, and throws invalid_state from calls
  /// that only the loop's thread may make, while another one runs it. On at first if
  /// SHEAF_DEBUG is set to anything but "" or "0".
  void set_debug(bool on) noexcept { scheduler_->set_debug(on); }
  bool get_debug() const noexcept { return scheduler_->debug(); }

  /// A step of a task or a callback that holds the loop for `limit` or longer is reported;
  /// duration::max() reports none. Without this call 100 ms in debug mode, else none. In real
  /// time on every clock. Cost: two looks at the clock for each step.
  void slow_callback_duration(duration limit) noexcept { scheduler_->set_slow(limit); }
  duration slow_callback_duration() const noexcept { return scheduler_->slow(); }

  /// How long callbacks may run between two polls; {1, 0ns} polls after each batch.
  void set_budget(batch_budget b) noexcept { scheduler_->set_budget(b); }
  std::uint64_t ticks() const noexcept { return scheduler_->ticks(); }

  /// For libuv's own functions. On a borrowed loop, the host's.
  uv_loop_s* uv() const noexcept { return scheduler_->uv(); }

  /// What the wrappers of handles and the layer above build on.
  scheduler& core() const noexcept { return *scheduler_; }

 protected:
  explicit loop(intrusive_ptr<scheduler> s) noexcept;

 private:
  using call_ref = intrusive_ptr<detail::call_node>;
  template <class Place, class F>
  static call_ref make_call(bool threadsafe, F&& f, place at) {
    using node = detail::call_of<std::decay_t<F>, false, Place>;
    return call_ref::adopt(new node(threadsafe, at, std::forward<F>(f)));
  }
  template <class F>
  timer_handle arm(F&& f, std::uint64_t deadline, place at) {
    using node = detail::call_of<std::decay_t<F>, true, detail::known_place>;
    auto* const made = new node(false, at, std::forward<F>(f));
    made->arm(*scheduler_, deadline);
    return {call_ref::adopt(made), to_time(deadline)};
  }
  void post_threadsafe(detail::call_node& node);

  static time_point to_time(std::uint64_t ns) noexcept {
    return time_point(duration(static_cast<std::int64_t>(ns)));
  }
  static std::uint64_t to_ns(time_point t) noexcept {
    const auto ns = std::chrono::duration_cast<duration>(t.time_since_epoch()).count();
    return ns > 0 ? static_cast<std::uint64_t>(ns) : 0;
  }

  intrusive_ptr<scheduler> scheduler_;
  std::unique_ptr<detail::descriptor_table> descriptors_;
  std::unique_ptr<detail::signal_table> signals_;
};

}  // namespace sheaf::runtime
