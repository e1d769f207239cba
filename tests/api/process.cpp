#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/run_clean.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/wait_for.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::await_zombie;
using test::child_state;
using test::code_of;
using test::endless;
using test::event_log;
using test::has_children;
using test::run_clean;
using test::sh;
using test::state_of;

namespace {

process_options piped(process_options how) {
  return how.stdin_(stdio::pipe).stdout_(stdio::pipe).stderr_(stdio::pipe);
}

}  // namespace

// ---- input and output ------------------------------------------------------------------

TEST_CASE(
    "process: what is written arrives, and what the child writes can be read [PROC-1]",
    "[api][process][PROC-1]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        piped(sh("read x; echo out $x; echo err $x >&2; read y; exit 3")));
    CHECK(p.pid() > 0);
    co_await p.stdin_().write("one\n");
    const std::string out = co_await p.stdout_().readline();
    CHECK(out == "out one\n");
    const std::string err = co_await p.stderr_().readline();
    CHECK(err == "err one\n");
    CHECK_FALSE(p.returncode());
    co_await p.stdin_().write("two\n");
    const int code = co_await p.wait();
    CHECK(code == 3);
    CHECK(p.returncode() == 3);
  }());
}

TEST_CASE("process: the end of its input reaches the child: write_eof and close [PROC-1]",
          "[api][process][PROC-1]") {
  run_clean([]() -> coro<> {
    for (const bool eof : {true, false}) {
      process p = co_await create_subprocess_exec(
          process_options("cat").stdin_(stdio::pipe).stdout_(stdio::pipe));
      p.stdin_().write_nowait("all");
      eof ? p.stdin_().write_eof() : p.stdin_().close();
      const std::string all = co_await p.stdout_().read();
      CHECK(all == "all");
      const int code = co_await p.wait();
      CHECK(code == 0);
    }
  }());
}

TEST_CASE(
    "process: input that a pipe does not hold is sent before the end of it [PROC-1]",
    "[api][process][PROC-1]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        process_options("wc", "-c").stdin_(stdio::pipe).stdout_(stdio::pipe));
    p.stdin_().write_nowait(std::string(1'000'000, 'x'));
    p.stdin_().write_eof();
    const std::string count = co_await p.stdout_().read();
    CHECK(std::stoi(count) == 1'000'000);
    co_await p.wait();
  }());
}

TEST_CASE("process: a child can open its standard streams by their names [PROC-1]",
          "[api][process][PROC-1]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        piped(sh("cat /dev/stdin > /dev/stdout; echo err > /dev/stderr")));
    process_output got = co_await p.communicate("in");
    CHECK(*got.stdout_ == "in");
    CHECK(*got.stderr_ == "err\n");
  }());
}

TEST_CASE("process: what is no pipe has no stream, and says how to get one",
          "[api][process]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(sh("exit 0").stdin_(stdio::null));
    CHECK_THROWS_AS(p.stdin_(), invalid_state);
    CHECK_THROWS_AS(p.stdout_(), invalid_state);
    CHECK(test::thrown_by([&] { p.stderr_(); }) ==
          "process: stderr_ is no pipe to us; ask for one with "
          "process_options().stderr_(stdio::pipe)");
    co_await p.wait();
    const process moved = std::move(p);
    CHECK_THROWS_AS(p.pid(), invalid_state);
  }());
}

TEST_CASE("process: its streams are members, as asyncio's attributes (PROC-1)",
          "[api][process][PROC-1]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        process_options("cat").stdin_(stdio::pipe).stdout_(stdio::pipe));
    co_await p.stdin_.write("through\n");
    p.stdin_.close();
    const std::string line = co_await p.stdout_.readline();
    CHECK(line == "through\n");
    CHECK_FALSE(p.stderr_.is_pipe());
    CHECK_THROWS_AS(p.stderr_.write_nowait("x"), invalid_state);
    process moved = std::move(p);
    const std::string rest = co_await moved.stdout_.readline();
    CHECK(rest.empty());
    co_await moved.wait();
  }());
}

