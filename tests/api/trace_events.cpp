// What a real run leaves in its trace: timers, counters, names, places, causes, warnings.
#include <sheaf/as_completed.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/trace.hpp>
#include <sheaf/wait.hpp>

#include <chrono>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/trace_lines.hpp"

using namespace sheaf;
using namespace std::chrono_literals;
using test::events;
using test::field;
using test::has;
using lines = std::vector<std::string>;

namespace {

template <class Main>
void record(const test::scratch_file& file, Main main) {
  run(main(), run_options().virtual_time().trace(file.path()));
}

unsigned here(std::source_location at = std::source_location::current()) {
  return at.line();
}

std::string place(unsigned line) { return "trace_events.cpp:" + std::to_string(line); }

void hold(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

coro<> nap() { co_await sleep(5ms); }
coro<> nap_for(std::chrono::milliseconds time) { co_await sleep(time); }
coro<int> at_once(int value) { co_return value; }
coro<int> nested() { co_return co_await at_once(1); }
coro<> fails() {
  co_await sleep(1ms);
  throw std::runtime_error("no route");
}

struct server {
  coro<> serve(const std::string&) { co_await sleep(1ms); }
};

}  // namespace

TEST_CASE("trace events: a sleep arms a timer, which fires", "[api][trace]") {
  const test::scratch_file file("timer");
  record(file, nap);
  const lines told = events(file, {"\"cat\":\"timer\""});
  REQUIRE(told.size() == 2);
  CHECK(field(told[0], "name") == "timer.arm");
  CHECK(field(told[1], "name") == "timer.fire");
  CHECK(field(told[0], "timer") == field(told[1], "timer"));
  CHECK(field(told[1], "late_us") == "0");
  // Virtual time begins at 1 us, and the deadline is as long after the arming as was asked.
  CHECK(field(told[0], "due_us") == "5001");
  const lines main = events(file, {"\"ph\":\"b\"", "\"name\":\"nap()\""});
  REQUIRE(main.size() == 1);
  CHECK(field(told[0], "task") == field(main[0], "task"));
  CHECK(field(told[1], "task") == field(main[0], "task"));
}

TEST_CASE("trace events: a deadline that is not needed is disarmed", "[api][trace]") {
  const test::scratch_file file("disarm");
  record(file, []() -> coro<> {
    const std::vector<task<>> soon(1, create_task(nap()));
    static_cast<void>(co_await wait(soon, wait_options().timeout(1h)));
    const std::vector<task<>> never(1, create_task(nap_for(1h)));
    co_await sleep(0s);
    never[0].cancel();
    static_cast<void>(co_await wait(never));
    loop::current().call_later(1h, [] {}).cancel();
  });
  CHECK(events(file, {"\"timer.arm\""}).size() == 4);
  CHECK(events(file, {"\"timer.fire\""}).size() == 1);
  CHECK(events(file, {"\"timer.disarm\""}).size() == 3);
}

TEST_CASE("trace events: a timer that was armed before the recording fires in it",
          "[api][trace]") {
  const test::scratch_file file("armed-before");
  const auto main = [](std::filesystem::path path) -> coro<> {
    auto child = create_task(nap());
    co_await sleep(0s);
    trace::start(trace_options().path(path));
    co_await child;
    trace::stop();
  };
  run(main(file.path()), run_options().virtual_time());
  CHECK(events(file, {"\"timer.arm\""}).empty());
  CHECK(events(file, {"\"timer.fire\"", "\"task\":0"}).size() == 1);
}

TEST_CASE("trace events: counters show the queue, the timers and the tasks",
          "[api][trace]") {
  const test::scratch_file file("counters");
  record(file, []() -> coro<> { co_await gather(nap(), nap(), nap()); });
  const auto has_value = [&](const char* name, const std::string& value) {
    return !events(file, {"\"ph\":\"C\"", name, value}).empty();
  };
  CHECK(has_value("\"ready\"", "\"depth\":3}"));  // the timers that are due together
  CHECK(has_value("\"timers\"", "\"armed\":3}"));
  CHECK(has_value("\"tasks\"", "\"live\":4}"));
  const lines depth = events(file, {"\"ph\":\"C\"", "\"ready\""});
  CHECK(field(depth.back(), "depth") == "0");  // at rest
}

TEST_CASE("trace events: a jump of virtual time is a poll, not work", "[api][trace]") {
  const test::scratch_file file("jump");
  record(file, []() -> coro<> {
    co_await sleep(1h);
    co_await sleep(2h);
  });
  const lines polls = events(file, {"\"poll\""});
  REQUIRE(polls.size() == 2);
  CHECK(std::stod(field(polls[0], "dur")) > 3.599e9);
  CHECK(std::stod(field(polls[1], "dur")) > 7.199e9);
  const lines turns = events(file, {"\"iteration\""});
  CHECK(turns.size() >= 3);
  for (const auto& turn : turns) CHECK(std::stod(field(turn, "dur")) < 1e3);
  CHECK_FALSE(events(file, {"\"name\":\"wake\""}).empty());  // from the turn of the timer
}

TEST_CASE("trace events: a clock that is moved by hand shows the same", "[api][trace]") {
  const test::scratch_file file("manual");
  loop l(loop_options().manual_time());
  l.tasks().start_trace(file.path());
  auto t = l.create_task(nap_for(1000ms));
  while (l.turn() && l.core().next_deadline() == runtime::timing_wheel::never) {
  }
  l.advance(1s);
  while (!t.done()) l.turn();
  l.tasks().stop_trace();
  const lines polls = events(file, {"\"poll\""});
  REQUIRE(polls.size() == 1);
  CHECK(std::stod(field(polls[0], "dur")) > 999e3);
}

TEST_CASE("trace events: a task without a name goes by its coroutine's function",
          "[api][trace]") {
  const test::scratch_file file("names");
  server s;
  record(file, [&s]() -> coro<> {
    auto lambda = [](int) -> coro<> { co_return; };
    co_await gather(nap(), at_once(1), nested(), s.serve("x"), lambda(1));
    co_await create_task(nap(), task_options().name("a given one"));
  });
  const auto tasks = [&](const std::string& name) {
    return events(file, {"\"ph\":\"b\"", "\"parent\"", "\"name\":\"" + name + "\""})
        .size();
  };
  CHECK(tasks("nap()") == 1);
  CHECK(tasks("at_once(int)") == 1);  // it never awaits
  CHECK(tasks("nested()") == 1);      // its own, not what it awaits
  CHECK(tasks("serve(const std::string&)") + tasks("serve(const std::string &)") +
            tasks("serve(...)") ==
        1);
  CHECK(tasks("a given one") == 1);
  CHECK(events(file, {"\"parent\"", "::lambda("}).size() == 2);
  CHECK(events(file, {"\"ph\":\"X\"", "\"name\":\"nap()\""}).size() == 2);
  CHECK(events(file, {"\"parent\""}).size() == 7);
}

TEST_CASE("trace events: a task that began before the recording has its name too",
          "[api][trace]") {
  const test::scratch_file file("alive");
  const auto outer = [](std::filesystem::path path) -> coro<> {
    trace::start(trace_options().path(path));
    co_await sleep(1ms);
    trace::stop();
  };
  const auto main = [&]() -> coro<> {
    auto child = create_task(nap());
    co_await sleep(0s);
    co_await outer(file.path());
    co_await child;
  };
  run(main(), run_options().virtual_time());
  CHECK(events(file, {"\"ph\":\"b\"", "\"cut\":true", "\"name\":\"nap()\""}).size() == 1);
  CHECK(events(file, {"\"ph\":\"b\"", "\"cut\":true", "::lambda"}).size() == 1);
}

TEST_CASE("trace events: children of a gather have the place where it is awaited",
          "[api][trace]") {
  const test::scratch_file file("children");
  unsigned line = 0;
  unsigned made = 0;
  record(file, [&]() -> coro<> {
    auto own = create_task(nap_for(2ms));
    made = here() - 1;
    auto both = gather(nap(), own);
    co_await sleep(1ms);
    co_await both;
    line = here() - 1;
  });
  const lines child = events(file, {"\"parent\"", "\"name\":\"nap()\""});
  REQUIRE(child.size() == 1);
  CHECK(has(field(child[0], "at"), place(line)));
  const lines join = events(file, {"\"ph\":\"b\"", "\"cat\":\"join\""});
  REQUIRE(join.size() == 1);
  CHECK(field(child[0], "join") == field(join[0], "join"));
  const lines other = events(file, {"\"parent\"", "\"name\":\"nap_for("});
  REQUIRE(other.size() == 1);
  CHECK(has(field(other[0], "at"), place(made)));
  CHECK(field(other[0], "join").empty());
}

TEST_CASE("trace events: a task dump names where the gather of a child is awaited",
          "[api][trace]") {
  loop l;
  l.set_exception_handler([](const exception_context&) {});  // of the tasks that are left
  promise<> never(l);
  const auto blocked = [](future<> f) -> coro<> { co_await f; };
  unsigned line = 0;
  const auto main = [&]() -> coro<> {
    line = here() + 1;
    co_await gather(blocked(never.get_future()), blocked(never.get_future()));
  };
  try {
    l.run_until_complete(main());
    FAIL("it ended");
  } catch (const deadlock& e) {
    CHECK(has(e.what(), ", awaited at "));
    CHECK(has(e.what(), place(line)));
  }
}

TEST_CASE("trace events: a cancellation tells who, why and where", "[api][trace]") {
  const test::scratch_file file("cause");
  unsigned line = 0;
  record(file, [&]() -> coro<> {
    const std::vector<task<>> slow(1,
                                   create_task(nap_for(1h), task_options().name("slow")));
    co_await sleep(1ms);
    line = here() + 1;
    slow[0].cancel("too late");
    static_cast<void>(co_await wait(slow));
  });
  const lines asked = events(file, {"\"name\":\"task.cancel\""});
  REQUIRE(asked.size() == 1);
  const lines ended = events(file, {"\"ph\":\"e\"", "\"state\":\"cancelled\""});
  REQUIRE(ended.size() == 1);
  const lines main = events(file, {"\"parent\":0"});
  REQUIRE(main.size() == 1);
  for (const auto& told : {asked[0], ended[0]}) {
    CHECK(field(told, "by") == field(main[0], "task"));
    CHECK(field(told, "by_name") == field(main[0], "name"));
    CHECK(field(told, "reason") == "too late");
    CHECK(has(field(told, "at"), place(line)));
  }
}

TEST_CASE("trace events: a sibling's failure is a cause with a name and a place",
          "[api][trace]") {
  const test::scratch_file file("sibling");
  record(file, []() -> coro<> {
    try {
      co_await gather(fails(), nap());
    } catch (const std::runtime_error&) {
    }
  });
  const lines ended = events(file, {"\"ph\":\"e\"", "\"state\":\"cancelled\""});
  REQUIRE(ended.size() == 1);
  CHECK(field(ended[0], "by_name") == "fails()");
  CHECK(field(ended[0], "reason") == "a sibling failed");
  CHECK(has(field(ended[0], "at"), "trace_events.cpp:"));
}

TEST_CASE("trace events: a step that holds the loop is a warning with its places",
          "[api][trace]") {
  const test::scratch_file file("blocked");
  unsigned from = 0;
  unsigned to = 0;
  const auto main = [&]() -> coro<> {
    co_await sleep(1ms);
    from = here() - 1;
    hold(30ms);
    co_await sleep(0s);
    to = here() - 1;
    loop::current().call_soon([] { hold(30ms); });
    co_await sleep(1ms);
  };
  run(main(), run_options().trace(file.path()));
  const lines steps = events(file, {"\"loop.blocked\"", "\"from\":"});
  REQUIRE_FALSE(steps.empty());
  CHECK(std::stol(field(steps[0], "us")) >= 30'000);
  CHECK(has(field(steps[0], "from"), place(from)));
  CHECK(has(field(steps[0], "at"), place(to)));
  const lines main_task = events(file, {"\"parent\":0"});
  CHECK(field(steps[0], "task") == field(main_task[0], "task"));
  CHECK_FALSE(events(file, {"\"loop.blocked\"", "\"task\":0"}).empty());
}

TEST_CASE("trace events: a step that ends the task is noticed too", "[api][trace]") {
  const test::scratch_file file("blocked-at-end");
  const auto main = []() -> coro<> {
    hold(30ms);
    co_return;
  };
  run(main(), run_options().trace(file.path()));
  CHECK_FALSE(events(file, {"\"loop.blocked\""}).empty());
}

TEST_CASE("trace events: a turn of many short steps holds the loop as well",
          "[api][trace]") {
  const test::scratch_file file("long-turn");
  const auto main = []() -> coro<> {
    // One batch, which is never cut.
    for (int i = 0; i < 40; ++i) loop::current().call_soon([] { hold(1ms); });
    co_await sleep(0s);
  };
  run(main(), run_options().trace(file.path()));
  CHECK_FALSE(events(file, {"\"loop.blocked\"", "\"task\":0"}).empty());
}

TEST_CASE("trace events: virtual time knows of no step that is too long",
          "[api][trace]") {
  const test::scratch_file file("virtual-blocked");
  record(file, []() -> coro<> {
    hold(30ms);
    co_await sleep(1h);
  });
  CHECK(events(file, {"\"loop.blocked\""}).empty());
}

TEST_CASE("trace events: mark() puts the program's own moments in", "[api][trace]") {
  trace::mark("nobody hears it");
  const test::scratch_file file("marks");
  record(file, []() -> coro<> {
    co_await sleep(1ms);
    trace::mark("half way");
  });
  const lines marks = events(file, {"\"cat\":\"mark\""});
  REQUIRE(marks.size() == 1);
  CHECK(field(marks[0], "name") == "half way");
  CHECK(field(marks[0], "task") == field(events(file, {"\"parent\":0"})[0], "task"));
}
