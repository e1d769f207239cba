#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/run.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace sheaf {

std::unique_ptr<loop> run_options::make_loop() const {
  auto l = factory_ ? factory_() : std::make_unique<loop>(loop_);
  if (!l) throw invalid_state("run: the loop factory gave no loop");
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
  if (!loop_) loop_ = options_.make_loop();
  return *loop_;
}

void runner::close() {
  if (std::exchange(closed_, true) || !loop_) return;
  const auto l = std::move(loop_);
  l->tasks().shut_down_tasks();
  l->tasks().stop_trace();
  l->close();
  if (const auto schedule = l->core().take_schedule()) schedule->finish();
}

runner::~runner() {
  try {
    close();
  } catch (...) {
    // A second request to end a program that is on its way out is no news.
    if (detail::thrown<system_exit>(std::current_exception()) &&
        std::uncaught_exceptions() > 0) {
      return;
    }
    exception_context what{.message = "a runner could not be closed cleanly",
                           .exception = std::current_exception()};
    std::fprintf(stderr, "sheaf: %s\n", describe(what).c_str());
  }
}

}  // namespace sheaf
