#include <sheaf/runtime/process.hpp>

#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>

#include <sys/wait.h>
#include <uv.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/descriptors.hpp"
#include "support/scratch_dir.hpp"
#include "support/sockets.hpp"
#include "support/turns.hpp"

using namespace sheaf::runtime;
namespace rt = sheaf::runtime;  // pipe(), kill() are also calls of the system's
using test::until;

namespace {

struct ended {
  std::optional<exit_status> how;
  auto take() {
    return [this](exit_status s) { how = s; };
  }
};

exit_status run(const process_options& o) {
  loop l;
  ended e;
  const process p(l, o, e.take());
  l.run_forever();
  REQUIRE(e.how);
  return *e.how;
}

/// What a child writes to its output.
std::string output_of(process_options o) {
  loop l;
  rt::pipe out(l);
  o.stdio({child_stdio::ignore(),
           child_stdio::make_pipe(out, child_stdio::direction::child_writes)});
  ended e;
  const process p(l, o, e.take());
  std::string text;
  out.read_start([&](std::string_view bytes, std::error_code) { text += bytes; });
  l.run_forever();
  CHECK(e.how);
  return text;
}

process_options shell(const std::string& command) {
  return {"sh", {"sh", "-c", command}};
}

/// The error of a start, as "operation path name".
std::string refused(const process_options& o) {
  loop l;
  try {
    const process p(l, o, [](exit_status) { FAIL("nothing was started"); });
  } catch (const sheaf::uv_error& e) {
    l.run_forever();
    return e.operation() + ' ' + std::string(e.path().c_str()) + ' ' + e.name();
  }
  return "started";
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

}  // namespace

TEST_CASE("process: tells how its child ended", "[runtime][process]") {
  CHECK(run({"true", {"true"}}).status == 0);
  CHECK(run(shell("exit 42")).status == 42);
  const exit_status killed = run(shell("kill -TERM $$"));
  CHECK(killed.signal == SIGTERM);
  CHECK_FALSE(has_children());
}

TEST_CASE("process: a child's name is its first argument, or the program",
          "[runtime][process]") {
  CHECK(output_of({"sh", {"given", "-c", "echo $0"}}) == "given\n");
  CHECK(run({"true", {}}).status == 0);
}

TEST_CASE("process: its environment, its directory", "[runtime][process]") {
  const test::scratch_dir in;
  CHECK(output_of(shell("echo $WORD $HOME").env({"WORD=here", "PATH=/usr/bin:/bin"})) ==
        "here\n");
  CHECK(output_of(shell("pwd").cwd(in.path())) == in.path() + '\n');
}

TEST_CASE("process: pipes in both directions, and the end of what it reads",
          "[runtime][process]") {
  loop l;
  rt::pipe in(l);
  rt::pipe out(l);
  process_options o("cat", {"cat"});
  o.stdio({child_stdio::make_pipe(in, child_stdio::direction::child_reads),
           child_stdio::make_pipe(out, child_stdio::direction::child_writes)});
  ended e;
  const process p(l, o, e.take());
  std::string text;
  std::error_code end;
  out.read_start([&](std::string_view bytes, std::error_code error) {
    text += bytes;
    if (error) end = error;
  });
  in.write("to and fro");
  in.shutdown();
  until(l, [&] { return e.how && end; });
  CHECK(text == "to and fro");
  CHECK(end == end_of_file());
  CHECK(e.how->status == 0);
}

TEST_CASE("process: inherits a descriptor, or that of a stream", "[runtime][process]") {
  loop l;
  auto [a, b] = test::local_connection();
  auto [c, d] = test::local_connection();
  rt::pipe stream(l);
  stream.open(c.release());
  process_options o = shell("echo one; echo two >&2");
  o.stdio({child_stdio::ignore(), child_stdio::inherit(a.get()),
           child_stdio::inherit(stream)});
  ended e;
  const process p(l, o, e.take());
  l.run_forever();
  char room[8];
  CHECK(::read(b.get(), room, sizeof room) == 4);
  CHECK(::read(d.get(), room, sizeof room) == 4);
}

TEST_CASE("process: a child has no descriptor of ours that it was not given",
          "[runtime][process]") {
  const process_options list("ls", {"ls", "/proc/self/fd"});
  const std::string before = output_of(list);
  loop l;
  rt::pipe other(l);
  const pipe_ends ends = make_pipe();
  other.open(ends.reading);
  const test::descriptor writing(ends.writing);
  CHECK(output_of(list) == before);
}

TEST_CASE("process: what cannot be started is told with its name, and leaves no child",
          "[runtime][process]") {
  {
    const loop first;
  }
  const test::scratch_dir in;
  const std::size_t before = test::open_descriptors();
  CHECK(refused({"no-such-program", {"x"}}) == "uv_spawn no-such-program ENOENT");
  const std::string file = in.put("not-executable");
  CHECK(refused({file, {"x"}}) == "uv_spawn " + file + " EACCES");
  CHECK(refused(process_options("true", {"true"}).cwd("/no such folder")) ==
        "uv_spawn true ENOENT");
  CHECK_FALSE(has_children());
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("process: a NUL in any text is refused", "[runtime][process]") {
  const std::string bad("a\0b", 3);
  CHECK(refused({bad, {"x"}}) == "uv_spawn: a NUL in the program a EINVAL");
  CHECK(refused({"true", {"true", bad}}) == "uv_spawn: a NUL in an argument a EINVAL");
  CHECK(refused(process_options("true", {"true"}).env({bad})) ==
        "uv_spawn: a NUL in the environment a EINVAL");
  CHECK(refused(process_options("true", {"true"}).cwd(bad)) ==
        "uv_spawn: a NUL in the directory a EINVAL");
}

TEST_CASE(
    "process: a pipe that is open, closed or given twice is refused before a child is",
    "[runtime][process]") {
  loop l;
  const auto start = [&](std::vector<child_stdio> all) -> std::string {
    process_options o("true", {"true"});
    o.stdio(std::move(all));
    try {
      const process p(l, o, [](exit_status) {});
    } catch (const sheaf::uv_error& e) {
      return e.name();
    }
    return "started";
  };
  const auto both = child_stdio::direction::both;
  rt::pipe open(l);
  auto [a, b] = test::local_connection();
  open.open(a.release());
  CHECK(start({child_stdio::make_pipe(open, both)}) == "EBUSY");
  rt::pipe fresh(l);
  CHECK(start({child_stdio::make_pipe(fresh, both),
               child_stdio::make_pipe(fresh, both)}) == "EINVAL");
  CHECK(start({child_stdio::inherit(fresh)}) == "EINVAL");
  loop gone;
  rt::pipe closed(gone);
  gone.close();
  CHECK_THROWS_AS(start({child_stdio::make_pipe(closed, both)}), sheaf::invalid_state);
  CHECK_FALSE(has_children());
}

TEST_CASE("process: as another user, where that is allowed", "[runtime][process]") {
  if (::getuid() == 0) {
    CHECK(output_of(shell("id -u; id -g").uid(65'534).gid(65'534)) == "65534\n65534\n");
    // -1 is no user to become: setuid() refuses it to root as well.
    CHECK(refused(process_options("true", {"true"}).uid(0xFFFF'FFFF)) ==
          "uv_spawn true EINVAL");
  } else {
    CHECK(refused(process_options("true", {"true"}).uid(0)) == "uv_spawn true EPERM");
  }
}

TEST_CASE("process: kill() while it lives, ESRCH after", "[runtime][process]") {
  loop l;
  rt::pipe in(l);
  process_options o("cat", {"cat"});
  o.stdio({child_stdio::make_pipe(in, child_stdio::direction::child_reads)});
  ended e;
  process p(l, o, e.take());
  CHECK(p.pid() > 0);
  p.kill(0);
  p.kill(SIGKILL);
  until(l, [&] { return e.how.has_value(); });
  CHECK(e.how->signal == SIGKILL);
  CHECK(e.how->status == 0);
  try {
    p.kill(SIGTERM);
    FAIL("it must throw");
  } catch (const sheaf::uv_error& error) {
    CHECK(error.name() == "ESRCH");
  }
  CHECK_THROWS_AS(rt::kill(p.pid(), 0), sheaf::uv_error);
  rt::kill(::getpid(), 0);
  const int pid = p.pid();
  l.close();
  CHECK(p.pid() == pid);
  CHECK_THROWS_AS(p.kill(0), sheaf::invalid_state);
}

TEST_CASE("process: a detached one is in a session of its own", "[runtime][process]") {
  const std::string ours = std::to_string(::getsid(0)) + '\n';
  CHECK(output_of(shell("ps -o sid= -p $$ | tr -d ' '")) == ours);
  CHECK(output_of(shell("ps -o sid= -p $$ | tr -d ' '").detached()) != ours);
}
