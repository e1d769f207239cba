#include "support/catch.hpp"
#include "support/cut_io.hpp"
#include "support/run_clean.hpp"

#include <sheaf/gather.hpp>

using namespace sheaf;
using test::endless;
using test::sh;
using test::cut::lives;
using test::cut::witness;

// Subprocesses cut off at every batch: cancelled there, or their loop destroyed there.

namespace {

void cut_everywhere(const test::cut::scenario& s) {
  test::warm_up_libuv();
  test::cut::io_everywhere(s);
  CHECK_FALSE(test::has_children());
}

process_options piped(process_options how) {
  return how.stdin_(stdio::pipe).stdout_(stdio::pipe).stderr_(stdio::pipe);
}

}  // namespace

TEST_CASE("process: communicate, cut off anywhere, leaves no child [PROC-8]",
          "[api][process][PROC-8]") {
  cut_everywhere([](lives& l) -> coro<> {
    const witness w(l);
    process p = co_await create_subprocess_exec(piped(sh("cat; echo err >&2")));
    const process_output got = co_await p.communicate("in");
    if (got.stdout_ != "in" || p.returncode() != 0) throw test::failure("wrong");
  });
}

TEST_CASE("process: a dialogue, cut off anywhere, leaves no child", "[api][process]") {
  cut_everywhere([](lives& l) -> coro<> {
    const witness w(l);
    process p = co_await create_subprocess_exec(
        process_options("cat").stdin_(stdio::pipe).stdout_(stdio::pipe));
    co_await p.stdin_().write("one\n");
    const std::string line = co_await p.stdout_().readline();
    if (line != "one\n") throw test::failure("wrong");
    p.stdin_().close();
    co_await p.wait();
  });
}

TEST_CASE("process: waits of several tasks and a kill, cut off anywhere",
          "[api][process]") {
  const auto wait = [](lives& l, process& p) -> coro<int> {
    const witness w(l);
    co_return co_await p.wait();
  };
  cut_everywhere([wait](lives& l) -> coro<> {
    const witness w(l);
    process p = co_await create_subprocess_exec(endless().stdin_(stdio::null));
    p.kill();
    co_await gather(wait(l, p), wait(l, p));
    process dropped = co_await create_subprocess_shell("exec sleep 1000");
  });
}
