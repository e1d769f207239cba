#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/detail/wake_descriptor.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/spin_pause.hpp>
#include <sheaf/runtime/thread_census.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <algorithm>
#include <cassert>
#include <string>
#include <thread>

namespace sheaf::runtime {

namespace detail {

constinit thread_local scheduler* this_thread_scheduler = nullptr;

/// What libuv holds of a scheduler. Outlives it: freed by the last of the close callbacks.
struct loop_handles {
  uv_loop_t own;
  uv_idle_t idle;
  uv_timer_t timer;
  uv_async_t async;
  scheduler* owner;
  int open = 0;

  static loop_handles& of(void* handle) {
    return *static_cast<loop_handles*>(static_cast<uv_handle_t*>(handle)->data);
  }

  static void on_idle(uv_idle_t* h) { of(h).owner->drain(); }
  static void on_timer(uv_timer_t* h) { of(h).owner->on_timer(); }
  static void on_async(uv_async_t* h) { of(h).owner->take_inbox(); }
  static void on_closed(uv_handle_t* h) {
    loop_handles& self = of(h);
    if (--self.open == 0 && self.owner == nullptr) delete &self;
  }

  void init(uv_loop_t* loop) {
    checked(uv_async_init(loop, &async, on_async), "uv_async_init");
    uv_idle_init(loop, &idle);
    uv_timer_init(loop, &timer);
    idle.data = timer.data = async.data = this;
    // A message from another thread may come at any time: waiting for one must not keep a
    // loop alive that has nothing else to do.
    uv_unref(reinterpret_cast<uv_handle_t*>(&async));
    open = 3;
  }

