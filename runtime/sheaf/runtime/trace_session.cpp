#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/trace_session.hpp>

#ifndef SHEAF_NO_TRACE
#include <sheaf/runtime/trace.hpp>
#include <sheaf/runtime/trace_json.hpp>
#include <sheaf/runtime/trace_phases.hpp>
#endif

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>

namespace sheaf::runtime {

#ifdef SHEAF_NO_TRACE

struct trace_session::recording {};

trace_session::trace_session(scheduler& s, const std::filesystem::path&) : scheduler_(s) {
  throw invalid_state("trace: this sheaf was built without tracing (-Dtrace=disabled)");
}
trace_session::~trace_session() = default;
void trace_session::finish() {}

#else

namespace {

// Noticed by who waits for an answer, and beyond what a busy machine does by itself.
constexpr std::uint64_t blocked_from_ns = 25'000'000;

std::uint64_t unix_now() {
  const auto t = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(t).count());
}

}  // namespace

struct trace_session::recording {
  recording(scheduler& s, const std::filesystem::path& path)
      : file(path), recorder(trace_limits::full(), s.now()), start_unix_ns(unix_now()) {
    const trace_clock clock{
        [](const void* p) { return static_cast<const scheduler*>(p)->now(); }, &s};
    // Another clock tells nothing of how long the loop was held.
    if (s.clock() == clock_kind::real) recorder.warn_from(blocked_from_ns);
    phases.emplace(s.uv(), recorder, clock, poll_span::prepare_to_check);
  }

  trace_file file;
  trace_recorder recorder;
  std::uint64_t start_unix_ns;
  std::optional<trace_phases> phases;
};

trace_session::trace_session(scheduler& s, const std::filesystem::path& file)
    : scheduler_(s) {
  if (s.trace()) throw invalid_state("trace: this loop is being traced already");
  recording_ = std::make_unique<recording>(s, file);
  s.set_trace(&recording_->recorder);
}

void trace_session::finish() {
  const auto done = std::move(recording_);
  if (!done) return;
  done->phases.reset();
  scheduler_.set_trace(nullptr);
  trace_meta meta;
  meta.start_unix_ns = done->start_unix_ns;
  meta.virtual_clock = scheduler_.clock() != clock_kind::real;
  done->file.write(done->recorder, meta);
}

trace_session::~trace_session() {
  try {
    finish();
  } catch (...) {
    scheduler_.report({.message = "the trace could not be written",
                       .exception = std::current_exception()});
  }
}

#endif

std::filesystem::path next_trace_file_of_environment() {
  static std::atomic<int> loops{0};
  const char* const wish = std::getenv("SHEAF_TRACE");
  if (!wish || !*wish) return {};
  std::filesystem::path file(wish);
  const int number = ++loops;
  if (number == 1) return file;
  auto name = file.stem();
  name += "-";
  name += std::to_string(number);
  name += file.extension();
  return file.replace_filename(name);
}

}  // namespace sheaf::runtime