TEST_CASE("process: the limit is that of its streams", "[api][process]") {
  run_clean([]() -> coro<> {
    CHECK_THROWS_AS(process_options("x").limit(0), std::invalid_argument);
    process p = co_await create_subprocess_exec(
        process_options("echo", "12345678").limit(4).stdout_(stdio::pipe));
    const auto read = [](stream& from) -> coro<> { co_await from.readline(); };
    const auto line = co_await as_outcome(read(p.stdout_()));
    CHECK_FALSE(line.has_value());
    co_await p.wait();
  }());
}

// ---- communicate -----------------------------------------------------------------------

TEST_CASE("process: communicate feeds, collects both outputs and waits [PROC-2]",
          "[api][process][PROC-2]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(piped(sh("cat; echo err >&2; exit 4")));
    process_output got = co_await p.communicate("some");
    CHECK(got.stdout_ == "some");
    CHECK(got.stderr_ == "err\n");
    CHECK(p.returncode() == 4);
    process_output again = co_await p.communicate();
    CHECK(again.stdout_ == "");
  }());
}

TEST_CASE("process: outputs that are no pipes are none [PROC-2]",
          "[api][process][PROC-2]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        sh("echo x").stdin_(stdio::null).stdout_(stdio::null));
    process_output got = co_await p.communicate();
    CHECK_FALSE(got.stdout_);
    CHECK_FALSE(got.stderr_);
    const auto refused = co_await as_outcome(p.communicate("input for nobody"));
    CHECK_FALSE(refused.has_value());
  }());
}

TEST_CASE("process: without input the child sees an empty one [PROC-2]",
          "[api][process][PROC-2]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        process_options("cat").stdin_(stdio::pipe).stdout_(stdio::pipe));
    process_output got = co_await p.communicate();
    CHECK(got.stdout_ == "");
    CHECK(p.returncode() == 0);
  }());
}

TEST_CASE("process: communicate with much on all three pipes does not block [PROC-2]",
          "[api][process][PROC-2]") {
  run_clean([]() -> coro<> {
    const std::string much(1'000'000, 'x');
    process p = co_await create_subprocess_exec(piped(sh("tee /dev/stderr")));
    process_output got = co_await p.communicate(much);
    CHECK(got.stdout_ == much);
    CHECK(got.stderr_ == much);
  }());
}

TEST_CASE("process: communicate drops input that nobody reads [PROC-3]",
          "[api][process][PROC-3]") {
  run_clean([]() -> coro<> {
    for (const std::size_t size : {1u, 1'000'000u}) {
      process p = co_await create_subprocess_exec(
          sh("exec 0<&-; echo done").stdin_(stdio::pipe).stdout_(stdio::pipe));
      const std::string ready = co_await p.stdout_().readline();
      CHECK(ready == "done\n");
      process_output got = co_await p.communicate(std::string(size, 'x'));
      CHECK(got.stdout_ == "");
      CHECK(p.returncode() == 0);
    }
  }());
}

TEST_CASE("process: a write that nobody reads throws [PROC-3]",
          "[api][process][PROC-3]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(sh("exit 0").stdin_(stdio::pipe));
    co_await p.wait();
    const auto write = [](stream& to) -> coro<> { co_await to.write("x"); };
    const auto end = co_await as_outcome(write(p.stdin_()));
    REQUIRE_FALSE(end.has_value());
    CHECK(test::said(end.error()).find("EPIPE") != std::string::npos);
  }());
}

TEST_CASE("process: a cancelled communicate keeps what was read, for the next",
          "[api][process]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        piped(sh("trap 'echo two; exit 5' TERM; echo one; echo err >&2; exec 2>&-;"
                 "while :; do sleep 0.01; done")));
    const auto first = create_task(p.communicate("input"));
    const auto& out = p.stdout_().core();
    const auto& err = p.stderr_().core();
    while (const_cast<detail::stream_core&>(out).buffer().empty() || !err.ended()) {
      co_await sleep(1ms);
    }
    CHECK(first.cancel("enough"));
    const auto end = co_await as_outcome(first);
    CHECK(end.is_cancelled());
    CHECK_FALSE(p.returncode());
    p.terminate();
    process_output got = co_await p.communicate();
    CHECK(got.stdout_ == "one\ntwo\n");
    CHECK(got.stderr_ == "err\n");
    CHECK(p.returncode() == 5);
  }());
}

