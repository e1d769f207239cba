#include <sheaf/runtime/trace_json.hpp>

#include <sheaf/runtime/trace.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "support/catch.hpp"

using namespace sheaf::runtime;

namespace {

const trace_place here{"../examples/demo.cpp", 41};

trace_meta meta() {
  trace_meta about;
  about.process = "demo";
  about.pid = 16;
  about.tid = 17;
  return about;
}

std::string json_of(const trace_recorder& recorder) {
  std::ostringstream out;
  write_chrome_trace(out, recorder, meta());
  return out.str();
}

bool holds(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

trace_task spawned(trace_recorder& recorder, std::uint64_t at, std::uint64_t id,
                   std::uint64_t parent, std::string_view name,
                   trace_place where = here) {
  const trace_task task{id, recorder.intern(name)};
  recorder.task_spawned(at, id, parent, task.name, where);
  return task;
}

std::size_t count(const std::string& text, const std::string& words) {
  std::size_t found = 0;
  for (auto at = text.find(words); at != text.npos; at = text.find(words, at + 1))
    ++found;
  return found;
}

std::string field(const std::string& line, const std::string& key) {
  const auto from = line.find("\"" + key + "\":");
  if (from == line.npos) return "";
  const auto begin = from + key.size() + 3;
  return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

// "ph name ts" of each event of a category, and "dur" of slices: a trace as a reader of
// order sees it.
std::vector<std::string> story(const trace_recorder& recorder, const std::string& cat) {
  std::vector<std::string> lines;
  std::istringstream text(json_of(recorder));
  for (std::string line; std::getline(text, line);) {
    if (!holds(line, "\"cat\":\"" + cat + "\"")) continue;
    const auto phase = field(line, "ph");
    const auto name = field(line, "name");
    auto told = phase.substr(1, 1) + " " + name.substr(1, name.size() - 2) + " " +
                field(line, "ts");
    if (const auto dur = field(line, "dur"); !dur.empty()) told += " +" + dur;
    lines.push_back(told);
  }
  return lines;
}

using lines = std::vector<std::string>;

}  // namespace

TEST_CASE("trace json: an empty recording is a file", "[runtime][trace_json]") {
  const auto text = json_of(trace_recorder());
  CHECK(holds(text, "{\"traceEvents\":[\n"));
  CHECK(holds(text, R"("metadata":{"schema":"sheaf-trace/1",)"));
  CHECK(holds(text,
              R"("thread_name","ts":0.000,"pid":16,"tid":17,"args":{"name":"loop"}})"));
}

TEST_CASE("trace json: a task is ready, runs, waits, and ends", "[runtime][trace_json]") {
  trace_recorder recorder(trace_limits::full(), 5000);
  const trace_task task = spawned(recorder, 5100, 1, 0, "fetch");
  recorder.task_waits(5300, 1, "sleep", 1'005'300, here);
  recorder.step(5200, 5400, task, 1);
  recorder.task_woken(5500, task, 0);
  recorder.task_done(5700, task);
  recorder.step(5600, 5800, task, 2);
  CHECK(story(recorder, "task") ==
        lines{"b fetch 1.100", "b ready 1.100", "e ready 1.200", "X fetch 1.200 +0.200",
              "b await sleep 1.300", "e await sleep 1.500", "b ready 1.500",
              "e ready 1.600", "X fetch 1.600 +0.200", "e fetch 1.700"});
  const auto text = json_of(recorder);
  CHECK(holds(
      text,
      R"("id":"0x1000000001","args":{"task":1,"parent":0,"at":"examples/demo.cpp:41"}})"));
  CHECK(holds(text, R"("on":"sleep","for_us":1000,)"));
  CHECK(holds(text, R"("args":{"task":1,"state":"done"}})"));
}

TEST_CASE("trace json: a task alive at the end is ended and marked open",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  spawned(recorder, 100, 1, 0, "fetch");
  CHECK(count(json_of(recorder), R"("open":true)") == 2);  // the task and its ready
}

TEST_CASE("trace json: a task whose begin was lost starts where it is seen",
          "[runtime][trace_json]") {
  trace_recorder recorder(trace_limits::flight(64));
  const auto name = recorder.intern("fetch");
  recorder.step(100, 200, {9, name}, 4);
  recorder.task_done(300, {9, name});
  CHECK(story(recorder, "task") ==
        lines{"b fetch 1.000", "X fetch 1.000 +0.100", "e fetch 1.200"});
  CHECK(holds(json_of(recorder), R"("cut":true)"));
}

TEST_CASE("trace json: what reaches a task after its end gives it no second life",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task task = spawned(recorder, 100, 1, 0, "fetch");
  recorder.task_done(200, task);
  recorder.cancel_requested(300, task, 0, "late", here);
  recorder.task_woken(400, task, 0);
  CHECK(count(json_of(recorder), R"("ph":"b")") == 2);
  CHECK(count(json_of(recorder), R"("ph":"e")") == 2);
}

TEST_CASE("trace json: a yield that queued itself first is ready at once",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task task = spawned(recorder, 100, 1, 0, "t");
  recorder.task_woken(250, task, 1);
  recorder.task_waits(300, 1, "yield", 0, here);
  recorder.step(200, 400, task, 1);
  recorder.step(500, 600, task, 2);
  const auto told = story(recorder, "task");
  CHECK(told[4] == "b ready 1.200");
  CHECK(told[5] == "e ready 1.400");
}

TEST_CASE("trace json: a group, which begins without children, counts those it gets",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.task_spawned(100, 1, 0, recorder.intern("main"), here);
  recorder.join_begin(210, 5, "task_group", 0, 1);
  for (std::uint64_t child : {2, 3, 4}) {
    recorder.task_spawned(220 + child, child, 1, recorder.intern("serve"), here);
    recorder.join_child(230 + child, 5, child);
    recorder.task_done(300 + child, {child, 0});
  }
  recorder.join_end(420, 5, trace_result::ok, 0);
  const auto text = json_of(recorder);
  CHECK(story(recorder, "join") ==
        lines{"b task_group(3) 1.110", "e task_group(3) 1.320"});
  CHECK(holds(text, R"("args":{"join":5,"owner":1,"n":3,"children":[2,3,4]}})"));
}

TEST_CASE("trace json: a gather names its children, who decided, and their order",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task parent = spawned(recorder, 100, 1, 0, "main");
  recorder.join_begin(210, 5, "gather", 2, 1);
  for (std::uint64_t child : {2, 3}) {
    spawned(recorder, 220 + child, child, 1, "fetch");
    recorder.join_child(230 + child, 5, child);
  }
  recorder.task_waits(240, 1, "gather", 5, here);
  recorder.step(200, 250, parent, 1);
  recorder.task_done(310, {3, 0});
  recorder.step(300, 320, {3, 0}, 1);
  recorder.task_failed(410, {2, 0}, "no route");
  recorder.join_end(420, 5, trace_result::error, 2);
  recorder.task_woken(430, parent, 2);
  recorder.step(400, 440, {2, 0}, 1);
  const auto text = json_of(recorder);
  CHECK(story(recorder, "join") == lines{"b gather(2) 1.110", "e gather(2) 1.320"});
  CHECK(holds(text, R"("args":{"join":5,"owner":1,"n":2,"children":[2,3]}})"));
  CHECK(holds(text, R"("on":"gather","join":5,"children":[2,3],)"));
  CHECK(holds(text, R"("args":{"join":5,"result":"error","first":2,"order":[3,2]}})"));
  CHECK(holds(text, R"("state":"error","error":"no route")"));
}

TEST_CASE("trace json: a cancel names who, why and where", "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task task = spawned(recorder, 100, 2, 0, "fetch");
  recorder.task_waits(220, 2, "future", 0, here);
  recorder.step(200, 300, task, 1);
  recorder.cancel_requested(410, task, 1, "too late", here);
  recorder.task_woken(420, task, 1);
  recorder.step(400, 430, {1, 0}, 7);
  recorder.task_cancelled(510, task, 1, "too late", here);
  recorder.step(500, 520, task, 2);
  const auto text = json_of(recorder);
  const std::string cause =
      R"("by":1,"by_name":"Task-1","reason":"too late","at":"examples/demo.cpp:41")";
  CHECK(holds(text, "\"args\":{" + cause + R"(,"task":2}})"));
  CHECK(holds(text, R"("state":"cancelled",)" + cause + "}}"));
  CHECK(holds(
      text,
      R"("name":"await future","ts":1.320,"pid":16,"tid":17,"id":"0x1000000002","args":{"task":2,"result":"cancelled"}})"));
  CHECK(story(recorder, "flow") == lines{"s cancel 1.310", "f cancel 1.401"});
}

TEST_CASE("trace json: arrows lead from what woke a task to its step",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task one = spawned(recorder, 100, 1, 0, "one");
  const trace_task two = spawned(recorder, 220, 2, 1, "two");
  recorder.step(200, 300, one, 1);
  recorder.step(400, 500, two, 1);
  recorder.task_woken(620, one, 0);
  recorder.callback(600, 700, "timer");
  recorder.step(800, 900, one, 2);
  // Task 1 was spawned outside of all slices, where an arrow cannot begin.
  CHECK(story(recorder, "flow") ==
        lines{"s spawn 1.120", "f spawn 1.301", "s wake 1.520", "f wake 1.701"});
  const auto text = json_of(recorder);
  CHECK(count(text, R"("bp":"e")") == 2);
}

TEST_CASE("trace json: a wake-up that led to no step has no arrow",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.task_woken(220, {1, 0}, 0);
  recorder.callback(200, 300, "timer");
  CHECK(story(recorder, "flow").empty());
}

TEST_CASE("trace json: slices that touch are parted by a nanosecond",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.step(100, 200, {1, 0}, 1);
  recorder.step(200, 300, {2, 0}, 1);
  recorder.callback(100, 300, "drain");
  CHECK(story(recorder, "cb") == lines{"X drain 1.000 +0.201"});
  CHECK(story(recorder, "task")[1] == "X Task-1 1.002 +0.098");
  CHECK(holds(json_of(recorder),
              R"("name":"Task-2","ts":1.101,"pid":16,"tid":17,"dur":0.099)"));
}

TEST_CASE("trace json: under a virtual clock order takes the place of time",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task one = spawned(recorder, 100, 1, 0, "one");
  const trace_task two = spawned(recorder, 100, 2, 1, "two");
  recorder.step(100, 100, one, 1);
  recorder.task_done(100, two);
  recorder.step(100, 100, two, 1);
  recorder.task_done(100, one);
  recorder.step(100, 100, one, 2);
  lines slices;
  for (const auto& line : story(recorder, "task")) {
    if (line[0] == 'X') slices.push_back(line);
  }
  CHECK(slices ==
        lines{"X one 1.001 +0.003", "X two 1.005 +0.003", "X one 1.009 +0.003"});
}

TEST_CASE("trace json: a poll is drawn before the callbacks that it woke",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.callback(500, 600, "read");
  recorder.poll(100, 400, 5);
  recorder.iteration(400, 700);
  CHECK(story(recorder, "loop") ==
        lines{"X poll 1.000 +0.300", "X iteration 1.301 +0.299"});
  CHECK(story(recorder, "cb") == lines{"X read 1.400 +0.100"});
}

TEST_CASE("trace json: on a borrowed loop callbacks run inside the poll",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.callback(200, 300, "read");
  recorder.poll(100, 400, 5);
  CHECK(story(recorder, "loop") == lines{"X poll 1.000 +0.300"});
  CHECK(story(recorder, "cb") == lines{"X read 1.100 +0.100"});
}

TEST_CASE("trace json: work of the pool is drawn on its thread",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.work_submitted(150, 8, "work: dns", 1);
  recorder.step(100, 200, {1, 0}, 1);
  recorder.work_ran(5'300, 9'000, 8, "work: dns", 99);
  CHECK(story(recorder, "pool") == lines{"X work: dns 6.200 +3.700"});
  CHECK(story(recorder, "flow") == lines{"s submit 1.050", "f submit 6.201"});
  const auto text = json_of(recorder);
  CHECK(holds(text, R"("args":{"request":8,"task":1,"queued_us":5}})"));
  CHECK(holds(text, R"("tid":99,"args":{"name":"pool 0"}})"));
}

TEST_CASE("trace json: a cancellation names a task that has ended by then",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  spawned(recorder, 100, 1, 0, "watch");
  const trace_task two = spawned(recorder, 110, 2, 0, "fetch");
  recorder.task_done(120, {1, 0});
  recorder.cancel_requested(130, two, 1, "too late", here);
  CHECK(holds(json_of(recorder), R"("by":1,"by_name":"watch")"));
}

TEST_CASE("trace json: a child without a place of its own has that of the join",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  const trace_task parent = spawned(recorder, 100, 1, 0, "main");
  spawned(recorder, 210, 2, 1, "fetch", {});
  spawned(recorder, 211, 3, 1, "nap", {});  // of a join that nobody awaits
  spawned(recorder, 212, 4, 1, "own", {"a.cpp", 7});
  recorder.join_begin(220, 5, "gather", 2, 1);
  recorder.join_child(220, 5, 2);
  recorder.join_child(220, 5, 4);
  recorder.join_begin(230, 6, "gather", 1, 1);
  recorder.join_child(230, 6, 3);
  recorder.task_waits(240, 1, "sleep", 6, here);  // an id of something else
  recorder.task_waits(250, 1, "gather", 5, here);
  recorder.step(200, 260, parent, 1);
  const auto text = json_of(recorder);
  CHECK(holds(text, R"("task":2,"parent":1,"at":"examples/demo.cpp:41","join":5}})"));
  CHECK(holds(text, R"("task":3,"parent":1}})"));
  CHECK(holds(text, R"("task":4,"parent":1,"at":"a.cpp:7"}})"));
}

TEST_CASE("trace json: warnings, marks and counters", "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.blocked(300, 66'000'000, 1, here, {"demo.cpp", 43});
  recorder.unretrieved(400, {1, 0}, "no route");
  recorder.mark(500, 1, "half way");
  recorder.counters(600, 3, 5, 4);
  recorder.counters(700, 3, 5, 4);  // as before: not a record
  const auto text = json_of(recorder);
  CHECK(holds(
      text,
      R"("s":"p","args":{"us":66000,"at":"demo.cpp:43","from":"examples/demo.cpp:41","task":1}})"));
  CHECK(holds(text, R"("name":"future.unretrieved")"));
  CHECK(holds(text, R"("cat":"mark","name":"half way")"));
  CHECK(count(text,
              R"("name":"ready","ts":1.300,"pid":16,"tid":17,"args":{"depth":3}})") == 1);
  CHECK(holds(text, R"("args":{"armed":5}})"));
  CHECK(holds(text, R"("args":{"live":4}})"));
  CHECK(count(text, R"("ph":"C")") == 3);
}

TEST_CASE("trace json: timers are numbered as they are armed", "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.timer_arm(100, 77, 2'000'100, 1);
  recorder.timer_arm(110, 78, 3'000'100, 2);
  recorder.timer_fire(200, 77, 70'000);
  recorder.timer_arm(300, 77, 4'000'100, 3);  // an id that is used again
  recorder.timer_disarm(400, 78);
  recorder.timer_disarm(500, 99);  // armed before the recording
  CHECK(story(recorder, "timer") ==
        lines{"i timer.arm 1.000", "i timer.arm 1.010", "i timer.fire 1.100",
              "i timer.arm 1.200", "i timer.disarm 1.300", "i timer.disarm 1.400"});
  const auto text = json_of(recorder);
  CHECK(holds(text, R"("s":"t","args":{"timer":1,"due_us":2001,"task":1}})"));
  CHECK(holds(text, R"("s":"t","args":{"timer":1,"late_us":70,"task":1}})"));
  CHECK(holds(text, R"("s":"t","args":{"timer":3,"due_us":4001,"task":3}})"));
  CHECK(holds(text, R"("s":"t","args":{"timer":2,"task":2}})"));
  CHECK(holds(text, R"("s":"t","args":{"timer":4,"task":0}})"));
}

TEST_CASE("trace json: a jump of a virtual clock is a poll between two turns",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.step(100, 100, {1, 0}, 1);
  recorder.iteration(100, 100);
  recorder.poll(100, 5'000'100, -1);
  recorder.timer_fire(5'000'100, 1, 0);
  recorder.step(5'000'100, 5'000'100, {1, 0}, 2);
  recorder.iteration(5'000'100, 5'000'100);
  CHECK(story(recorder, "loop") == lines{"X iteration 1.000 +0.005",
                                         "X poll 1.006 +4999.994",
                                         "X iteration 5001.001 +0.006"});
}

TEST_CASE("trace json: names are escaped and always UTF-8", "[runtime][trace_json]") {
  trace_recorder recorder;
  recorder.mark(100, 0, "a\"b\\c\n\x01\xff end");
  CHECK(holds(json_of(recorder), R"("name":"a\"b\\c\n\u0001)"
                                 "\xef\xbf\xbd end\""));
}

TEST_CASE("trace json: lost records are told", "[runtime][trace_json]") {
  trace_recorder recorder(trace_limits::full(1));
  recorder.mark(100, 0, "one");
  recorder.mark(200, 0, "two");
  CHECK(holds(json_of(recorder), R"("dropped":1)"));
  CHECK(holds(json_of(recorder), R"("mode":"full")"));
}

TEST_CASE("trace json: a million records nest and stay in order",
          "[runtime][trace_json]") {
  trace_recorder recorder;
  for (std::uint64_t i = 0; i < 300'000; ++i) {
    recorder.step(i * 100, i * 100 + 90, {1 + i % 7, 0}, 1);
    if (i % 3 == 2) recorder.iteration(i * 100 - 200, i * 100 + 95);
  }
  std::istringstream text(json_of(recorder));
  double last = 0;
  std::size_t slices = 0;
  for (std::string line; std::getline(text, line);) {
    if (!holds(line, "\"ph\":\"X\"")) continue;
    const auto ts = std::stod(field(line, "ts"));
    REQUIRE(ts >= last);
    last = ts;
    ++slices;
  }
  CHECK(slices == 400'000);
}

TEST_CASE("trace file: a path that cannot be written is told before the run",
          "[runtime][trace_json]") {
  try {
    trace_file("/no/such/folder/t.json");
    FAIL("opened");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::no_such_file_or_directory);
    CHECK(holds(error.what(), "/no/such/folder/t.json"));
  }
  CHECK_THROWS_AS(trace_file("/"), std::system_error);
}

TEST_CASE("trace file: a full disk is an error with its name", "[runtime][trace_json]") {
  if (!std::filesystem::exists("/dev/full")) return;
  try {
    write_chrome_trace(std::filesystem::path("/dev/full"), trace_recorder(), meta());
    FAIL("written");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::no_space_on_device);
    CHECK(holds(error.what(), "/dev/full"));
  }
}

TEST_CASE("trace file: what was there before is replaced", "[runtime][trace_json]") {
  const auto path = std::filesystem::temp_directory_path() / "sheaf_trace_json_test.json";
  std::ofstream(path) << std::string(100'000, 'x');
  write_chrome_trace(path, trace_recorder(), meta());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  CHECK(text.str() == json_of(trace_recorder()));
}

TEST_CASE("trace json: a stream that fails is an error", "[runtime][trace_json]") {
  std::ofstream closed;
  CHECK_THROWS_AS(write_chrome_trace(closed, trace_recorder(), meta()),
                  std::system_error);
}