  void close() {
    for (uv_handle_t* h :
         {reinterpret_cast<uv_handle_t*>(&idle), reinterpret_cast<uv_handle_t*>(&timer),
          reinterpret_cast<uv_handle_t*>(&async)}) {
      uv_close(h, on_closed);
    }
  }
};

}  // namespace detail

namespace {

constexpr std::uint64_t ms = 1'000'000;
// A virtual clock starts at the same time in each run, so that traces of equal runs are equal;
// at a day, so that there is a past for negative delays.
constexpr std::uint64_t virtual_start = 86'400'000'000'000;
constexpr std::uint64_t recount_ms = 50;  // while only other threads can wake the loop
constexpr std::size_t share_every = 256;  // nodes from other threads
constexpr std::size_t clock_every = 64;   // resumes between two looks at the clock
constexpr std::size_t stream = 32;        // so many in a turn, and already more
constexpr std::uint64_t gather_ns = 2'000;

void spin_until(std::uint64_t real_ns) noexcept {
  while (uv_hrtime() < real_ns) spin_pause();
}

}  // namespace

scheduler::scheduler(uv_loop_s* host, clock_kind clock, const void* layer)
    : clock_(clock), borrowed_(host != nullptr), fake_now_(virtual_start), layer_(layer) {
  auto handles = std::make_unique<detail::loop_handles>();
  handles->owner = this;
  uv_ = borrowed_ ? host : &handles->own;
  if (!borrowed_) checked(uv_loop_init(uv_), "uv_loop_init");
  try {
    handles->init(uv_);
  } catch (...) {
    if (!borrowed_) uv_loop_close(uv_);
    throw;
  }
  handles_ = handles.release();
  // Under the inbox's lock: the handle cannot be closed in between.
  const auto wake = [](void* async) noexcept {
    uv_async_send(static_cast<uv_async_t*>(async));
  };
  inbox_->wakes_by(wake, &handles_->async);
  batch_now_ = now();
  wheel_.expire(batch_now_, ready_);  // nothing is due, but its slots count from now
  weigh();
}

scheduler::~scheduler() {
  assert(closed_ && "a scheduler is closed by the loop that owns it");
}

std::uint64_t scheduler::now() const noexcept {
  return clock_ == clock_kind::real ? uv_hrtime() : fake_now_;
}

std::uint64_t scheduler::real_now() noexcept { return uv_hrtime(); }

std::uint64_t scheduler::after(std::int64_t delay_ns) const noexcept {
  // Measured from the time that the next batch looks at, so that it is due there.
  const std::uint64_t from = delay_ns > 0 ? now() : batch_now_;
  if (delay_ns >= 0) {
    const auto d = static_cast<std::uint64_t>(delay_ns);
    return from > timing_wheel::never - 1 - d ? timing_wheel::never - 1 : from + d;
  }
  const std::uint64_t back = ~static_cast<std::uint64_t>(delay_ns) + 1;
  return back < from ? from - back : 0;
}

void scheduler::advance(std::chrono::nanoseconds by) {
  if (clock_ != clock_kind::manual) {
    throw invalid_state("advance: only a manual clock is moved by hand");
  }
  const std::uint64_t before = fake_now_;
  fake_now_ +=
      static_cast<std::uint64_t>(std::max(by, std::chrono::nanoseconds::zero()).count());
  if (!current()) trace_idle(before);
  if (wheel_.earliest() <= fake_now_ && !awake_ && !closed_) wake();
}

void scheduler::wake() noexcept {
  if (closed_) {
    if (drops_held_ == 0) drop_queued();
    return;
  }
  awake_ = true;
  touched();
  uv_idle_start(&handles_->idle, detail::loop_handles::on_idle);
}

// After 1, 2, 4 ... 64 resumes: a turn of slow steps is noticed early, one of quick steps
// reads the clock rarely.
bool scheduler::over_budget(std::size_t from, std::uint64_t until) noexcept {
  const std::size_t done = resumed_ - from;
  if (done >= budget_.resumes) return true;
  const std::size_t stride = std::min(2 * (look_at_ - looked_), clock_every);
  looked_ = resumed_;
  look_at_ = resumed_ + std::clamp<std::size_t>(stride, 1, budget_.resumes - done);
  const std::uint64_t real_now = uv_hrtime();
  batch_now_ = clock_ == clock_kind::real ? real_now : fake_now_;
  return real_now >= until;
}

// One turn of the ready queue: batches until it is empty or the budget is spent.
void scheduler::drain() noexcept {
  if (leaving_)
    return;  // a system_exit came from a handle's callback earlier in this turn
  const detail::current_scope now_running(*this);
  if (borrowed_) debug_.enter();
  set_draining(true);
  const std::size_t from = resumed_;
  looked_ = from;
  look_at_ = budget_.time.count() == 0 ? from : from + 1;
  const std::uint64_t real_now = uv_hrtime();
  batch_now_ = clock_ == clock_kind::real ? real_now : fake_now_;
  const std::uint64_t until = real_now + static_cast<std::uint64_t>(budget_.time.count());
  if (tracing(*this)) [[unlikely]]
    trace_turn();
  do {
    if (wheel_.earliest() <= batch_now_) expire();
    if (schedule_) [[unlikely]] {
      ready_.arrange(*schedule_);
      if (leaving_) {  // it found that this is not the run it was made for
        ready_.put_off();
        break;
      }
    }
    resumed_ += ready_.run_batch(leaving_);
    ++ticks_;
    // Else after the next poll: taking each message as it comes would pass the inbox to and
    // fro between two processors for each.
    if (!ready_.empty() && inbox_->some()) take_inbox();
  } while (!ready_.empty() && !stop_ && !leaving_ &&
           (resumed_ < look_at_ || !over_budget(from, until)));
  if (clock_ != clock_kind::real)
    batch_now_ = fake_now_;  // advance() was called meanwhile
  // What is due by now is left to the next turn: the poll's callbacks come before it (LOOP-5).
  const bool due = wheel_.earliest() <= batch_now_;
  if (!due) wheel_.expire(batch_now_, ready_);  // queues nothing, but moves the wheel on
  set_draining(false);
  if (tracing(*this)) [[unlikely]]
    trace_counters();
  if (closed_) return;
  const bool idle = ready_.empty() && !due;
  // A thread that posts all the time would be met for each dozen of its calls. The lines that
  // both write cost more by that than the calls: leave them to it for a moment.
  if (idle && resumed_ - from >= stream && inbox_->some())
    spin_until(real_now + gather_ns);
  // Who posts from now on wakes the loop: it must not fall asleep over what came just before.
  if (idle && inbox_->sleep()) {
    awake_ = false;
    uv_idle_stop(&handles_->idle);
  } else if (inbox_->some()) {
    take_inbox();
  }
  rearm();
}

// The one uv_timer_t stands at the earliest deadline, in libuv's milliseconds and rounded up:
// it may fire late, or once for nothing if that deadline was removed, never early.
void scheduler::rearm() noexcept {
  if (clock_ != clock_kind::real || closed_) return;
  const std::uint64_t next = wheel_.earliest();
  if (next == armed_) return;
  armed_ = next;
  touched();
  if (next == timing_wheel::never) {
    uv_timer_stop(&handles_->timer);
    return;
  }
  const std::uint64_t due = next / ms + (next % ms != 0);
  const std::uint64_t base = uv_now(uv_);
  uv_timer_start(&handles_->timer, detail::loop_handles::on_timer,
                 due > base ? due - base : 0, 0);
}

void scheduler::on_timer() noexcept {
  armed_ = timing_wheel::never;
  if (!awake_) wake();  // drain() looks at the wheel; it re-arms if nothing was due yet
}

bool scheduler::take_inbox() noexcept {
  const std::size_t n = inbox_->take([this](ready_node& node) { post(node); });
  received_ += n;
  if (received_ >= share_every) {  // the frames that come this way are freed here
    received_ = 0;
    frame_pool::share();
  }
  return n != 0;
}

void scheduler::wait_for_jobs() noexcept {
  constexpr std::chrono::microseconds nap(50);
  while (inbox_->jobs() != jobs_given_) std::this_thread::sleep_for(nap);
}

void scheduler::stay_for_threads(bool on) noexcept {
  if (closed_) return;
  auto* const h = reinterpret_cast<uv_handle_t*>(&handles_->async);
  on ? uv_ref(h) : uv_unref(h);
}

void scheduler::refuse(const char* what, bool if_closed) const {
  if (closed_ && if_closed)
    throw invalid_state(std::string(what) + ": the loop is closed");
  if (closed_ || !debug_.on() || debug_.runs_here()) return;
  throw invalid_state(std::string(what) +
                      ": another thread runs this loop; hand the call over with "
                      "call_soon_threadsafe, which any thread may call");
}

void scheduler::leave_with(std::exception_ptr e) noexcept {
  leave_with_ = std::move(e);
  leaving_ = true;
  stop();
}

void scheduler::fail(const char* what, std::exception_ptr e,
                     std::source_location at) noexcept {
  if (running_ && leaves_run(e)) return leave_with(std::move(e));
  report({.message = std::string("exception in ") + what,
          .exception = std::move(e),
          .created_at = at});
}

void scheduler::report(const exception_context& what) noexcept {
  ++reports_;
  if (!handler_) return print_report(what);
  try {
    const exception_handler keep = handler_;  // it may replace itself
    keep(what);
  } catch (...) {
    exception_context broken = what;
    broken.message = "error in the exception handler (" +
                     describe(std::current_exception()) +
                     ") while it handled: " + what.message;
    print_report(broken);
  }
}

void scheduler::add(detail::handle_link& h) noexcept {
  h.prev_ = open_handles_.prev_;
  h.next_ = &open_handles_;
  open_handles_.prev_->next_ = &h;
  open_handles_.prev_ = &h;
}

// ---- running and closing -------------------------------------------------------------

void scheduler::run_uv() noexcept {
  // A stop() made before the run asks for one turn that does not block.
  uv_run(uv_, stop_ ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
}

bool scheduler::jump() noexcept {
  const std::uint64_t next = wheel_.earliest();
  if (clock_ != clock_kind::virtual_ || next == timing_wheel::never) return false;
  const std::uint64_t before = std::exchange(fake_now_, std::max(fake_now_, next));
  trace_idle(before);
  if (!awake_) wake();
  return true;
}

// A thread may end without a word, so they are counted again now and then. The timer is free
// for that: with a deadline in the wheel libuv would not have come to rest.
bool scheduler::wait_for_threads() noexcept {
  if (!other_threads_exist()) return false;
  auto* const h = reinterpret_cast<uv_handle_t*>(&handles_->async);
  uv_ref(h);
  uv_timer_start(&handles_->timer, [](uv_timer_t*) {}, recount_ms, 0);
  uv_run(uv_, UV_RUN_ONCE);
  uv_timer_stop(&handles_->timer);
  armed_ = timing_wheel::never;
  rearm();  // to what was armed meanwhile
  if (expected_threads_ == 0) uv_unref(h);
  return true;
}

scheduler::end scheduler::drive() {
  if (borrowed_) throw invalid_state("run: a borrowed loop is run by its host");
  if (running_ || current()) throw invalid_state("run: a loop is already running here");
  require_open("run");
  struct here {
    scheduler& s;
    ~here() {
      s.running_ = false;
      s.debug_.leave();
      s.show_next();
    }
  };
  const here runs{*this};
  running_ = true;
  debug_.enter();
  const detail::current_scope now_running(*this);
  end how = end::stopped;
  const bool stop_was_asked = stop_;
  take_inbox();  // libuv does not poll for a loop that has nothing else to do
  do {
    run_uv();
    if (stop_ || stop_was_asked) break;
    // Looked at again at the end: a thread may have called, and ended, since the last poll.
    if (take_inbox() || jump() || wait_for_threads() || take_inbox()) continue;
    how = end::blocked;
  } while (!stop_ && how != end::blocked);
  stop_ = false;
  if (leaving_) {
    leaving_ = false;
    std::rethrow_exception(std::exchange(leave_with_, nullptr));
  }
  return how;
}

bool scheduler::turn() {
  if (borrowed_) throw invalid_state("turn: a borrowed loop is run by its host");
  if (running_ || current()) throw invalid_state("turn: a loop is already running here");
  require_open("turn");
  bool more = false;
  {
    const detail::current_scope now_running(*this);
    take_inbox();  // libuv does not poll for a loop that has nothing else to do
    more = uv_run(uv_, UV_RUN_NOWAIT) != 0 || jump();
  }
  show_next();
  return more;
}

bool scheduler::blocking_turn() noexcept {
  const detail::current_scope now_running(*this);
  return uv_run(uv_, UV_RUN_ONCE) != 0 || jump();
}

void scheduler::stop() noexcept {
  stop_ = true;
  if (running_) uv_stop(uv_);
}

// What is dropped may post: that is dropped here too, not from inside.
void scheduler::drop_queued() noexcept {
  ++drops_held_;
  while (ready_node* const n = ready_.pop()) n->drop();
  --drops_held_;
}

void scheduler::close() {
  if (closed_) return;
  if (running_ || draining_ || current() == this) {
    throw invalid_state("close: the loop is running");
  }
  close_poll_fd();
  end_activities();
  inbox_->close();
  take_inbox();
  closed_ = true;  // from here on what is posted is dropped at once
  weigh();
  awake_ = false;
  drop_queued();
  abandon_activities();
  wheel_.expire(timing_wheel::never, ready_);
  drop_queued();
  while (open_handles_.next_ != &open_handles_) open_handles_.next_->close();
  handles_->close();
  detail::loop_handles* const handles = std::exchange(handles_, nullptr);
  if (borrowed_) {
    handles->owner = nullptr;
    return;
  }
  // Only until ours are closed: a handle of the user's may be active for ever.
  while (handles->open > 0 || closing_handles_ > 0) uv_run(uv_, UV_RUN_ONCE);
  if (uv_loop_close(uv_) != 0) {
    report({.message =
                "the loop was closed with libuv handles open that are not sheaf's; "
                "its memory is kept"});
    return;
  }
  delete handles;
}

}  // namespace sheaf::runtime
