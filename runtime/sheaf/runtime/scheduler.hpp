#pragma once

#include <sheaf/runtime/batch_budget.hpp>
#include <sheaf/runtime/clock_kind.hpp>
#include <sheaf/runtime/current_scope.hpp>
#include <sheaf/runtime/debug_mode.hpp>
#include <sheaf/runtime/exception_context.hpp>
#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/handle_link.hpp>
#include <sheaf/runtime/inbox.hpp>
#include <sheaf/runtime/ready_queue.hpp>
#include <sheaf/runtime/schedule.hpp>
#include <sheaf/runtime/timing_wheel.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

struct uv_loop_s;

namespace sheaf::runtime {

class loop;
class scheduler;
class trace_recorder;

namespace detail {
struct loop_handles;
class wake_descriptor;
}  // namespace detail

/// The heart of a loop: the ready queue, the timing wheel, the clock, and the three libuv
/// handles that drive them (an idle, a timer, an async).
///
/// Lives on the heap and is counted, since a future may be kept longer than its loop: what
/// then asks it for work gets an error, not a dangling pointer. The owner is `loop`.
///
/// Order: one FIFO queue for all; one batch is what was ready when it began. Timers that are
/// due are queued before a batch is cut. Thread: its loop's, but for post_threadsafe().
class scheduler {
 public:
  /// Runs in `host`, or in a libuv loop of its own if that is null.
  scheduler(uv_loop_s* host, clock_kind clock, const void* layer = nullptr);
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// The one that runs on this thread now, or null.
  static scheduler* current() noexcept { return detail::this_thread_scheduler; }

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  /// Queues `n` for the next batch.
  void post(ready_node& n) noexcept {
    ready_.push(n);
    if (!awake_) [[unlikely]]
      wake();
  }

  /// It dies ahead of its turn, as it may under a schedule alone: nothing runs in its place.
  void forget(const ready_node& n) noexcept { ready_.forget(n); }

  /// A closed loop drops what is posted, at once; while held, when it is let go. For who must
  /// not be interrupted by the destructors of foreign code.
  void hold_drops() noexcept { ++drops_held_; }
  void let_drop() noexcept {
    if (--drops_held_ == 0 && closed_) drop_queued();
  }

  /// Queues `n` from any thread; false when the loop is closed. A call whose node has
  /// arrived does not touch the loop any more: it may be destroyed.
  bool post_threadsafe(ready_node& n) { return inbox_->put(n); }
  /// The same for a job that a thread pool has done.
  bool post_job(ready_node& n) { return inbox_->put(n, true); }
  /// Where they go: for who may have something for this loop when that is gone.
  const std::shared_ptr<inbox>& mail() const noexcept { return inbox_; }

  void arm(timer_node& n, std::uint64_t deadline_ns) noexcept {
    wheel_.arm(n, deadline_ns);
    if (tells_timers_) [[unlikely]]
      armed(n, deadline_ns);
  }
  void disarm(timer_node& n) noexcept {
    wheel_.remove(n);
    if (tells_timers_) [[unlikely]]
      disarmed(n);
  }
  /// `delay_ns` from now; what is not positive is due in the next batch.
  void arm_after(timer_node& n, std::int64_t delay_ns) noexcept {
    arm(n, after(delay_ns));
  }
  std::uint64_t after(std::int64_t delay_ns) const noexcept;

  /// Nanoseconds of the loop's clock, read now.
  std::uint64_t now() const noexcept;
  /// The same as last looked at, for free: a batch or two ago at most while the loop runs.
  std::uint64_t batch_time() const noexcept { return batch_now_; }
  clock_kind clock() const noexcept { return clock_; }
  void advance(std::chrono::nanoseconds by);  // of a manual clock

