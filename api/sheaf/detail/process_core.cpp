#include <sheaf/detail/process_core.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>

#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sheaf::detail {

// ---- the child -------------------------------------------------------------------------

process_core::process_core(loop_core& l, const runtime::process_options& how)
    : loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
      program_(how.program()),
      handle_(*l.facade(), how, [this](runtime::exit_status s) {
        returncode_ = s.signal != 0 ? -s.signal : static_cast<int>(s.status);
        ended_.set();
      }) {
  pid_ = handle_.pid();
}

void process_core::send_signal(int signum) {
  handle_.kill(signum);
  if (signum == SIGKILL) killed_ = true;
}

void process_core::kill() noexcept {
  if (returncode_ || killed_) return;
  killed_ = true;
  try {
    send_signal(SIGKILL);
  } catch (...) {
  }
}

void process_core::report_dropped() const {
  if (returncode_ || killed_ || loop_->closed() || !loop_->debug()) return;
  loop_->report(
      {.message = "a process was dropped while its child ran, which is killed: '" +
                  program_ + "', pid " + std::to_string(pid_) +
                  "; co_await wait(), or call close() if that is what you want"});
}

// ---- starting it -----------------------------------------------------------------------

namespace {

/// Closed at the end of the scope.
class descriptor {
 public:
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// The child's three descriptors, and our ends of those that are pipes.
class child_stdio {
 public:
  child_stdio(loop_core& l, const process_options& how) : loop_(l), how_(how) {
    for (int n = 0; n < 3; ++n) all_.push_back(make(n));
  }
  const std::vector<runtime::child_stdio>& all() const noexcept { return all_; }
  /// Null if it is no pipe. Once only.
  stream_ref take(int n) {
    if (!ours_[n]) return {};
    return stream_ref::adopt(new stream_core(loop_, std::move(*ours_[n]), how_.limit()));
  }

 private:
  using given = runtime::child_stdio;

  given make(int n) {
    if (n == 2 && how_.merges_stderr()) return all_[1];
    const process_options::end& end = how_.descriptor(n);
    if (const auto fd = end.descriptor()) return given::inherit(*fd);
    switch (end.what()) {
      case stdio::pipe:
        return given::inherit(make_pipe(n));
      case stdio::null:
        return given::ignore();
      case stdio::inherit:
        break;
    }
    return given::inherit(n);
  }

  // Pipes of the system's, not libuv's pairs of sockets: /dev/stdin and /dev/stdout open them.
  // libuv makes the child's end a blocking one again.
  int make_pipe(int n) {
    const auto [reading, writing] = runtime::make_pipe();
    descriptor our_end(n == 0 ? writing : reading);
    theirs_.emplace_back(n == 0 ? reading : writing);
    runtime::pipe p(*loop_.facade());
    p.open(our_end.get());
    our_end.release();
    ours_[n].emplace(std::move(p));
    return theirs_.back().get();
  }

  loop_core& loop_;
  const process_options& how_;
  std::vector<given> all_;
  std::optional<runtime::pipe> ours_[3];
  std::vector<descriptor> theirs_;  // until the child has them
};

std::vector<std::string> with_program(const process_options& how) {
  std::vector<std::string> all{how.program()};
  all.insert(all.end(), how.args().begin(), how.args().end());
  return all;
}

runtime::process_options as_runtime(const process_options& how) {
  runtime::process_options o(how.program(), with_program(how));
  if (how.env()) {
    std::vector<std::string> lines;
    for (const auto& [name, value] : *how.env()) lines.push_back(name + "=" + value);
    o.env(std::move(lines));
  }
  if (!how.cwd().empty()) o.cwd(how.cwd());
  if (how.uid()) o.uid(*how.uid());
  if (how.gid()) o.gid(*how.gid());
  return o.detached(how.starts_new_session()).kill_on_close();
}

}  // namespace

spawned spawn(loop_core& l, const process_options& how) {
  if (how.program().empty()) {
    throw std::invalid_argument("create_subprocess_exec: the program's name is empty");
  }
  child_stdio ends(l, how);
  const auto child =
      process_ref::adopt(new process_core(l, as_runtime(how).stdio(ends.all())));
  return {child, {ends.take(0), ends.take(1), ends.take(2)}};
}

}  // namespace sheaf::detail
