#include <sheaf/detail/thread_call.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/generator.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/wait.hpp>

#include <memory>
#include <string>

namespace sheaf {

namespace {

using core_ref = runtime::intrusive_ptr<runtime::scheduler>;

core_ref make_core(uv_loop_s* host, runtime::clock_kind clock) {
  return core_ref::adopt(new detail::loop_core(host, clock));
}

uv_loop_s* required(uv_loop_s* host) {
  if (!host) throw invalid_state("loop: the borrowed uv_loop_t is null");
  return host;
}

/// Stops the loop when the future is done. Registered only while the loop is driven, so that
/// a future which settles later stops nothing (LOOP-24). On the heap, since it may still be
/// queued when a system_exit ends the drive.
class stop_when_done final : public detail::observer {
 public:
  explicit stop_when_done(detail::future_state& s) : state_(s) { s.watch(entry_, *this); }

  void settled(detail::watcher&) noexcept override {
    queued_ = true;
    state_.loop().post(*this);
  }
  void run() noexcept override {
    queued_ = false;
    over_ ? delete this : state_.loop().stop();
  }
  void drop() noexcept override { delete this; }

  struct ender {
    void operator()(stop_when_done* s) const noexcept { s->end(); }
  };

 private:
  // Not inlined: where it is, g++ 12 at -O2 drops the store to over_ as one to an object
  // that is about to die, although on that way it lives on in the queue.
  [[gnu::noinline]] void end() noexcept {
    state_.unwatch(entry_);
    if (queued_) {
      over_ = true;
    } else {
      delete this;
    }
  }

  detail::future_state& state_;
  detail::watcher entry_;
  bool queued_ = false;
  bool over_ = false;
};

}  // namespace

loop::loop(const loop_options& options)
    : runtime::loop(make_core(nullptr, options.clock())) {
  tasks().set_threads(options.threads());
  if (options.seed()) core().set_schedule(runtime::make_seeded_schedule(*options.seed()));
  if (options.debug_mode()) set_debug(*options.debug_mode());
  tasks().terminate_on_unretrieved = options.terminates_on_unretrieved();
  trace_as_environment_says();
}

loop::loop(uv_loop_s* host, borrowed_t)
    : runtime::loop(make_core(required(host), runtime::clock_kind::real)) {
  trace_as_environment_says();
}

void loop::trace_as_environment_says() {
  const auto file = runtime::next_trace_file_of_environment();
  if (!file.empty()) tasks().start_trace(file);
}

loop& loop::current() {
  return static_cast<loop&>(*detail::loop_core::current("loop::current").facade());
}

std::vector<any_task> loop::all_tasks() const {
  std::vector<any_task> all;
  for (auto* t = tasks().first_task(); t; t = tasks().task_after(*t)) {
    all.emplace_back(detail::task_ref::share(t));
  }
  return all;
}

void loop::set_default_executor(const thread_pool_executor& executor) {
  core().require_open("set_default_executor");
  tasks().set_executor(executor.pool());
}

coro<> loop::shutdown_default_executor(std::optional<duration> limit) {
  const auto pool = tasks().shut_executor();
  if (!pool) co_return;
  pool->shut_down();
  const auto join = [](const std::shared_ptr<runtime::thread_pool>& p) { p->join(); };
  const auto joined =
      detail::call_on(tasks(), tasks().joiner(), "shutdown_default_executor",
                      detail::with_context::no, join, pool);
  if (!limit) {
    co_await joined;
    co_return;
  }
  const std::vector<future<>> threads{joined};
  const auto [done, pending] = co_await wait(threads, wait_options().timeout(*limit));
  if (pending.empty()) co_return;
  core().report(
      {.message = "shutdown_default_executor: its threads have not ended in time"});
}

namespace {

// Looks when it runs: one that was closed before may have taken others along.
coro<> close_first(detail::loop_core& l) {
  auto* const g = l.generators().first();
  if (!g) co_return;
  g->unlink();
  if (g->owner()) co_await detail::generator_close(*g->owner());
}

}  // namespace

coro<> loop::shutdown_asyncgens() {
  std::vector<coro<>> closing;
  const std::size_t left = tasks().generators().size();
  for (std::size_t i = 0; i < left; ++i) closing.push_back(close_first(tasks()));
  const auto ends = co_await gather(return_exceptions, std::move(closing));
  for (const outcome<>& end : ends) {
    if (end.has_value() || end.is_cancelled()) continue;
    core().report(
        {.message = "a generator failed while it was closed", .exception = end.error()});
  }
}

void detail::close_generators(loop& l) {
  if (l.tasks().generators().first()) l.run_until_complete(l.shutdown_asyncgens());
}

void loop::require_idle() const {
  core().require_open("run_until_complete");
  if (core().borrowed()) {
    throw invalid_state("run_until_complete: a borrowed loop is run by its host");
  }
  if (core().running() || has_current()) {
    throw invalid_state(
        "run_until_complete: a loop is running on this thread already; co_await instead");
  }
}

void loop::drive_until(detail::future_state& s) {
  require_idle();
  if (&s.loop() != &core()) {
    throw invalid_state("run_until_complete: the future belongs to another loop");
  }
  if (s.done()) return;
  auto end = runtime::scheduler::end::stopped;
  {
    const std::unique_ptr<stop_when_done, stop_when_done::ender> stopper(
        new stop_when_done(s));
    end = core().drive();
  }
  if (s.done()) return;
  if (end == runtime::scheduler::end::stopped) {
    throw invalid_state(
        "run_until_complete: the loop was stopped before the future completed");
  }
  throw deadlock(tasks().describe_deadlock());
}

}  // namespace sheaf
