#include <sheaf/runtime/detail/stream_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/process.hpp>

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace sheaf::runtime {

child_stdio child_stdio::inherit(runtime::stream& of) {
  child_stdio s(kind::inherit_stream);
  s.stream_ = &of;
  return s;
}

child_stdio child_stdio::make_pipe(pipe& ours, direction d) {
  child_stdio s(kind::make_pipe);
  s.stream_ = &ours;
  s.way_ = d;
  return s;
}

namespace {

const char* c_string(const std::string& text, const char* what) {
  if (text.find('\0') != std::string::npos) {
    throw uv_error(UV_EINVAL, std::string("uv_spawn: a NUL in ") + what, text);
  }
  return text.c_str();
}

/// A vector of C strings, as exec() wants them.
std::vector<char*> as_argv(const std::vector<std::string>& all, const char* what) {
  std::vector<char*> raw;
  raw.reserve(all.size() + 1);
  for (const std::string& each : all) {
    raw.push_back(const_cast<char*>(c_string(each, what)));
  }
  raw.push_back(nullptr);
  return raw;
}

uv_stdio_flags flags_of(child_stdio::direction way) noexcept {
  int flags = UV_CREATE_PIPE;
  if (way != child_stdio::direction::child_writes) flags |= UV_READABLE_PIPE;
  if (way != child_stdio::direction::child_reads) flags |= UV_WRITABLE_PIPE;
  return static_cast<uv_stdio_flags>(flags);
}

uv_stream_t* stream_of(const child_stdio& s) {
  detail::stream_block& b = detail::stream_block::of_stream(*s.of());
  static_cast<void>(b.owner("process: a stream for the child"));
  return b.uv_stream();
}

// libuv would find out when the child runs already, and leave it behind (uv_spawn).
void require_fresh(uv_stream_t* pipe) {
  uv_os_fd_t fd;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(pipe), &fd) == 0) {
    throw uv_error(UV_EBUSY, "uv_spawn: a pipe for the child is open already");
  }
}

uv_stdio_container_t container_of(const child_stdio& s) {
  uv_stdio_container_t c{};
  switch (s.what()) {
    case child_stdio::kind::ignore:
      c.flags = UV_IGNORE;
      break;
    case child_stdio::kind::inherit_descriptor:
      c.flags = UV_INHERIT_FD;
      c.data.fd = s.descriptor();
      break;
    case child_stdio::kind::inherit_stream:
      c.flags = UV_INHERIT_STREAM;
      c.data.stream = stream_of(s);
      break;
    case child_stdio::kind::make_pipe:
      c.flags = flags_of(s.way());
      c.data.stream = stream_of(s);
      require_fresh(c.data.stream);
      break;
  }
  return c;
}

/// process_options in libuv's form, which points into them.
class raw_options {
 public:
  explicit raw_options(const process_options& o)
      : arguments_(as_argv(o.arguments(), "an argument")) {
    raw.file = c_string(o.program(), "the program");
    if (o.arguments().empty()) {
      arguments_.insert(arguments_.begin(), const_cast<char*>(raw.file));
    }
    raw.args = arguments_.data();
    if (o.env()) raw.env = (env_ = as_argv(*o.env(), "the environment")).data();
    if (!o.cwd().empty()) raw.cwd = c_string(o.cwd(), "the directory");
    for (const child_stdio& s : o.stdio()) add(container_of(s));
    raw.stdio = stdio_.data();
    raw.stdio_count = static_cast<int>(stdio_.size());
    unsigned flags = o.detached() ? UV_PROCESS_DETACHED : 0;
    if (o.uid()) raw.uid = *o.uid(), flags |= UV_PROCESS_SETUID;
    if (o.gid()) raw.gid = *o.gid(), flags |= UV_PROCESS_SETGID;
    raw.flags = flags;
  }
  uv_process_options_t raw{};