TEST_CASE("process: communicate outlives the process object, whose end kills the child",
          "[api][process]") {
  run_clean([]() -> coro<> {
    std::optional<process> p;
    p.emplace(co_await create_subprocess_exec(
        sh("echo x; exec sleep 1000").stdout_(stdio::pipe)));
    const std::string line = co_await p->stdout_().readline();
    CHECK(line == "x\n");
    const auto all = create_task(p->communicate());
    co_await sleep(0ms);
    const auto end = create_task(p->wait());
    p.reset();
    const int code = co_await end;
    CHECK(code == -SIGKILL);
    process_output got = co_await all;
    CHECK(got.stdout_ == "");
  }());
}

// ---- the end of a child ----------------------------------------------------------------

TEST_CASE("process: the returncode is the exit code, or minus the signal [PROC-4]",
          "[api][process][PROC-4]") {
  run_clean([]() -> coro<> {
    const int zero = co_await code_of(sh("exit 0"));
    CHECK(zero == 0);
    const int coded = co_await code_of(sh("exit 77"));
    CHECK(coded == 77);
    const int by_itself = co_await code_of(sh("kill -USR1 $$"));
    CHECK(by_itself == -SIGUSR1);
    using sender = void (*)(process&);
    const std::pair<sender, int> all[] = {
        {[](process& p) { p.terminate(); }, SIGTERM},
        {[](process& p) { p.kill(); }, SIGKILL},
        {[](process& p) { p.send_signal(SIGHUP); }, SIGHUP}};
    for (const auto& [send, signal] : all) {
      process p = co_await create_subprocess_exec(endless());
      CHECK_FALSE(p.returncode());
      send(p);
      CHECK_FALSE(p.returncode());
      const int code = co_await p.wait();
      CHECK(code == -signal);
      CHECK(p.returncode() == -signal);
    }
  }());
}

TEST_CASE("process: any number of tasks may wait, and afterwards too [PROC-5]",
          "[api][process][PROC-5]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(sh("read x; exit 6").stdin_(stdio::pipe));
    const auto a = create_task(p.wait());
    const auto b = create_task(p.wait());
    co_await sleep(0ms);
    p.stdin_().close();
    const int third = co_await p.wait();
    CHECK(third == 6);
    CHECK(co_await a == 6);
    CHECK(co_await b == 6);
    const int later = co_await p.wait();
    CHECK(later == 6);
  }());
}

TEST_CASE("process: a cancelled wait leaves the child and other waiters alone [PROC-6]",
          "[api][process][PROC-6]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(sh("read x; exit 6").stdin_(stdio::pipe));
    const auto one = create_task(p.wait());
    const auto other = create_task(p.wait());
    co_await sleep(0ms);
    one.cancel("enough");
    const auto end = co_await as_outcome(one);
    CHECK(end.is_cancelled());
    CHECK(state_of(p.pid()) == child_state::running);
    p.stdin_().close();
    const int code = co_await other;
    CHECK(code == 6);
    const int again = co_await p.wait();
    CHECK(again == 6);
  }());
}

TEST_CASE("process: no signal for what has ended [PROC-7]", "[api][process][PROC-7]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(sh("exit 0"));
    await_zombie(p.pid());
    p.send_signal(SIGTERM);  // it has ended, and nobody knows yet
    const int code = co_await p.wait();
    CHECK(code == 0);
    const auto no_such_process = [](const uv_error& e) {
      return e.code() == std::errc::no_such_process;
    };
    try {
      p.send_signal(SIGTERM);
      FAIL("it was reaped");
    } catch (const uv_error& e) {
      CHECK(no_such_process(e));
    }
    CHECK_THROWS_AS(p.kill(), uv_error);
    CHECK_THROWS_AS(p.terminate(), uv_error);
  }());
}

TEST_CASE(
    "process: wait tells of the end although others hold its pipes, which asyncio waits "
    "for; what it wrote can be read then [PROC-11]",
    "[api][process][PROC-11]") {
  run_clean([]() -> coro<> {
    // The grandchild has the pipe.
    process p = co_await create_subprocess_exec(
        sh("sleep 1000 & echo $!; exit 2").stdout_(stdio::pipe));
    const int code = co_await p.wait();
    CHECK(code == 2);
    const std::string grandchild = co_await p.stdout_().readline();
    ::kill(std::stoi(grandchild), SIGKILL);
    const std::string rest = co_await p.stdout_().read();
    CHECK(rest.empty());
  }());
}