  enum class end { stopped, blocked };
  end drive();  ///< until stop(), or nothing can happen any more; rethrows a system_exit
  /// Runs what can run now and polls once without blocking; true while more is to come.
  bool turn();
  /// The same for a host that polls poll_fd(), or none.
  bool run_ready();
  int poll_fd();
  /// Something was given to libuv, which tells the system in the next turn.
  void touched() noexcept {
    if (waker_) [[unlikely]]
      show_ready();
  }
  void stop() noexcept;
  void close();

  bool running() const noexcept { return running_; }
  bool closed() const noexcept { return closed_; }
  bool borrowed() const noexcept { return borrowed_; }
  uv_loop_s* uv() const noexcept { return uv_; }
  void set_budget(batch_budget b) noexcept { budget_ = b; }
  /// Lets `s` order each batch from now on; null for first in, first out.
  void set_schedule(std::unique_ptr<schedule> s) noexcept { schedule_ = std::move(s); }
  std::unique_ptr<schedule> take_schedule() noexcept { return std::move(schedule_); }
  /// Batches run so far.
  std::uint64_t ticks() const noexcept { return ticks_; }
  std::size_t timers() const noexcept { return wheel_.size(); }
  std::uint64_t next_deadline() const noexcept { return wheel_.earliest(); }

  /// Throws invalid_state once closed, and in debug mode where another thread runs the loop;
  /// `what` is the call that was made.
  void require_open(const char* what) const {
    if (guarded_) [[unlikely]]
      refuse(what, true);
  }
  /// The same without the first: for what a closed loop still allows.
  void require_thread(const char* what) const {
    if (guarded_) [[unlikely]]
      refuse(what, false);
  }

  /// An exception left a callback, which was made at `at`: what leaves_run() leaves run(), all
  /// else is reported.
  void fail(const char* what, std::exception_ptr e,
            std::source_location at = {}) noexcept;

  /// A handle's close callback is awaited (+1), or has come (-1).
  void closing_handle(int change) noexcept { closing_handles_ += change; }
  /// Registers a handle to be closed with the loop.
  void add(detail::handle_link& h) noexcept;

  /// Ends run() at once with `e`: the rest of the batch stays queued.
  void leave_with(std::exception_ptr e) noexcept;

  /// To the handler, or to stderr. An error in the handler goes to stderr, with the first.
  void report(const exception_context& what) noexcept;
  exception_handler& handler() noexcept { return handler_; }
  std::uint64_t reports() const noexcept { return reports_; }

  /// Another thread has (+1), or had (-1), something for this loop, which waits for it.
  void expect_threads(int change) noexcept {
    const auto before = std::exchange(expected_threads_, expected_threads_ + change);
    if (before == 0 || expected_threads_ == 0) stay_for_threads(before == 0);
  }
  /// A job was given (+1), or taken back before it was done.
  void give_job(int change) noexcept {
    jobs_given_ += static_cast<std::uint64_t>(change);
    expect_threads(change);
  }

  /// Marks a scheduler that a layer above has derived from; null for the runtime's own.
  const void* layer() const noexcept { return layer_; }

  /// The loop object that owns this; null once that is gone.
  loop* facade() const noexcept { return facade_; }
  void set_facade(loop* l) noexcept { facade_ = l; }

  trace_recorder* trace() const noexcept { return trace_; }
  void set_trace(trace_recorder* t) noexcept {
    trace_ = t;
    set_draining(draining_);
    weigh();
  }

  /// For the trace: the task that runs, or 0.
  virtual std::uint64_t running_task() const noexcept { return 0; }

  bool debug() const noexcept { return debug_.on(); }
  void set_debug(bool on) noexcept {
    debug_.set(on);
    weigh();
  }
  /// From how long on a step or callback is reported, by the real clock.
  debug_mode::duration slow() const noexcept { return debug_.slow(); }
  void set_slow(debug_mode::duration d) noexcept {
    debug_.set_slow(d);
    weigh();
  }
  bool times_steps() const noexcept { return debug_.times_steps(); }
  /// Whether steps are to be traced or timed: one branch for both while neither is on.
  bool observed() const noexcept { return observed_.load(std::memory_order_relaxed); }
  /// uv_hrtime, whatever the loop's own clock is.
  static std::uint64_t real_now() noexcept;