 private:
  void add(const uv_stdio_container_t& c) {
    const auto same_pipe = [&c](const uv_stdio_container_t& other) {
      return (other.flags & c.flags & UV_CREATE_PIPE) != 0 &&
             other.data.stream == c.data.stream;
    };
    if (std::ranges::any_of(stdio_, same_pipe)) {
      throw uv_error(UV_EINVAL, "uv_spawn: one pipe for two descriptors of the child");
    }
    stdio_.push_back(c);
  }

  std::vector<char*> arguments_;
  std::vector<char*> env_;
  std::vector<uv_stdio_container_t> stdio_;
};

class process_block final : public detail::handle_block {
 public:
  process_block(scheduler& s, const process_options& o, process::exit_callback f)
      : handle_block(s, "process"),
        f_(detail::callable(std::move(f), "process")),
        kill_on_close_(o.kill_on_close()) {
    raw_options options(o);
    options.raw.exit_cb = on_exit;
    spawn_code_ = uv_spawn(s.uv(), &uv, &options.raw);
    // One that could not be started has a handle all the same, which has to be closed.
    opened(0, "uv_spawn");
  }
  int spawn_code() const noexcept { return spawn_code_; }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  int send(int signal) noexcept {
    return look() == child::reaped ? UV_ESRCH : uv_process_kill(&uv, signal);
  }

  // By the wrapper only when the child has ended; else by the loop's end.
  void close() noexcept override {
    const bool was_open = open();
    handle_block::close();
    if (was_open && look() != child::reaped) reap();
  }

  uv_process_t uv{};

 private:
  static void on_exit(uv_process_t* h, std::int64_t status, int signal) {
    auto& self = of<process_block>(h);
    self.ended_ = true;
    if (self.let_go_) return self.close();
    self.call("exit callback", [&] { self.f_({status, signal}); });
  }

  // Stays open while the child runs, for libuv to reap it.
  void let_go() noexcept override {
    if (!open() || look() != child::running) return close();
    let_go_ = true;
    kill_on_close_ ? static_cast<void>(send(SIGKILL)) : uv_unref(raw());
    silence();
  }

  enum class child { running, zombie, reaped };

  // libuv reaps all that have ended before it calls the first callback, and somebody else may
  // have. Until then the number is the child's.
  child look() const noexcept {
    siginfo_t how{};
    constexpr int without_reaping = WEXITED | WNOHANG | WNOWAIT;
    if (spawn_code_ != 0 || ended_ ||
        ::waitid(P_PID, static_cast<id_t>(uv.pid), &how, without_reaping) != 0) {
      return child::reaped;
    }
    return how.si_pid == 0 ? child::running : child::zombie;
  }

  // One that we may not kill (it is another user's now) is not waited for.
  void reap() const noexcept {
    const bool killed = kill_on_close_ && ::kill(uv.pid, SIGKILL) == 0;
    while (::waitpid(uv.pid, nullptr, killed ? 0 : WNOHANG) < 0 && errno == EINTR) {
    }
  }

  void silence() noexcept override { f_.reset(); }

  process::exit_callback f_;
  int spawn_code_ = 0;
  bool kill_on_close_;
  bool let_go_ = false;
  bool ended_ = false;
};

process_block& as_process(detail::handle_block& b) noexcept {
  return static_cast<process_block&>(b);
}

}  // namespace

process::process(loop& owner, const process_options& options, exit_callback on_exit)
    : handle(new process_block(owner.core(), options, std::move(on_exit))) {
  checked(as_process(block()).spawn_code(), "uv_spawn", options.program());
}

int process::pid() const noexcept { return uv_process_get_pid(&as_process(block()).uv); }

void process::kill(int signal) {
  static_cast<void>(block().owner("process::kill"));
  checked(as_process(block()).send(signal), "uv_process_kill");
}

void kill(int pid, int signal) { checked(uv_kill(pid, signal), "uv_kill"); }

}  // namespace sheaf::runtime
