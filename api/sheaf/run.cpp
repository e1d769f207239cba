#include <sheaf/detail/interruptible.hpp>
#include <sheaf/run.hpp>

#include <exception>
#include <string>

namespace sheaf {

std::unique_ptr<loop> run_options::make_loop() const {
  auto l = factory_ ? factory_() : std::make_unique<loop>(loop_);
  if (!l) throw invalid_state("run: the loop factory gave no loop");
  if (loop_.debug_mode()) l->set_debug(*loop_.debug_mode());
  if (loop_.terminates_on_unretrieved()) l->tasks().terminate_on_unretrieved = true;
  // SHEAF_TRACE, which asks for every loop, goes before.
  if (!trace_.empty() && !l->tasks().trace()) l->tasks().start_trace(trace_);
  auto& core = l->core();
  if (!replay_.empty()) {
    core.set_schedule(runtime::make_replaying_schedule(replay_, core));
  }
  if (!record_.empty()) {
    core.set_schedule(runtime::make_recording_schedule(record_, core.take_schedule()));
  }
  return l;
}

loop& runner::open(const char* what) {
  if (closed_) throw invalid_state(std::string(what) + ": the runner is closed");
  if (runtime::loop::has_current()) {
    throw invalid_state(std::string(what) +
                        ": a loop is running on this thread already; co_await instead");
  }
  if (!loop_) {
    sigpipe_.emplace();
    loop_ = options_.make_loop();
  }
  return *loop_;
}

void runner::drive_until(loop& l, detail::task_state& main) {
  detail::interruptible run(l, main, options_.handles_sigint());
  l.drive_until(main);
  run.rethrow();
}

void runner::close() {
  if (std::exchange(closed_, true) || !loop_) return;
  const auto l = std::move(loop_);
  l->tasks().shut_down_tasks();
  detail::close_generators(*l);
  l->tasks().stop_trace();
  l->close();
  if (const auto schedule = l->core().take_schedule()) schedule->finish();
  sigpipe_.reset();
}

void runner::close_quietly() noexcept {
  try {
    close();
  } catch (...) {
    // A second request to end a program that is on its way out is no news.
    if (leaves_run(std::current_exception()) && std::uncaught_exceptions() > 0) return;
    print_report({.message = "a runner could not be closed cleanly",
                  .exception = std::current_exception()});
  }
}

runner::~runner() { close_quietly(); }

}  // namespace sheaf
