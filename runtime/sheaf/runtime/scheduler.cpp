#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/thread_census.hpp>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <string>

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
    check(uv_async_init(loop, &async, on_async), "uv_async_init");
    uv_idle_init(loop, &idle);
    uv_timer_init(loop, &timer);
    idle.data = timer.data = async.data = this;
    // A message from another thread may come at any time: waiting for one must not keep a
    // loop alive that has nothing else to do.
    uv_unref(reinterpret_cast<uv_handle_t*>(&async));
    open = 3;
  }

  void close() {
    for (uv_handle_t* h : {reinterpret_cast<uv_handle_t*>(&idle),
                           reinterpret_cast<uv_handle_t*>(&timer),
                           reinterpret_cast<uv_handle_t*>(&async)}) {
      uv_close(h, on_closed);
    }
  }
};

}  // namespace detail

namespace {

constexpr std::uint64_t ms = 1'000'000;
// A virtual clock starts at one second, so that traces of equal runs are equal.
constexpr std::uint64_t virtual_start = 1'000'000'000;
constexpr std::size_t clock_every = 64;  // resumes between two looks at the clock

}  // namespace

scheduler::scheduler(uv_loop_s* host, clock_kind clock, const void* layer)
    : clock_(clock), borrowed_(host != nullptr), fake_now_(virtual_start), layer_(layer) {
  auto handles = std::make_unique<detail::loop_handles>();
  handles->owner = this;
  uv_ = borrowed_ ? host : &handles->own;
  if (!borrowed_) check(uv_loop_init(uv_), "uv_loop_init");
  try {
    handles->init(uv_);
  } catch (...) {
    if (!borrowed_) uv_loop_close(uv_);
    throw;
  }
  handles_ = handles.release();
  batch_now_ = now();
}

scheduler::~scheduler() { assert(closed_ && "a scheduler is closed by the loop that owns it"); }

std::uint64_t scheduler::now() const noexcept {
  return clock_ == clock_kind::real ? uv_hrtime() : fake_now_;
}

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
  fake_now_ += static_cast<std::uint64_t>(std::max(by, std::chrono::nanoseconds::zero()).count());
  if (wheel_.earliest() <= fake_now_ && !awake_ && !closed_) wake();
}

void scheduler::wake() noexcept {
  if (closed_) return drop_queued();
  awake_ = true;
  uv_idle_start(&handles_->idle, detail::loop_handles::on_idle);
}

void scheduler::run_batch(ready_node* batch) noexcept {
  std::size_t n = 0;
  batch_ = batch;
  while (batch_) {
    ready_node* const node = batch_;
    batch_ = ready_queue::next(*node);
    __builtin_prefetch(batch_);
    node->run();
    ++n;
    if (leaving_) [[unlikely]] break;
  }
  resumed_ += n;
  ++ticks_;
}

bool scheduler::over_budget(std::size_t from, std::uint64_t until) noexcept {
  const std::size_t done = resumed_ - from;
  if (done >= budget_.resumes) return true;
  if (done % clock_every != 0 && budget_.time.count() != 0) return false;
  batch_now_ = now();
  return uv_hrtime() >= until;
}

