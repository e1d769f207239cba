#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/process.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "support/catch.hpp"
#include "support/child_state.hpp"
#include "support/counted.hpp"

using sheaf::uv_error;
using sheaf::runtime::child_stdio;
using sheaf::runtime::exit_status;
using sheaf::runtime::loop;
using sheaf::runtime::process;
using sheaf::runtime::process_options;
using state = test::child_state;
using test::await_zombie;
using test::counted;
using test::state_of;

namespace {

process_options sh(const char* command) {
  return process_options("/bin/sh", {"sh", "-c", command});
}

/// A child that runs until it is killed.
process_options endless() { return process_options("sleep", {"sleep", "1000"}); }

}  // namespace

TEST_CASE("process: its end is told once, with the exit code or the signal",
          "[runtime][process]") {
  loop l;
  std::optional<exit_status> end;
  const auto note = [&](exit_status s) {
    CHECK_FALSE(end);
    CHECK(&loop::current() == &l);
    end = s;
  };
  const process coded(l, sh("exit 7"), note);
  CHECK(coded.pid() > 0);
  l.run_forever();
  REQUIRE(end);
  CHECK(end->status == 7);
  CHECK(end->signal == 0);
  CHECK(state_of(coded.pid()) == state::reaped);
  end.reset();
  const process killed(l, sh("kill -USR1 $$"), note);
  l.run_forever();
  REQUIRE(end);
  CHECK(end->signal == SIGUSR1);
}

TEST_CASE("process: a child that was reaped gets no signal, told or not",
          "[runtime][process]") {
  loop l;
  // Both have ended when the loop looks: it reaps both before it tells of the first.
  std::optional<process> a, b;
  int told = 0;
  const auto kills_the_other = [&](exit_status) {
    ++told;
    CHECK_THROWS_AS(a->kill(SIGTERM), uv_error);
    CHECK_THROWS_AS(b->kill(SIGTERM), uv_error);
  };
  a.emplace(l, sh("exit 0"), kills_the_other);
  b.emplace(l, sh("exit 0"), kills_the_other);
  await_zombie(a->pid());
  await_zombie(b->pid());
  a->kill(0);  // it has ended, and its number is still its own
  l.run_forever();
  CHECK(told == 2);
}

TEST_CASE("process: dropped while the child runs, that goes on, and is reaped",
          "[runtime][process]") {
  counted::reset();
  loop l;
  int pid = 0;
  {
    const process p(l, endless(), [held = counted()](exit_status) { FAIL("dropped"); });
    pid = p.pid();
  }
  CHECK(counted::alive == 0);
  l.run_forever();  // it does not keep the loop running
  CHECK(state_of(pid) == state::running);
  ::kill(pid, SIGKILL);
  await_zombie(pid);
  l.call_later(std::chrono::hours(1), [] {});  // the loop has something to run for
  while (state_of(pid) != state::reaped) l.turn();
}

TEST_CASE("process: dropped after its end, before the loop has looked: it is reaped",
          "[runtime][process]") {
  loop l;
  int pid = 0;
  {
    const process p(l, sh("exit 0"), [](exit_status) { FAIL("dropped"); });
    pid = p.pid();
    await_zombie(pid);
  }
  CHECK(state_of(pid) == state::reaped);
}

TEST_CASE("process: kill_on_close: dropped, the child is killed and reaped",
          "[runtime][process]") {
  loop l;
  int pid = 0;
  {
    const process p(l, endless().kill_on_close(), [](exit_status) { FAIL("dropped"); });
    pid = p.pid();
  }
  l.run_forever();  // runs until it has been reaped
  CHECK(state_of(pid) == state::reaped);
}

TEST_CASE("process: dropped in its own callback", "[runtime][process]") {
  counted::reset();
  loop l;
  std::optional<process> p;
  p.emplace(l, sh("exit 0"), [&p, held = counted()](exit_status) {
    p.reset();
    CHECK(counted::alive == 1);
  });
  l.run_forever();
  CHECK(counted::alive == 0);
}

TEST_CASE("process: the loop's end kills and reaps what asked for it, wrapped or not",
          "[runtime][process]") {
  int kept = 0;
  int dropped = 0;
  std::optional<process> p;
  {
    loop l;
    p.emplace(l, endless().kill_on_close(), [](exit_status) { FAIL("closed"); });
    kept = p->pid();
    const process q(l, endless().kill_on_close(), [](exit_status) { FAIL("closed"); });
    dropped = q.pid();
  }
  CHECK(state_of(kept) == state::reaped);
  CHECK(state_of(dropped) == state::reaped);
  CHECK_THROWS_AS(p->kill(SIGTERM), sheaf::invalid_state);
}

TEST_CASE("process: the loop's end reaps what has ended, and leaves the rest running",
          "[runtime][process]") {
  int ended = 0;
  int running = 0;
  {
    loop l;
    const process p(l, sh("exit 0"), [](exit_status) { FAIL("closed"); });
    const process q(l, endless(), [](exit_status) { FAIL("closed"); });
    ended = p.pid();
    running = q.pid();
    await_zombie(ended);
  }
  CHECK(state_of(ended) == state::reaped);
  CHECK(state_of(running) == state::running);
  ::kill(running, SIGKILL);
  CHECK(::waitpid(running, nullptr, 0) == running);
}

TEST_CASE(
    "process: a child that somebody else has reaped gets no signal, and its handle "
    "closes",
    "[runtime][process]") {
  loop l;
  process p(l, sh("exit 0").kill_on_close(), [](exit_status) {});
  CHECK(::waitpid(p.pid(), nullptr, 0) == p.pid());
  CHECK_THROWS_AS(p.kill(SIGTERM), uv_error);
}

TEST_CASE("process: two loops reap their own children", "[runtime][process]") {
  loop one, other;
  int ended = 0;
  const process a(one, sh("exit 1"), [&](exit_status s) { ended += s.status == 1; });
  const process b(other, sh("exit 2"), [&](exit_status s) { ended += s.status == 2; });
  await_zombie(a.pid());
  await_zombie(b.pid());
  one.run_forever();
  CHECK(ended == 1);
  CHECK(state_of(b.pid()) == state::zombie);
  other.run_forever();
  CHECK(ended == 2);
}
