// Programs that have nothing to do with each other, on the loops of two threads at once. What
// they share all the same, such as libuv's pool, its signals and our free lists, is for the
// thread sanitizer to see.
#include "support/two_threads.hpp"
#include "support/catch.hpp"
#include "support/scratch_dir.hpp"
#include "support/tsan_blind_spots.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/directory.hpp>
#include <sheaf/file.hpp>
#include <sheaf/fs.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/line_reader.hpp>
#include <sheaf/process.hpp>
#include <sheaf/resolve.hpp>
#include <sheaf/run_in_executor.hpp>
#include <sheaf/signal_stream.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/thread_pool_executor.hpp>
#include <sheaf/to_thread.hpp>
#include <sheaf/trace.hpp>
#include <sheaf/udp_socket.hpp>
#include <sheaf/watch.hpp>

#include <pthread.h>

#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::run_on_both;
using test::scratch_dir;

namespace {

constexpr int rounds = 20;
constexpr std::array both_all{rounds, rounds};

// ---- files -----------------------------------------------------------------------------

coro<int> lines_of(std::string path) {
  const fs::file f = co_await fs::open(std::move(path));
  const fs::line_reader lines(f);
  int n = 0;
  for (;;) {
    const std::optional<std::string> line = co_await lines.next();
    if (!line) co_return n;
    ++n;
  }
}

coro<int> entries_of(std::string path) {
  const fs::directory d = co_await fs::opendir(std::move(path));
  int n = 0;
  for (;;) {
    const std::optional<fs::entry> entry = co_await d.next();
    if (!entry) co_return n;
    ++n;
  }
}

coro<int> keep_files(std::size_t) {
  const scratch_dir dir;
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    co_await gather(fs::write_file(dir / "a", "1\n2\n3\n"),
                    fs::write_file(dir / "b", "4\n"));
    co_await fs::rename(dir / "a", dir / "c");
    const auto [lines, entries, text] = co_await gather(
        lines_of(dir / "c"), entries_of(dir.path()), fs::read_file(dir / "b"));
    good += lines == 3 && entries == 2 && text == "4\n";
    co_await fs::unlink(dir / "c");
  }
  co_return good;
}

// What a cancelled request holds goes on a thread of libuv's, or after it.
coro<int> give_files_up(std::size_t) {
  const scratch_dir dir;
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto writing =
        create_task(fs::write_file(dir / "a", std::string(100'000, 'x')));
    co_await sleep(0s);
    writing.cancel();
    const auto o = co_await as_outcome(writing);
    const auto missing = co_await as_outcome(fs::read_file(dir / "missing"));
    good += !missing.has_value();
  }
  co_return good;
}

coro<int> watch_files(std::size_t) {
  const scratch_dir dir;
  fs::watcher w = fs::watch(dir.path());
  fs::poll_watcher slow = fs::poll_watch(dir.put("looked at"), 1ms);
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::string name = std::to_string(i);
    co_await fs::write_file(dir / name, "x");
    for (std::optional<fs::change> c; !c || c->name != name;) c = co_await w.next();
    ++good;
  }
  co_await fs::write_file(dir / "looked at", "longer than before");
  static_cast<void>(co_await slow.next());
  co_return good;
}

// ---- names, datagrams ------------------------------------------------------------------

coro<int> ask_names(std::size_t) {
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto [here, name] = co_await gather(
        resolve("localhost", 80), reverse_resolve(address::ip("127.0.0.1", 80)));
    // Let go of while a thread asks for it.
    const auto dropped = create_task(resolve("localhost", 81));
    co_await sleep(0s);
    dropped.cancel();
    const auto o = co_await as_outcome(dropped);
    good += !here.empty() && !name.host.empty();
  }
  co_return good;
}

