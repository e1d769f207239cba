#include "support/catch.hpp"
#include "support/scratch_file.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace sheaf;
using namespace std::chrono_literals;

namespace {

coro<> step(std::string& order, char name) {
  order += name;
  co_await sleep(5ms);
  order += name;
}

coro<> race_of(std::string& order, int children) {
  std::vector<coro<>> all;
  for (int i = 0; i < children; ++i)
    all.push_back(step(order, static_cast<char>('a' + i)));
  co_await gather(std::move(all));
}

run_options on_virtual_time() { return run_options().virtual_time(); }

std::string order_of(const run_options& how, int children = 5) {
  std::string order;
  run(race_of(order, children), how);
  return order;
}

class schedule_file : public test::scratch_file {
 public:
  schedule_file() : scratch_file("schedule", ".txt") {}
};

std::string schedule_error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const schedule_error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("schedule: what was recorded under a seed is replayed without it",
          "[api][schedule]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const schedule_file file;
    const auto seen = order_of(on_virtual_time().seed(seed).record_schedule(file.path()));
    CHECK(order_of(on_virtual_time().replay_schedule(file.path())) == seen);
    // A seed beside it has no say.
    CHECK(order_of(on_virtual_time().seed(seed + 1).replay_schedule(file.path())) ==
          seen);
  }
}

TEST_CASE("schedule: the file says what ran when", "[api][schedule]") {
  const schedule_file file;
  CHECK(order_of(on_virtual_time().record_schedule(file.path())) == "abcdeabcde");
  // The children begin; their timers are due together; each wakes its task.
  CHECK(file.text() == "sheaf-schedule/1\n5\n5\n5\nend 3\n");
}

TEST_CASE("schedule: an order written by hand is followed", "[api][schedule]") {
  const schedule_file file;
  file.write("sheaf-schedule/1\n3 2 0 1\n3\n3 1 2 0\nend 3\n");
  // The wake-ups come in the order of the timers, which is that of the first line.
  CHECK(order_of(on_virtual_time().replay_schedule(file.path()), 3) == "cababc");
}

TEST_CASE("schedule: a replay can be recorded", "[api][schedule]") {
  const schedule_file first;
  const schedule_file second;
  order_of(on_virtual_time().seed(7).record_schedule(first.path()));
  order_of(
      on_virtual_time().replay_schedule(first.path()).record_schedule(second.path()));
  CHECK(second.text() == first.text());
}

TEST_CASE(
    "schedule: a run that is not the recorded one is told at the first batch that "
    "differs",
    "[api][schedule]") {
  const schedule_file file;
  order_of(on_virtual_time().record_schedule(file.path()));
  std::string order;
  const auto replay = [&](int children) {
    order.clear();
    run(race_of(order, children), on_virtual_time().replay_schedule(file.path()));
  };
  CHECK(schedule_error_of([&] { replay(4); }) ==
        file.path().string() + ": batch 1: 4 were ready, the recording has 5");
  CHECK(order.empty());  // nothing of that batch ran
}

TEST_CASE("schedule: a run that goes on behind its recording is told",
          "[api][schedule]") {
  const schedule_file file;
  file.write("sheaf-schedule/1\n5\n5\n");
  CHECK(schedule_error_of([&] {
          order_of(on_virtual_time().replay_schedule(file.path()));
        }) == file.path().string() + ": batch 3: 5 were ready, the recording is over");
}

TEST_CASE("schedule: a run that ends ahead of its recording is told", "[api][schedule]") {
  const schedule_file file;
  file.write("sheaf-schedule/1\n5\n5\n5\n2\n2\nend 5\n");
  CHECK(schedule_error_of(
            [&] { order_of(on_virtual_time().replay_schedule(file.path())); }) ==
        file.path().string() + ": the run ended after batch 3, the recording has 5");
}

TEST_CASE("schedule: where a loop is turned a difference is reported, and it goes on",
          "[api][schedule]") {
  const schedule_file file;
  file.write("sheaf-schedule/1\n2 1 0\n");
  loop l(loop_options().virtual_time());
  std::vector<std::string> reports;
  l.set_exception_handler(
      [&](const exception_context& c) { reports.push_back(describe(c.exception)); });
  l.core().set_schedule(runtime::make_replaying_schedule(file.path(), l.core()));
  std::string order;
  for (const char name : {'a', 'b', 'c'}) l.call_soon([&order, name] { order += name; });
  while (order.size() < 3) l.turn();
  CHECK(order == "abc");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].ends_with(": batch 1: 3 were ready, the recording has 2"));
}