// One turn of the ready queue: batches until it is empty or the budget is spent.
void scheduler::drain() noexcept {
  const detail::current_scope now_running(*this);
  draining_ = true;
  const std::size_t from = resumed_;
  batch_now_ = now();
  const std::uint64_t until =
      uv_hrtime() + static_cast<std::uint64_t>(budget_.time.count());
  do {
    if (wheel_.earliest() <= batch_now_) wheel_.expire(batch_now_, ready_);
    run_batch(ready_.take_all());
  } while (!ready_.empty() && !stop_ && !leaving_ && !over_budget(from, until));
  if (leaving_) ready_.put_back(std::exchange(batch_, nullptr));
  wheel_.expire(batch_now_, ready_);  // moves the wheel on; what is due goes in the next turn
  draining_ = false;
  if (closed_) return;
  if (ready_.empty()) {
    awake_ = false;
    uv_idle_stop(&handles_->idle);
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
  if (next == timing_wheel::never) {
    uv_timer_stop(&handles_->timer);
    return;
  }
  const std::uint64_t due = next / ms + (next % ms != 0);
  const std::uint64_t base = uv_now(uv_);
  uv_timer_start(&handles_->timer, detail::loop_handles::on_timer, due > base ? due - base : 0,
                 0);
}

void scheduler::on_timer() noexcept {
  armed_ = timing_wheel::never;
  if (!awake_) wake();  // drain() looks at the wheel; it re-arms if nothing was due yet
}

bool scheduler::post_threadsafe(ready_node& n) {
  const std::lock_guard hold(inbox_lock_);
  if (inbox_closed_) return false;
  const bool first = inbox_.empty();
  inbox_.push(n);
  // Sent under the lock: the handle cannot be closed in between. Only the first message
  // wakes; the loop takes all that came since.
  if (first) uv_async_send(&handles_->async);
  return true;
}

void scheduler::take_inbox() noexcept {
  ready_node* first;
  {
    const std::lock_guard hold(inbox_lock_);
    first = inbox_.take_all();
  }
  while (first) {
    ready_node& n = *first;
    first = ready_queue::next(n);
    post(n);
  }
}

void scheduler::expect_threads(int change) noexcept {
  const bool before = expected_threads_ > 0;
  expected_threads_ += change;
  const bool now_expected = expected_threads_ > 0;
  if (closed_ || before == now_expected) return;
  auto* const h = reinterpret_cast<uv_handle_t*>(&handles_->async);
  now_expected ? uv_ref(h) : uv_unref(h);
}

void scheduler::require_open(const char* what) const {
  if (closed_) throw invalid_state(std::string(what) + ": the loop is closed");
}

void scheduler::leave_with(std::exception_ptr e) noexcept {
  leave_with_ = std::move(e);
  leaving_ = true;
  stop();
}

void scheduler::fail(const char* what, std::exception_ptr e) noexcept {
  const bool exit = [&] {
    try {
      std::rethrow_exception(e);
    } catch (const system_exit&) {
      return true;
    } catch (...) {
      return false;
    }
  }();
  if (exit && running_) return leave_with(std::move(e));
  report({.message = std::string("exception in ") + what, .exception = std::move(e)});
}

void scheduler::report(const exception_context& what) noexcept {
  ++reports_;
  const auto print = [](const exception_context& c) {
    std::fprintf(stderr, "sheaf: %s\n", describe(c).c_str());
  };
  if (!handler_) return print(what);
  try {
    const exception_handler keep = handler_;  // it may replace itself
    keep(what);
  } catch (...) {
    exception_context broken = what;
    broken.message = "error in the exception handler (" + describe(std::current_exception()) +
                     ") while it handled: " + what.message;
    print(broken);
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
  fake_now_ = std::max(fake_now_, next);
  if (!awake_) wake();
  return true;
}

bool scheduler::wait_for_threads() noexcept {
  if (!other_threads_exist()) return false;
  auto* const h = reinterpret_cast<uv_handle_t*>(&handles_->async);
  uv_ref(h);
  uv_run(uv_, UV_RUN_ONCE);
  if (expected_threads_ == 0) uv_unref(h);
  return true;
}

scheduler::end scheduler::drive() {
  if (borrowed_) throw invalid_state("run: a borrowed loop is run by its host");
  if (running_ || current()) throw invalid_state("run: a loop is already running here");
  require_open("run");
  struct flag {
    bool& on;
    ~flag() { on = false; }
  };
  const flag is_running{running_ = true};
  const detail::current_scope now_running(*this);
  end how = end::stopped;
  const bool stop_was_asked = stop_;
  do {
    run_uv();
    if (stop_ || stop_was_asked) break;
    if (jump() || wait_for_threads()) continue;
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
  const detail::current_scope now_running(*this);
  const bool more = uv_run(uv_, UV_RUN_NOWAIT) != 0;
  return jump() || more;
}

bool scheduler::blocking_turn() noexcept {
  const detail::current_scope now_running(*this);
  return uv_run(uv_, UV_RUN_ONCE) != 0 || jump();
}

void scheduler::stop() noexcept {
  stop_ = true;
  if (running_) uv_stop(uv_);
}

void scheduler::drop_queued() noexcept {
  for (ready_node* n = ready_.take_all(); n;) {
    ready_node* const next = ready_queue::next(*n);
    n->drop();
    n = next;
  }
}

void scheduler::close() {
  if (closed_) return;
  if (running_ || draining_) throw invalid_state("close: the loop is running");
  end_activities();
  {
    const std::lock_guard hold(inbox_lock_);
    inbox_closed_ = true;
  }
  take_inbox();
  closed_ = true;  // from here on what is posted is dropped at once
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
  uv_run(uv_, UV_RUN_DEFAULT);
  if (uv_loop_close(uv_) != 0) {
    report({.message = "the loop was closed with libuv handles open that are not sheaf's; "
                       "its memory is kept"});
    return;
  }
  delete handles;
}

}  // namespace sheaf::runtime