TEST_CASE("process: all that was written before the end can be read after it [PROC-11]",
          "[api][process][PROC-11]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        sh("head -c 60000 /dev/zero").stdout_(stdio::pipe));
    co_await p.wait();
    const std::string all = co_await p.stdout_().read();
    CHECK(all.size() == 60'000);
  }());
}

// ---- letting go of it ------------------------------------------------------------------

TEST_CASE("process: a creation that is cancelled leaves no child [PROC-8]",
          "[api][process][PROC-8]") {
  run_clean([]() -> coro<> {
    const auto before = create_task(code_of(endless()));
    before.cancel("before it began");
    const auto end = co_await as_outcome(before);
    CHECK(end.is_cancelled());
    CHECK_FALSE(has_children());
  }());
  run_clean([]() -> coro<> {
    const auto after = create_task(code_of(endless()));
    co_await sleep(0ms);
    CHECK(has_children());
    after.cancel("when the child runs");
    const auto end = co_await as_outcome(after);
    CHECK(end.is_cancelled());
    while (has_children()) co_await sleep(1ms);  // the loop reaps it
  }());
}

TEST_CASE("process: close kills a child that runs, and who waits is told [PROC-9]",
          "[api][process][PROC-9]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(endless().stdout_(stdio::pipe));
    const auto waiting = create_task(p.wait());
    co_await sleep(0ms);
    p.close();
    p.close();
    CHECK(p.stdout_().is_closing());
    const int code = co_await waiting;
    CHECK(code == -SIGKILL);
  }());
}

TEST_CASE("process: close of one that has ended does nothing [PROC-9]",
          "[api][process][PROC-9]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(sh("exit 3"));
    co_await p.wait();
    p.close();
    CHECK(p.returncode() == 3);
  }());
}

TEST_CASE("process: destroying it kills the child, and the loop reaps it [PROC-9]",
          "[api][process][PROC-9]") {
  run_clean([]() -> coro<> {
    int pid = 0;
    {
      const process p = co_await create_subprocess_exec(endless());
      pid = p.pid();
    }
    while (state_of(pid) != child_state::reaped) co_await sleep(1ms);
  }());
}

TEST_CASE("process: assigning another closes it [PROC-9]", "[api][process][PROC-9]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_exec(endless());
    const int first = p.pid();
    p = co_await create_subprocess_exec(sh("exit 0"));
    while (state_of(first) != child_state::reaped) co_await sleep(1ms);
    const int code = co_await p.wait();
    CHECK(code == 0);
  }());
}

TEST_CASE("process: debug mode reports one that is dropped while its child runs [PROC-9]",
          "[api][process][PROC-9]") {
  loop l(loop_options().debug());
  event_log log;
  l.set_exception_handler(
      [&](const exception_context& c) { log.push_back(c.message.substr(0, 62)); });
  const auto main = []() -> coro<> {
    {
      const process dropped = co_await create_subprocess_exec(endless());
    }
    process closed = co_await create_subprocess_exec(endless());
    closed.close();
    process ended = co_await create_subprocess_exec(sh("exit 0"));
    co_await ended.wait();
  };
  l.run_until_complete(main());
  CHECK(log ==
        event_log{"a process was dropped while its child ran, which is killed: 's"});
}

TEST_CASE("process: the loop's end kills and reaps what is left", "[api][process]") {
  std::optional<process> kept;
  {
    loop l;
    const auto make = [](std::optional<process>& p) -> coro<> {
      p.emplace(co_await create_subprocess_exec(piped(endless())));
    };
    l.run_until_complete(make(kept));
    CHECK(has_children());
  }
  CHECK_FALSE(has_children());
  CHECK_THROWS_AS(kept->kill(), invalid_state);
}

TEST_CASE("process: a virtual clock stands still while a child runs", "[api][process]") {
  run(
      []() -> coro<> {
        process p = co_await create_subprocess_exec(sh("exec sleep 0.05"));
        const int code = co_await wait_for(p.wait(), 1ms);
        CHECK(code == 0);
      }(),
      run_options().virtual_time());
}
