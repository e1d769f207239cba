#include <sheaf/gather.hpp>
#include <sheaf/process.hpp>

#include <csignal>
#include <exception>
#include <stdexcept>

namespace sheaf {

namespace {

using detail::process_ref;
using detail::stream_core;
using detail::stream_ref;

/// Waits until all has come, and takes nothing: a cancellation loses nothing.
class end_wait final : public detail::read_wait {
 public:
  explicit end_wait(stream_core& c) noexcept : read_wait(c) {}
  bool await_ready() { return ready_if(false); }
  void await_resume() {
    resumed();
    core().throw_error();
  }

 private:
  bool satisfied() noexcept override { return false; }
};

coro<> read_all(stream_ref s) {
  if (s) co_await end_wait(*s);
}

std::optional<std::string> take_all(stream_ref& s) {
  if (!s) return {};
  return s->buffer().take(s->buffer().size());
}

// A child that does not want its input has closed the pipe.
void feed(stream_core& to, std::string input) {
  try {
    if (!input.empty()) to.write(std::move(input));
  } catch (const uv_error& e) {
    if (e.code() != std::errc::broken_pipe && e.code() != std::errc::connection_reset) {
      throw;
    }
  }
  to.close();
}

[[noreturn]] void no_pipe(const char* which) {
  throw invalid_state(std::string("process: ") + which +
                      " is no pipe to us; ask for one with process_options()." + which +
                      "(stdio::pipe)");
}

coro<int> end_of(process_ref child) {
  co_await child->ended().wait();
  co_return *child->returncode();
}

coro<process_output> collect(process_ref child, stream_ref in, stream_ref out,
                             stream_ref err, std::string input) {
  if (in) {
    feed(*in, std::move(input));
  } else if (!input.empty()) {
    no_pipe("stdin_");
  }
  co_await gather(read_all(out), read_all(err));
  co_await child->ended().wait();
  co_return process_output{take_all(out), take_all(err)};
}

stream_ref share(const std::optional<stream>& s) {
  return s ? stream_ref::share(&s->core()) : stream_ref();
}

stream& piped(std::optional<stream>& s, const char* which) {
  if (!s) no_pipe(which);
  return *s;
}

}  // namespace

process::process(detail::spawned child) : child_(std::move(child.child)) {
  for (int n = 0; n < 3; ++n) {
    if (child.ends[n]) ends_[n].emplace(std::move(child.ends[n]));
  }
}

process& process::operator=(process&& other) noexcept {
  std::swap(child_, other.child_);
  for (int n = 0; n < 3; ++n) std::swap(ends_[n], other.ends_[n]);
  return *this;
}

// An exception on its way out needs no second complaint.
process::~process() {
  if (!child_) return;
  if (std::uncaught_exceptions() == 0) child_->report_dropped();
  close();
}

detail::process_core& process::core() const {
  if (!child_) throw invalid_state("process: it was moved from");
  return *child_;
}

int process::pid() const { return core().pid(); }
std::optional<int> process::returncode() const { return core().returncode(); }

stream& process::stdin_() { return piped(ends_[0], "stdin_"); }
stream& process::stdout_() { return piped(ends_[1], "stdout_"); }
stream& process::stderr_() { return piped(ends_[2], "stderr_"); }

coro<int> process::wait() { return end_of(process_ref::share(&core())); }

coro<process_output> process::communicate(std::string input) {
  return collect(process_ref::share(&core()), share(ends_[0]), share(ends_[1]),
                 share(ends_[2]), std::move(input));
}

void process::send_signal(int signum) { core().send_signal(signum); }
void process::terminate() { send_signal(SIGTERM); }
void process::kill() { send_signal(SIGKILL); }

void process::close() noexcept {
  if (!child_) return;
  for (auto& each : ends_) {
    if (each) each->close();
  }
  child_->kill();
}

coro<process> create_subprocess_exec(process_options how) {
  auto& l = detail::loop_core::current("create_subprocess_exec");
  co_return process(detail::spawn(l, how));
}

coro<process> create_subprocess_shell(std::string command, process_options how) {
  if (!how.program().empty() || !how.args().empty()) {
    throw std::invalid_argument(
        "create_subprocess_shell: the options name a program or arguments; write them "
        "into "
        "the command, or use create_subprocess_exec");
  }
  how.program("/bin/sh").arg("-c").arg(std::move(command));
  auto& l = detail::loop_core::current("create_subprocess_shell");
  co_return process(detail::spawn(l, how));
}

}  // namespace sheaf