TEST_CASE("schedule: a bad file is one line that names it, before the run",
          "[api][schedule]") {
  const schedule_file file;
  const std::pair<const char*, const char*> bad[] = {
      {"", "line 1: cut off, or no schedule"},
      {"hello", "line 1: cut off, or no schedule"},
      {"hello\n", "line 1: the first line of a schedule is 'sheaf-schedule/1'"},
      {"sheaf-schedule/2\n",
       "line 1: the first line of a schedule is 'sheaf-schedule/1'"},
      {"sheaf-schedule/1\n3 0 1", "line 2: cut off, or no schedule"},
      {"sheaf-schedule/1\n\n", "line 2: not a number"},
      {"sheaf-schedule/1\n2\nx\n", "line 3: not a number"},
      {"sheaf-schedule/1\n-2\n", "line 2: not a number"},
      {"sheaf-schedule/1\n99999999999\n", "line 2: not a number"},
      {"sheaf-schedule/1\n1\n",
       "line 2: not a size of 2 or more and each number below it once"},
      {"sheaf-schedule/1\n3 0 1\n",
       "line 2: not a size of 2 or more and each number below it once"},
      {"sheaf-schedule/1\n3 0 1 1\n",
       "line 2: not a size of 2 or more and each number below it once"},
      {"sheaf-schedule/1\n3 1 2 3\n",
       "line 2: not a size of 2 or more and each number below it once"},
      {"sheaf-schedule/1\n2\nend 2\n", "line 3: an end that is none"},
      {"sheaf-schedule/1\nend 0\n2\n", "line 2: an end that is none"},
  };
  for (const auto& [text, what] : bad) {
    CAPTURE(text);
    file.write(text);
    std::string order;
    CHECK(schedule_error_of([&] {
            run(race_of(order, 3), on_virtual_time().replay_schedule(file.path()));
          }) == file.path().string() + ": " + what);
    CHECK(order.empty());
  }
}

TEST_CASE("schedule: a file that cannot be opened is a system_error that names it",
          "[api][schedule]") {
  const auto said = [](run_options how) -> std::string {
    try {
      order_of(how);
    } catch (const std::system_error& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK(said(run_options().replay_schedule("/no/such/file")) ==
        "cannot open the schedule /no/such/file: No such file or directory");
  CHECK(said(run_options().record_schedule("/no/such/file")) ==
        "cannot open the schedule /no/such/file: No such file or directory");
  if (access("/dev/full", W_OK) != 0) return;
  CHECK(said(on_virtual_time().record_schedule("/dev/full")) ==
        "cannot write the schedule /dev/full: No space left on device");
}

TEST_CASE("schedule: the recording of a program that crashed shows the same again",
          "[api][schedule]") {
  const schedule_file file;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string order;
    const auto main = [&]() -> coro<> {
      co_await race_of(order, 5);
      for (const char name : {'x', 'y', 'z'}) {
        loop::current().call_soon([&order, name] {
          order += name;
          if (name == 'x') _exit(order.ends_with("yx") ? 1 : 2);
        });
      }
      co_await sleep(1s);
    };
    run(main(), on_virtual_time().seed(3).record_schedule(file.path()));
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WEXITSTATUS(status) != 0);
  std::string order;
  const auto main = [&]() -> coro<> {
    co_await race_of(order, 5);
    for (const char name : {'x', 'y', 'z'}) {
      loop::current().call_soon([&order, name] { order += name; });
    }
    co_await sleep(1s);
  };
  CHECK(file.text().find("end") == std::string::npos);
  run(main(), on_virtual_time().replay_schedule(file.path()));
  const auto x = order.find('x');
  CHECK((order[x - 1] == 'y') == (WEXITSTATUS(status) == 1));
}

TEST_CASE("schedule: the shutdown of a run that failed is on record as well",
          "[api][schedule]") {
  const auto main = [](std::string& order) -> coro<> {
    auto a = create_task(race_of(order, 4));
    co_await sleep(1ms);
    throw std::runtime_error("boom");
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const schedule_file file;
    std::string first;
    std::string second;
    CHECK_THROWS_AS(
        run(main(first), on_virtual_time().seed(seed).record_schedule(file.path())),
        std::runtime_error);
    runner again(on_virtual_time().replay_schedule(file.path()));
    CHECK_THROWS_AS(again.run(main(second)), std::runtime_error);
    CHECK_NOTHROW(again.close());
    CHECK(first == second);
  }
}
