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

stream_ref share(const process_stream& s) {
  return s.is_pipe() ? stream_ref::share(&s.core()) : stream_ref();
}

process_stream end_of_pipe(stream_ref& s, const char* which) {
  return s ? process_stream(stream(std::move(s)), which) : process_stream(which);
}

}  // namespace

stream& process_stream::operator()() {
  if (!is_pipe_) no_pipe(which_);
  return *this;
}

process::process(detail::spawned child)
    : stdin_(end_of_pipe(child.ends[0], "stdin_")),
      stdout_(end_of_pipe(child.ends[1], "stdout_")),
      stderr_(end_of_pipe(child.ends[2], "stderr_")),
      child_(std::move(child.child)) {}

process& process::operator=(process&& other) noexcept {
  std::swap(child_, other.child_);
  std::swap(stdin_, other.stdin_);
  std::swap(stdout_, other.stdout_);
  std::swap(stderr_, other.stderr_);
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

coro<int> process::wait() { return end_of(process_ref::share(&core())); }

coro<process_output> process::communicate(std::string input) {
  return collect(process_ref::share(&core()), share(stdin_), share(stdout_),
                 share(stderr_), std::move(input));
}

void process::send_signal(int signum) { core().send_signal(signum); }
void process::terminate() { send_signal(SIGTERM); }
void process::kill() { send_signal(SIGKILL); }

void process::close() noexcept {
  if (!child_) return;
  for (stream* const each : {&stdin_, &stdout_, &stderr_}) each->close();
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