coro<int> send_datagrams(std::size_t) {
  udp_socket a, b;
  a.bind(address::ip("127.0.0.1", 0));
  b.bind(address::ip("127.0.0.1", 0));
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    co_await a.send_to(std::to_string(i), b.local_address());
    const datagram d = co_await b.receive();
    good += d.bytes == std::to_string(i);
  }
  co_return good;
}

// ---- children, signals -----------------------------------------------------------------

coro<int> have_children(std::size_t which) {
  const int code = static_cast<int>(which) + 3;
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    process_options say("/bin/sh", "-c", "cat; exit " + std::to_string(code));
    say.stdin_(stdio::pipe).stdout_(stdio::pipe);
    process p = co_await create_subprocess_exec(std::move(say));
    process endless = co_await create_subprocess_exec("sleep", "1000");
    const process_output said = co_await p.communicate("hello");
    endless.kill();
    const int ended = co_await endless.wait();
    good += said.stdout_ == "hello" && p.returncode() == code && ended == -SIGKILL;
  }
  co_return good;
}

coro<int> hear_signals(std::size_t which) {
  const int mine = which == 0 ? SIGUSR1 : SIGUSR2;
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    signal_stream s(mine);
    ::pthread_kill(::pthread_self(), mine);
    const int heard = co_await s.next();
    good += heard == mine;
  }
  co_return good;
}

// ---- the library's own threads ---------------------------------------------------------

int fail_if_odd(int n) {
  if (n % 2 != 0) throw std::runtime_error("odd");
  return n;
}

coro<int> use_executor(const thread_pool_executor& shared) {
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto here = run_in_executor(shared, fail_if_odd, i);
    const auto own = to_thread(fail_if_odd, i + 1);
    // Dropped: some of these are called, some are not.
    for (int j = 0; j < 8; ++j) {
      run_in_executor(
          shared, [](std::string s) { return s; }, std::string(100, 'x'))
          .cancel();
    }
    const auto a = co_await as_outcome(here);
    const auto b = co_await as_outcome(own);
    good += a.has_value() == (i % 2 == 0) && b.has_value() != a.has_value();
  }
  co_return good;
}

#ifndef SHEAF_NO_TRACE
coro<int> record(std::size_t) {
  const scratch_dir dir;
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    trace::start(trace_options().path(dir / "trace.json"));
    trace::mark("a mark");
    const int doubled = co_await to_thread([](int n) { return 2 * n; }, i);
    trace::stop();
    const std::string text = co_await fs::read_file(dir / "trace.json");
    good += doubled == 2 * i && text.find("a mark") != std::string::npos;
  }
  co_return good;
}
#endif

}  // namespace

TEST_CASE("two threads: files and directories", "[api][two_threads]") {
  CHECK(run_on_both(keep_files) == both_all);
}

TEST_CASE("two threads: files that are given up", "[api][two_threads]") {
  CHECK(run_on_both(give_files_up) == both_all);
}

TEST_CASE("two threads: watched files", "[api][two_threads]") {
  CHECK(run_on_both(watch_files) == both_all);
}

TEST_CASE("two threads: names", "[api][two_threads]") {
  CHECK(run_on_both(ask_names) == both_all);
}

TEST_CASE("two threads: datagrams", "[api][two_threads]") {
  CHECK(run_on_both(send_datagrams) == both_all);
}

TEST_CASE("two threads: children", "[api][two_threads]") {
  CHECK(run_on_both(have_children) == both_all);
}

TEST_CASE("two threads: signals", "[api][two_threads]") {
  CHECK(run_on_both(hear_signals) == both_all);
}

TEST_CASE("two threads: one executor and one of each loop", "[api][two_threads]") {
  const thread_pool_executor shared(2);
  const auto use = [&](std::size_t) { return use_executor(shared); };
  CHECK(run_on_both(use) == both_all);
}

#ifndef SHEAF_NO_TRACE
TEST_CASE("two threads: traces", "[api][two_threads]") {
  CHECK(run_on_both(record) == both_all);
}
#endif
