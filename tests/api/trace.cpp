#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/hedge.hpp>
#include <sheaf/map.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/race.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/trace.hpp>

#include "support/catch.hpp"
#include "support/trace_lines.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
namespace fs = std::filesystem;

using test::has;
using test::scratch_file;

namespace {

sheaf::coro<> nap() { co_await sheaf::sleep(1ms); }

sheaf::coro<> two_naps() { co_await sheaf::gather(nap(), nap()); }

sheaf::coro<> traced_in_part(fs::path file) {
  auto before = sheaf::create_task(nap(), sheaf::task_options().name("before"));
  co_await sheaf::sleep(0s);
  sheaf::trace::start(sheaf::trace_options().path(file));
  auto during = sheaf::create_task(nap(), sheaf::task_options().name("during"));
  co_await before;
  co_await during;
  sheaf::trace::stop();
  sheaf::trace::stop();  // nothing is recorded: without effect
}

sheaf::coro<> start_twice(fs::path file) {
  sheaf::trace::start(sheaf::trace_options().path(file));
  sheaf::trace::start(sheaf::trace_options().path(file));
  co_return;
}

}  // namespace

TEST_CASE("trace: run_options().trace() leaves a file with tasks, waits and the gather",
          "[trace]") {
  const scratch_file file("sheaf-run");
  sheaf::run(two_naps(), sheaf::run_options().virtual_time().trace(file.path()));
  const std::string text = file.text();
  CHECK(has(text, "\"sheaf-trace/1\""));
  CHECK(has(text, "gather(2)"));
  CHECK(has(text, "await sleep"));
  CHECK(has(text, "trace.cpp:"));  // the places of the awaits
}

TEST_CASE("trace: a wait for a mutex names the task that holds it", "[trace]") {
  const scratch_file file("sheaf-mutex");
  const auto body = []() -> sheaf::coro<std::uint64_t> {
    sheaf::mutex m;
    const auto use = [](sheaf::mutex& of) -> sheaf::coro<> {
      const auto g = co_await of.scoped_lock();
      co_await nap();
    };
    const auto first = sheaf::create_task(use(m));
    const auto second = sheaf::create_task(use(m));
    co_await sheaf::gather(first, second);
    co_return first.id();
  };
  const auto holder =
      sheaf::run(body(), sheaf::run_options().virtual_time().trace(file.path()));
  CHECK(has(file.text(), "\"on\":\"mutex\",\"held_by\":" + std::to_string(holder) + ","));
}

TEST_CASE("trace: a file that cannot be written is an error before the work", "[trace]") {
  bool ran = false;
  const auto work = [](bool& flag) -> sheaf::coro<> {
    flag = true;
    co_return;
  };
  try {
    sheaf::run(work(ran), sheaf::run_options().trace("/no-such-folder/t.json"));
    FAIL("run() went on");
  } catch (const std::system_error& e) {
    CHECK(has(e.what(), "/no-such-folder/t.json"));
  }
  CHECK_FALSE(ran);
}

TEST_CASE("trace: start and stop record a part of a run", "[trace]") {
  const scratch_file file("sheaf-part");
  sheaf::run(traced_in_part(file.path()), sheaf::run_options().virtual_time());
  const std::string text = file.text();
  CHECK(has(text, "\"before\""));
  CHECK(has(text, "\"during\""));
}

TEST_CASE("trace: a loop is traced once at a time", "[trace]") {
  const scratch_file file("sheaf-twice");
  CHECK_THROWS_AS(sheaf::run(start_twice(file.path())), sheaf::invalid_state);
}

TEST_CASE("trace: SHEAF_TRACE traces a program that says nothing of it", "[trace]") {
  const scratch_file file("sheaf-environment");
  setenv("SHEAF_TRACE", file.path().c_str(), 1);
  sheaf::run(two_naps(), sheaf::run_options().virtual_time());
  unsetenv("SHEAF_TRACE");
  CHECK(has(file.text(), "gather(2)"));
}

namespace {

sheaf::coro<int> failing_nap() {
  co_await sheaf::sleep(1ms);
  throw std::runtime_error("x");
}

sheaf::coro<int> nap_of(int i) {
  co_await sheaf::sleep(1ms);
  co_return i;
}

sheaf::coro<> several_joins() {
  co_await sheaf::race(nap(), nap_of(1));
  co_await sheaf::hedge(1h, nap_of, 1);
  const std::vector<int> three{1, 2, 3};
  co_await sheaf::map(three, nap_of, sheaf::limit(1));
  const auto failed =
      sheaf::gather(sheaf::leave_running, failing_nap(), nap(), nap(), nap());
  co_await sheaf::as_outcome(failed);
}

/// How often a join of that label stands in the text with that key.
std::size_t count(const std::string& text, const std::string& label,
                  const std::string& key) {
  std::size_t n = 0;
  for (auto at = text.find(label); at != std::string::npos;
       at = text.find(label, at + 1)) {
    const auto end = text.find('\n', at);
    n += text.substr(at, end - at).find(key) != std::string::npos ? 1 : 0;
  }
  return n;
}

}  // namespace

TEST_CASE("trace: each join is there by its name, with its children and its end",
          "[api][trace]") {
  const scratch_file file("sheaf-trace-joins");
  sheaf::run(several_joins(), sheaf::run_options().trace(file.path()).virtual_time());
  const std::string text = file.text();
  for (const char* const label : {"race(2)", "hedge(2)", "map(3)", "gather(4)"}) {
    INFO(label);
    CHECK(count(text, label, "\"owner\":") == 1);
    CHECK(count(text, label, "\"result\":") == 1);  // leave_running's too
  }
}
