// Two runs of one program, compared by `sheaf trace diff`.
#include "command.hpp"

#include <sheaf/sheaf.hpp>

#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"

using namespace sheaf;
using namespace std::chrono_literals;
using test::scratch_file;

namespace {

coro<> nap(std::chrono::milliseconds time) { co_await sleep(time); }
coro<> fails() {
  co_await sleep(2ms);
  throw std::runtime_error("no route");
}

coro<> busy(int children) {
  std::vector<coro<>> all;
  for (int i = 0; i < children; ++i) all.push_back(nap(5ms));
  co_await gather(std::move(all));
  try {
    co_await gather(fails(), nap(1h));
  } catch (const std::runtime_error&) {
  }
}

coro<> holds(mutex& m) {
  const auto held = co_await m.scoped_lock();
  co_await sleep(5ms);
}

coro<> contended() {
  mutex m;
  co_await gather(holds(m), holds(m));
}

struct said_by_tool {
  int code;
  std::string out;
};

said_by_tool diff(const scratch_file& a, const scratch_file& b) {
  std::ostringstream text;
  auto* const before = std::cout.rdbuf(text.rdbuf());
  const std::string first = a.path().string();
  const std::string second = b.path().string();
  const std::vector<std::string_view> words{"trace", "diff", first, second};
  const int code = tools::run(words);
  std::cout.rdbuf(before);
  return {code, text.str()};
}

// One place for all, as that where a task is made is part of what is compared.
void record(const scratch_file& file, coro<> scenario, run_options how) {
  run(std::move(scenario), std::move(how.trace(file.path())));
}

/// Runs a scenario twice under one seed; what `diff` says of the two.
said_by_tool twice(const std::function<coro<>()>& scenario, std::uint64_t seed) {
  const scratch_file a("first");
  const scratch_file b("second");
  for (const auto* const file : {&a, &b}) {
    record(*file, scenario(), run_options().virtual_time().seed(seed));
  }
  return diff(a, b);
}

}  // namespace

TEST_CASE("sheaf trace diff: two runs under one seed are the same",
          "[tools][trace_diff]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const said_by_tool said = twice([] { return busy(10); }, seed);
    CAPTURE(said.out);
    CHECK(said.code == 0);
    CHECK(said.out.starts_with("the same: "));
    CHECK(said.out != "the same: 0 events\n");
  }
}

TEST_CASE("sheaf trace diff: so is a run and its replay, which other tasks ran before",
          "[tools][trace_diff]") {
  const scratch_file a("recorded");
  const scratch_file b("replayed");
  const scratch_file schedule("schedule", ".txt");
  record(a, busy(10),
         run_options().virtual_time().seed(4).record_schedule(schedule.path()));
  run(busy(3), run_options().virtual_time());  // the ids of tasks go on
  record(b, busy(10), run_options().virtual_time().replay_schedule(schedule.path()));
  CHECK(diff(a, b).code == 0);
}

TEST_CASE("sheaf trace diff: another seed is another order, told at the first event",
          "[tools][trace_diff]") {
  const scratch_file a("seed-1");
  const scratch_file b("seed-2");
  record(a, busy(10), run_options().virtual_time().seed(1));
  record(b, busy(10), run_options().virtual_time().seed(2));
  const said_by_tool said = diff(a, b);
  CHECK(said.code == 1);
  CHECK(said.out.starts_with("the first difference is event "));
  CHECK(said.out.find("\n  both before: ") != std::string::npos);
  CHECK(said.out.find("\n  " + a.path().string() + ": ") != std::string::npos);
  CHECK(said.out.find("\n  " + b.path().string() + ": ") != std::string::npos);
}

TEST_CASE("sheaf trace diff: a scenario that depends on more than its seed is found out",
          "[tools][trace_diff]") {
  int calls = 0;
  const said_by_tool said = twice([&] { return nap(++calls * 1ms); }, 1);
  CHECK(said.code == 1);
  CHECK(said.out.find("due_us=1001") != std::string::npos);
  CHECK(said.out.find("due_us=2001") != std::string::npos);
}

TEST_CASE("sheaf trace diff: on the real clock times do not count",
          "[tools][trace_diff]") {
  const scratch_file a("real-1");
  const scratch_file b("real-2");
  record(a, nap(1ms), {});
  record(b, nap(4ms), {});
  CHECK(diff(a, b).code == 0);
}

TEST_CASE("sheaf trace diff: a trace that is the begin of another ends there",
          "[tools][trace_diff]") {
  const scratch_file a("short");
  const scratch_file b("long");
  a.write(R"({"traceEvents":[
{"ph":"i","cat":"mark","name":"one","ts":1.000,"pid":1,"tid":1,"s":"t","args":{"task":0}}
],"metadata":{}})");
  b.write(R"({"traceEvents":[
{"ph":"i","cat":"mark","name":"one","ts":7.000,"pid":9,"tid":9,"s":"t","args":{"task":0}},
{"ph":"i","cat":"mark","name":"two","ts":8.000,"pid":9,"tid":9,"s":"t","args":{"task":3}}
],"metadata":{}})");
  const said_by_tool said = diff(a, b);
  CHECK(said.code == 1);
  CHECK(said.out ==
        "the first difference is event 2:\n  both before: mark one task=0   "
        "at 0.001 ms\n  " +
            a.path().string() + ": ends here\n  " + b.path().string() +
            ": mark two task=1   at 0.008 ms\n");
}

TEST_CASE("sheaf trace diff: who holds a mutex goes by what it does, not by its number",
          "[tools][trace_diff]") {
  const said_by_tool said = twice(contended, 1);
  CAPTURE(said.out);
  CHECK(said.code == 0);
}

TEST_CASE("sheaf trace diff: an id that is no number is compared as it stands",
          "[tools][trace_diff]") {
  for (const char* id : {"-1", "1.5", "true", R"(["x"])", "[[[1]]]"}) {
    const scratch_file a("odd");
    a.write(R"({"traceEvents":[{"ph":"b","cat":"task","name":"x","pid":1,"tid":1,)"
            R"("ts":1.000,"args":{"task":)" +
            std::string(id) + R"(}}],"metadata":{}})");
    CHECK(diff(a, a).out == "the same: 1 events\n");
  }
}