 protected:
  virtual ~scheduler();

  /// First thing of close(), while the loop still works: end what runs on it.
  virtual void end_activities() noexcept {}
  /// Then, when nothing is queued and nothing can be any more: destroy what did not end.
  virtual void abandon_activities() noexcept {}
  bool expects_threads() const noexcept { return expected_threads_ > 0; }
  /// One turn that may block in the poll; false when nothing can happen any more.
  bool blocking_turn() noexcept;
  /// Blocks until all jobs of this loop are in its inbox. For a loop that cannot be run.
  void wait_for_jobs() noexcept;

 private:
  friend struct detail::loop_handles;
  void refuse(const char* what, bool if_closed) const;
  void weigh() noexcept {
    observed_.store(trace_ != nullptr || debug_.times_steps(), std::memory_order_relaxed);
    guarded_ = closed_ || debug_.on();
  }
  void wake() noexcept;
  void show_next() noexcept;
  void show_ready() noexcept;
  void close_poll_fd() noexcept;
  void drain() noexcept;
  bool over_budget(std::size_t from, std::uint64_t until) noexcept;
  void rearm() noexcept;
  bool take_inbox() noexcept;
  bool jump() noexcept;
  bool wait_for_threads() noexcept;
  void run_uv() noexcept;
  void drop_queued() noexcept;
  void on_timer() noexcept;
  void set_draining(bool on) noexcept {
    draining_ = on;
    tells_timers_ = !on || trace_ != nullptr;
  }
  void stay_for_threads(bool on) noexcept;
  void armed(const timer_node& n, std::uint64_t deadline_ns) noexcept;
  void disarmed(const timer_node& n) noexcept;
  void expire() noexcept;
  void trace_turn() noexcept;
  void trace_counters() noexcept;
  void trace_idle(std::uint64_t since) noexcept;

  // Hot: touched by every resume.
  ready_queue ready_;
  trace_recorder* trace_ = nullptr;
  std::uint64_t batch_now_ = 0;  // the time that due timers are measured against
  std::size_t resumed_ = 0;
  std::size_t looked_ = 0;   // resumed_ when the clock was last read
  std::size_t look_at_ = 0;  // and when it is read next, and the budget looked at
  std::uint64_t ticks_ = 0;
  clock_kind clock_;
  bool awake_ = false;        // the idle handle is on
  bool draining_ = false;     // inside drain(), which re-arms the timer at its end
  bool tells_timers_ = true;  // outside of drain(), or traced
  bool leaving_ = false;      // leave_with() was called
  bool stop_ = false;
  bool running_ = false;
  bool closed_ = false;
  bool borrowed_;
  std::atomic<bool> observed_{false};  // any thread may look; steps are traced or timed
  bool guarded_ = false;               // closed, or in debug mode: calls are looked at

  std::uint64_t references_ = 1;
  std::uint64_t fake_now_;
  std::uint64_t armed_ = timing_wheel::never;  // what the uv_timer_t is set to
  batch_budget budget_;
  std::unique_ptr<schedule> schedule_;
  timing_wheel wheel_;
  detail::loop_handles* handles_;
  uv_loop_s* uv_;
  loop* facade_ = nullptr;
  const void* layer_;
  std::exception_ptr leave_with_;
  exception_handler handler_;
  std::uint64_t reports_ = 0;
  int expected_threads_ = 0;
  std::uint64_t jobs_given_ = 0;
  int drops_held_ = 0;
  int closing_handles_ = 0;
  debug_mode debug_;
  detail::handle_list open_handles_;
  std::unique_ptr<detail::wake_descriptor> waker_;  // null unless poll_fd() was called

  const std::shared_ptr<inbox> inbox_ = std::make_shared<inbox>();
  std::size_t received_ = 0;  // from it, since frames were shared
};

}  // namespace sheaf::runtime
