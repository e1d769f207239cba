#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/environment.hpp"
#include "support/event_log.hpp"
#include "support/host.hpp"
#include "support/report_log.hpp"
#include "support/thread_of_its_own.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/barrier.hpp>
#include <sheaf/condition.hpp>
#include <sheaf/event.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/run.hpp>
#include <sheaf/run_in_executor.hpp>
#include <sheaf/runtime/timer.hpp>
#include <sheaf/semaphore.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task_group.hpp>
#include <sheaf/to_thread.hpp>

#include <algorithm>
#include <cstring>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::thrown_by;

namespace {

/// A loop on virtual time, in debug mode or not, that reports into `reports`.
class watched_loop : public loop {
 public:
  explicit watched_loop(bool debug = true)
      : loop(loop_options().virtual_time().debug(debug)) {
    slow_callback_duration(duration::max());  // a slow machine is not what is tested
    reports.listen(*this);
  }
  ~watched_loop() { close(); }

  test::report_log reports;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string file_of(const std::source_location& at) {
  const char* const slash = std::strrchr(at.file_name(), '/');
  return slash ? slash + 1 : at.file_name();
}

bool here(const std::source_location& at, int line) {
  return file_of(at) == "debug.cpp" && at.line() == static_cast<unsigned>(line);
}

/// Holds the loop for `d` of real time.
void hold(std::chrono::nanoseconds d) {
  const auto until = std::chrono::steady_clock::now() + d;
  while (std::chrono::steady_clock::now() < until) {
  }
}

/// The first report of the task of that name; null if there is none.
const exception_context* of_task(const test::report_log& all, const std::string& name) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].task_name == name) return &all[i];
  }
  return nullptr;
}

template <class F>
concept callable_on_thread = requires(F f) { to_thread(f); };
template <class F>
concept callable_in_executor = requires(F f) { run_in_executor(nullptr, f); };
template <class F>
concept callable_soon = requires(loop& l, F f) { l.call_soon(f); };
template <class F>
concept callable_later = requires(loop& l, F f) { l.call_later(1ms, f); };
template <class F>
concept callable_at = requires(loop& l, F f) { l.call_at(l.time(), f); };
template <class F>
concept callable_threadsafe = requires(loop& l, F f) { l.call_soon_threadsafe(f); };

// A function that gives a coro is no callback: nobody would await what it gives (DEBUG-3).
static_assert(!callable_soon<coro<> (*)()> && !callable_on_thread<coro<> (*)()>);
static_assert(callable_in_executor<void (*)()> && !callable_in_executor<coro<> (*)()>);

}  // namespace

// ---- the switch ------------------------------------------------------------------------

TEST_CASE("debug: SHEAF_DEBUG asks for it, of each loop that is made [DEBUG-5]",
          "[api][debug][DEBUG-5]") {
  const auto debug_with = [](const char* value) {
    const test::environment set("SHEAF_DEBUG", value);
    return loop().get_debug();
  };
  CHECK(debug_with("1"));
  CHECK(debug_with("yes"));
  CHECK_FALSE(debug_with(nullptr));
  CHECK_FALSE(debug_with(""));
  CHECK_FALSE(debug_with("0"));
}

TEST_CASE("debug: options go before the environment, set_debug before both [DEBUG-5]",
          "[api][debug][DEBUG-5]") {
  const test::environment set("SHEAF_DEBUG", "1");
  loop l(loop_options().debug(false));
  CHECK_FALSE(l.get_debug());
  l.set_debug(true);
  CHECK(l.get_debug());
  l.set_debug(false);
  CHECK_FALSE(l.get_debug());
}

TEST_CASE("run: debug on, off and by default is applied to its loop [RUN-7] [DEBUG-5]",
          "[api][debug][RUN-7][DEBUG-5]") {
  const auto asked = []() -> coro<bool> { co_return loop::current().get_debug(); };
  const auto with = [&](const char* environment, const run_options& options) {
    const test::environment set("SHEAF_DEBUG", environment);
    return run(asked(), options);
  };
  CHECK(with(nullptr, run_options().debug(true)));
  CHECK_FALSE(with("1", run_options().debug(false)));
  CHECK(with("1", run_options()));
  CHECK_FALSE(with(nullptr, run_options()));
}

TEST_CASE("run: debug is applied to the loop of a factory [RUN-7]",
          "[api][debug][RUN-7]") {
  const auto asked = []() -> coro<bool> { co_return loop::current().get_debug(); };
  const auto make = [] { return std::make_unique<loop>(loop_options().debug(false)); };
  CHECK(run(asked(), run_options().loop_factory(make).debug(true)));
  CHECK_FALSE(run(asked(), run_options().loop_factory(make)));
}

// ---- slow steps ------------------------------------------------------------------------

namespace {

coro<> slow_step(std::chrono::nanoseconds how_long) {
  co_await sleep(1ms);
  hold(how_long);
  co_await sleep(1ms);
}
constexpr int slow_line = __LINE__ - 4;

}  // namespace

TEST_CASE(
    "debug: a step that holds the loop is reported, with its task and places "
    "[DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  watched_loop l;
  l.slow_callback_duration(2ms);
  const auto t = l.create_task(slow_step(2ms), task_options().name("slow"));
  const int made = __LINE__ - 1;
  l.run_until_complete(t);
  const exception_context* const report = of_task(l.reports, "slow");
  REQUIRE(report);
  CHECK(report->message == "a task's step held the loop");
  CHECK(report->took >= 2ms);
  CHECK(report->task_id == t.id());
  CHECK(here(report->created_at, made));
  CHECK(here(report->resumed_at, slow_line));
  CHECK(here(report->waiting_at, slow_line + 2));
  const std::string line = describe(*report);
  CHECK(contains(line, "a task's step held the loop for "));
  CHECK(contains(line, " ms [task "));
  CHECK(line.find('\n') == std::string::npos);
}

TEST_CASE(
    "debug: a step that is the last is reported with the await it came from "
    "[DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  watched_loop l;
  l.slow_callback_duration(0ns);
  l.run_until_complete([]() -> coro<> { co_await sleep(1ms); }());
  REQUIRE(l.reports.size() >= 2);
  // The first: nothing before it. The last: nothing after it.
  CHECK(l.reports[0].resumed_at.line() == 0);
  CHECK(l.reports[0].waiting_at.line() != 0);
  CHECK(l.reports[1].resumed_at.line() == l.reports[0].waiting_at.line());
  CHECK(l.reports[1].waiting_at.line() == 0);
}

TEST_CASE("debug: what takes less than the limit is not reported [DEBUG-1]",
          "[api][debug][DEBUG-1]") {
  watched_loop l;
  l.slow_callback_duration(1h);
  l.call_soon([] {});
  l.run_until_complete(slow_step(1us));
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "debug: callbacks of all kinds are timed, and name where they were made "
    "[DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  loop l;  // in real time, for the handle
  test::report_log reports;
  reports.listen(l);
  l.slow_callback_duration(0ns);
  l.call_soon([] {});
  l.call_later(1us, [] {});
  l.call_soon_threadsafe([] {});
  const int last = __LINE__ - 1;
  promise<int> p(l);
  p.get_future().add_done_callback([](const future<int>&) {});
  p.set_value(1);
  runtime::timer t(l, [] {});
  t.start(0ms);
  l.run_forever();
  std::vector<int> lines;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    CHECK(contains(reports[i].message, "callback held the loop"));
    if (reports[i].message == "callback held the loop") {
      lines.push_back(static_cast<int>(reports[i].created_at.line()));
    }
  }
  std::sort(lines.begin(), lines.end());
  CHECK(lines == std::vector<int>{last - 2, last - 1, last});
  const auto messages = reports.messages();
  const auto has = [&](const char* m) {
    return std::find(messages.begin(), messages.end(), m) != messages.end();
  };
  CHECK(has("done callback held the loop"));
  CHECK(has("timer callback held the loop"));
}

TEST_CASE(
    "debug: the limit is 100 ms in debug mode and none without it, and may be set "
    "without it [DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  loop l(loop_options().debug(false));
  CHECK(l.slow_callback_duration() == loop::duration::max());
  l.set_debug(true);
  CHECK(l.slow_callback_duration() == 100ms);
  l.slow_callback_duration(5ms);
  CHECK(l.slow_callback_duration() == 5ms);
  l.set_debug(false);
  CHECK(l.slow_callback_duration() == 5ms);
  l.slow_callback_duration(loop::duration::max());
  l.set_debug(true);
  CHECK(l.slow_callback_duration() == loop::duration::max());
}

TEST_CASE(
    "debug: steps are timed without debug mode, in real time on a virtual clock "
    "[DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  watched_loop l(false);
  l.slow_callback_duration(1ms);
  l.run_until_complete(l.create_task(slow_step(1ms), task_options().name("slow")));
  const exception_context* const report = of_task(l.reports, "slow");
  REQUIRE(report);
  CHECK(report->took >= 1ms);
}

TEST_CASE(
    "debug: a step that sleeps for an hour of virtual time holds nothing "
    "[DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  watched_loop l;
  l.slow_callback_duration(1h);
  l.run_until_complete([]() -> coro<> { co_await sleep(24h); }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "debug: a task that is started eagerly in a slow step is timed by itself "
    "[DEBUG-1]",
    "[api][debug][DEBUG-1]") {
  watched_loop l;
  l.slow_callback_duration(0ns);
  const auto inner = []() -> coro<int> { co_return 1; };
  const auto outer = [](coro<int> c) -> coro<int> {
    const auto t = create_task(std::move(c), task_options().name("inner").eager_start());
    CHECK(current_task().name() == "outer");
    co_return co_await t;
  };
  const auto t = l.create_task(outer(inner()), task_options().name("outer"));
  CHECK(l.run_until_complete(t) == 1);
  REQUIRE(l.reports.size() == 2);
  CHECK(l.reports[0].task_name == "inner");
  CHECK(l.reports[1].task_name == "outer");
}

// ---- never awaited ---------------------------------------------------------------------

namespace {

coro<int> fetch_page(int number) { co_return number; }
constexpr int fetch_first = __LINE__ - 3;
constexpr int fetch_last = __LINE__ - 2;

coro<> forgets_one() {
  co_await sleep(1ms);
  static_cast<void>(fetch_page(1));
}
constexpr int forgets_line = __LINE__ - 3;

/// A virtual loop runs `main`; what it reports of coroutines that were never awaited.
template <class F>
std::size_t forgotten_in(F main) {
  watched_loop l;
  l.run_until_complete(main());
  std::size_t n = 0;
  for (const auto& m : l.reports.messages()) n += contains(m, "was never awaited");
  return n;
}

}  // namespace

TEST_CASE(
    "debug: a coroutine that is dropped before it began is reported by its name "
    "[DEBUG-7]",
    "[api][debug][DEBUG-7]") {
  watched_loop l;
  l.run_until_complete(l.create_task(forgets_one(), task_options().name("main")));
  REQUIRE(l.reports.size() == 1);
  const exception_context& report = l.reports[0];
  CHECK(contains(report.message, "a coroutine was never awaited: "));
  CHECK(report.message == "a coroutine was never awaited: fetch_page");
  CHECK(file_of(report.created_at) == "debug.cpp");
  CHECK(report.created_at.line() >= fetch_first);
  CHECK(report.created_at.line() <= fetch_last);
  CHECK(report.task_name == "main");
  CHECK(here(report.waiting_at, forgets_line));
}

namespace {

struct shop {
  template <class T>
  coro<T> buy(std::vector<T>) const {
    co_return T();
  }
  coro<> operator()(int) const { co_return; }
};

}  // namespace

TEST_CASE(
    "debug: members are reported by name, lambdas by what the compiler calls them "
    "[DEBUG-7]",
    "[api][debug][DEBUG-7]") {
  watched_loop l;
  const auto lambda = [](int) -> coro<> { co_return; };
  l.call_soon([&] {
    static_cast<void>(shop().buy(std::vector<int>()));
    static_cast<void>(shop()(1));
    static_cast<void>(lambda(1));
  });
  l.run_forever();
  const auto said = l.reports.messages();
  REQUIRE(said.size() == 3);
  CHECK(said[0] == "a coroutine was never awaited: shop::buy");
  CHECK(contains(said[1], "shop::operator()"));
  CHECK((contains(said[2], "lambda") || contains(said[2], "anonymous class")));
}

TEST_CASE(
    "debug: a coroutine that is dropped is not reported without debug mode "
    "[DEBUG-7]",
    "[api][debug][DEBUG-7]") {
  watched_loop l(false);
  l.run_until_complete(forgets_one());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("debug: a coroutine that is closed on purpose is not reported [DEBUG-7]",
          "[api][debug][DEBUG-7]") {
  CHECK(forgotten_in([]() -> coro<> {
          auto c = fetch_page(1);
          c.close();
          CHECK_FALSE(c.valid());
          c.close();
          co_return;
        }) == 0);
}

TEST_CASE("debug: a coroutine in place of which another is put is reported [DEBUG-7]",
          "[api][debug][DEBUG-7]") {
  CHECK(forgotten_in([]() -> coro<> {
          auto c = fetch_page(1);
          c = fetch_page(2);
          const int page = co_await std::move(c);
          CHECK(page == 2);
        }) == 1);
}

TEST_CASE(
    "debug: a coroutine that was awaited, or moved and awaited, is not reported "
    "[DEBUG-7]",
    "[api][debug][DEBUG-7]") {
  CHECK(forgotten_in([]() -> coro<> {
          co_await fetch_page(1);
          auto c = fetch_page(2);
          auto moved = std::move(c);
          co_await std::move(moved);
          co_await gather(fetch_page(3), fetch_page(4));
          static_cast<void>(co_await as_outcome(fetch_page(5)));
          static_cast<void>(create_task(fetch_page(6)));
        }) == 0);
}

TEST_CASE(
    "debug: run inside of run reports the coroutine that it refused [DEBUG-7] "
    "[RUN-3]",
    "[api][debug][DEBUG-7][RUN-3]") {
  CHECK(forgotten_in([]() -> coro<> {
          CHECK_THROWS_AS(run(fetch_page(1)), invalid_state);
          co_return;
        }) == 1);
}

TEST_CASE(
    "debug: a coroutine given to a task counts as taken, cancelled before its first "
    "step or not [DEBUG-8]",
    "[api][debug][DEBUG-8]") {
  CHECK(forgotten_in([]() -> coro<> {
          const auto t = create_task(fetch_page(1));
          t.cancel();
          const auto how = co_await as_outcome(t);
          CHECK(how.is_cancelled());
          gather(fetch_page(2), fetch_page(3)).cancel();
          co_await sleep(1ms);
        }) == 0);
}

TEST_CASE("debug: a coroutine given to a closed loop counts as taken [DEBUG-8] [LOOP-30]",
          "[api][debug][DEBUG-8][LOOP-30]") {
  CHECK(forgotten_in([]() -> coro<> {
          loop closed;
          closed.close();
          CHECK_THROWS_AS(closed.create_task(fetch_page(1)), invalid_state);
          co_return;
        }) == 0);
}

TEST_CASE("debug: a coroutine knows its function only until it begins", "[api][debug]") {
  watched_loop l;
  const auto t = l.create_task(fetch_page(1));
  CHECK(t.stack().empty());
  CHECK(t.state().waiting_at().line() == 0);
  CHECK_FALSE(t.state().begun());
  l.run_until_complete(t);
}

// ---- swallowed cancellations -----------------------------------------------------------

namespace {

coro<int> swallows() {
  try {
    co_await sleep(1h);
  } catch (const cancelled&) {
  }
  co_return 1;
}
constexpr int swallow_line = __LINE__ - 5;

coro<int> swallows_inside() {
  co_await sleep(1ms);
  co_return co_await swallows();
}

/// Cancels `what` when it waits, and gives the reports.
template <class T>
std::vector<exception_context> reports_of_cancelling(coro<T> what, bool debug = true) {
  watched_loop l(debug);
  const auto main = [](coro<T> c) -> coro<> {
    const auto t = create_task(std::move(c), task_options().name("asked"));
    co_await sleep(5ms);
    t.cancel("enough");
    static_cast<void>(co_await as_outcome(t));
  };
  l.run_until_complete(main(std::move(what)));
  std::vector<exception_context> all;
  for (std::size_t i = 0; i < l.reports.size(); ++i) all.push_back(l.reports[i]);
  return all;
}

}  // namespace

TEST_CASE(
    "debug: a task that ends with a value although it was cancelled is reported, "
    "with the await that threw",
    "[api][debug][swallowed]") {
  const auto reports = reports_of_cancelling(swallows());
  REQUIRE(reports.size() == 1);
  CHECK(contains(reports[0].message, "swallowed its cancellation"));
  CHECK(reports[0].task_name == "asked");
  CHECK(reports[0].created_at.line() != 0);
  CHECK(here(reports[0].waiting_at, swallow_line));
}

TEST_CASE("debug: a cancellation that an inner coroutine swallows is reported there",
          "[api][debug][swallowed]") {
  const auto reports = reports_of_cancelling(swallows_inside());
  REQUIRE(reports.size() == 1);
  CHECK(here(reports[0].waiting_at, swallow_line));
}

TEST_CASE("debug: a task that takes the request back may go on",
          "[api][debug][swallowed]") {
  const auto takes_back = []() -> coro<int> {
    bool told = false;
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      told = true;
    }
    if (told) current_task().uncancel();
    co_return 1;
  };
  CHECK(reports_of_cancelling(takes_back()).empty());
}

TEST_CASE("debug: a task that ends cancelled, or fails in its cleanup, swallows nothing",
          "[api][debug][swallowed]") {
  CHECK(reports_of_cancelling(give(1, 1h)).empty());
  const auto fails = []() -> coro<int> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      throw test::failure("in cleanup");
    }
    co_return 1;
  };
  CHECK(reports_of_cancelling(fails()).empty());
}

TEST_CASE("debug: only the task that was told is reported, not those that wait for it",
          "[api][debug][swallowed]") {
  const auto waits = [](coro<int> c) -> coro<int> {
    const auto inner = create_task(std::move(c), task_options().name("inner"));
    co_return co_await inner;
  };
  const auto reports = reports_of_cancelling(waits(swallows()));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "inner");
}

TEST_CASE(
    "debug: a task that swallows what a future, a task or a gather threw is reported",
    "[api][debug][swallowed]") {
  const auto from_task = []() -> coro<int> {
    const auto inner = create_task(give(1, 1h));
    try {
      co_await inner;
    } catch (const cancelled&) {
    }
    co_return 1;
  };
  CHECK(reports_of_cancelling(from_task()).size() == 1);
  const auto from_gather = []() -> coro<int> {
    try {
      co_await gather(give(1, 1h), give(2, 1h));
    } catch (const cancelled&) {
    }
    co_return 1;
  };
  CHECK(reports_of_cancelling(from_gather()).size() == 1);
  const auto from_future = []() -> coro<int> {
    const promise<int> never;
    const auto f = never.get_future();
    try {
      co_await f;
    } catch (const cancelled&) {
    }
    co_return 1;
  };
  CHECK(reports_of_cancelling(from_future()).size() == 1);
}

TEST_CASE("debug: a cancellation of what a task waited for is not its own",
          "[api][debug][swallowed]") {
  watched_loop l;
  const auto main = []() -> coro<int> {
    const auto other = create_task(give(1, 1h));
    co_await sleep(1ms);
    other.cancel();
    try {
      co_await other;
    } catch (const cancelled&) {
    }
    co_return 1;
  };
  CHECK(l.run_until_complete(main()) == 1);
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("debug: a swallowed cancellation is nobody's business without debug mode",
          "[api][debug][swallowed]") {
  CHECK(reports_of_cancelling(swallows(), false).empty());
}

// ---- calls from the wrong thread -------------------------------------------------------

namespace {

/// What calls to a loop that runs on another thread throw, made from this one.
event_log calls_from_afar(loop& l, promise<int>& p, const task<int>& t) {
  const auto mine = thrown_by([&] { l.call_soon([] {}); });
  return {mine,
          thrown_by([&] { l.call_later(1ms, [] {}); }),
          thrown_by([&] { l.call_at(l.time(), [] {}); }),
          thrown_by([&] { static_cast<void>(l.create_task(give(1))); }),
          thrown_by([&] { p.set_value(1); }),
          thrown_by([&] { p.try_set_value(1); }),
          thrown_by([&] { p.set_exception(std::make_exception_ptr(1)); }),
          thrown_by([&] { p.try_set_exception(std::make_exception_ptr(1)); }),
          thrown_by([&] { t.cancel(); }),
          thrown_by([&] { any_task(t).cancel(); }),
          thrown_by([&] { t.add_done_callback([](const auto&) {}); }),
          thrown_by([&] { promise<int> another(l); }),
          thrown_by([&] { l.add_reader(0, [] {}); }),
          thrown_by([&] { runtime::timer another(l, [] {}); }),
          thrown_by([&] { l.stop(); })};
}

}  // namespace

TEST_CASE(
    "debug: calls from a thread that does not run the loop throw, and say what to "
    "do [DEBUG-2]",
    "[api][debug][DEBUG-2]") {
  watched_loop l;
  event_log said;
  bool called = false;
  const auto main = [](event_log& seen, bool& came) -> coro<int> {
    loop& mine = loop::current();
    promise<int> p;
    const auto t = create_task(give(7, 1ms));
    test::on_another_thread([&] {
      seen = calls_from_afar(mine, p, t);
      mine.call_soon_threadsafe([&came] { came = true; });
    });
    CHECK_FALSE(p.done());
    CHECK(t.cancelling() == 0);
    co_return co_await t;
  };
  CHECK(l.run_until_complete(main(said, called)) == 7);
  CHECK(called);
  REQUIRE(said.size() == 15);
  for (const auto& text : said) {
    CHECK(contains(text, "another thread runs this loop"));
    CHECK(contains(text, "call_soon_threadsafe"));
  }
  CHECK(contains(said[0], "call_soon: "));
}

namespace {

/// What tasks share, with a task that waits for each.
struct shared_things {
  mutex lock;
  semaphore permits{0};
  event flag;
  condition change{lock};
  barrier gate{2};
  queue<int> items{1};

  coro<> wait_for_change() {
    const auto held = co_await lock.scoped_lock();
    co_await change.wait();
  }
  coro<> wait_for_all(task_group& g) {
    static_cast<void>(g.create_task(wait_for_change()));
    co_await sleep(0ms);
    co_await lock.acquire();
    static_cast<void>(g.create_task(lock.acquire()));
    static_cast<void>(g.create_task(permits.acquire()));
    static_cast<void>(g.create_task(flag.wait()));
    static_cast<void>(g.create_task(gate.wait()));
    static_cast<void>(g.create_task(items.get()));
    co_await sleep(0ms);
  }
};

event_log uses_from_afar(shared_things& x, task_group& g) {
  const auto first = thrown_by([&] { x.lock.release(); });
  return {first,
          thrown_by([&] { x.permits.release(); }),
          thrown_by([&] { x.flag.set(); }),
          thrown_by([&] { x.change.notify(); }),
          thrown_by([&] { x.change.notify_all(); }),
          thrown_by([&] { x.gate.abort(); }),
          thrown_by([&] { x.gate.reset(); }),
          thrown_by([&] { x.items.put_nowait(1); }),
          thrown_by([&] { x.items.get_nowait(); }),
          thrown_by([&] { x.items.task_done(); }),
          thrown_by([&] { x.items.shutdown(); }),
          thrown_by([&] { static_cast<void>(g.create_task(sleep(1h))); }),
          thrown_by([&] { g.cancel(); })};
}

}  // namespace

TEST_CASE(
    "debug: what tasks share is changed by no other thread, even if nobody waits "
    "[DEBUG-2]",
    "[api][debug][DEBUG-2]") {
  watched_loop l;
  event_log said;
  event_log said_of_idle;
  const auto body = [&](task_group& g, shared_things& used,
                        shared_things& unused) -> coro<> {
    co_await used.wait_for_all(g);
    test::on_another_thread([&] {
      said_of_idle = uses_from_afar(unused, g);
      said = uses_from_afar(used, g);
    });
    CHECK(used.lock.locked());
    CHECK(used.permits.locked());
    CHECK_FALSE(used.flag.is_set());
    CHECK_FALSE(used.gate.broken());
    CHECK(used.items.empty());
    CHECK(g.size() == 6);
    g.cancel();
    used.lock.release();  // who waits for the change needs it to end
    co_await sleep(1h);
  };
  const auto main = [&]() -> coro<> {
    shared_things used;
    shared_things unused;
    co_await task_group::run(body, std::ref(used), std::ref(unused));
  };
  l.run_until_complete(main());
  REQUIRE(said.size() == 13);
  for (const auto& text : said) CHECK(contains(text, "another thread runs this loop"));
  CHECK(said_of_idle == said);
  CHECK(contains(said[7], "queue::put_nowait: "));
}

TEST_CASE(
    "debug: on its own thread, and while it does not run, a loop takes any call "
    "[DEBUG-2]",
    "[api][debug][DEBUG-2]") {
  watched_loop l;
  int called = 0;
  test::on_another_thread([&] { l.call_soon([&called] { ++called; }); });
  l.call_soon([&] { l.call_soon([&called] { ++called; }); });
  l.run_forever();
  CHECK(called == 2);
  test::on_another_thread([&] { l.call_soon([&called] { ++called; }); });
  l.run_forever();
  CHECK(called == 3);
}

TEST_CASE("debug: threads are not checked without debug mode [DEBUG-2]",
          "[api][debug][DEBUG-2]") {
  watched_loop l(false);
  int called = 0;
  l.call_soon(
      [&] { test::on_another_thread([&] { l.call_soon([&called] { ++called; }); }); });
  l.run_forever();
  CHECK(called == 1);
}

TEST_CASE(
    "debug: a loop's thread may use another loop that runs elsewhere by no call "
    "but one [DEBUG-2]",
    "[api][debug][DEBUG-2]") {
  watched_loop l;
  std::string said;
  l.call_soon([&] {
    test::on_another_thread([&] {
      watched_loop other;
      const auto calls = [](loop& elsewhere, std::string& what) -> coro<> {
        what = thrown_by([&] { elsewhere.call_soon([] {}); });
        co_return;
      };
      other.run_until_complete(calls(l, said));
    });
  });
  l.run_forever();
  CHECK(contains(said, "another thread runs this loop"));
}

// ---- a coroutine where a callback is wanted ---------------------------------------------

TEST_CASE(
    "debug: a function that gives a coro is no callback; the compiler says so "
    "[DEBUG-3]",
    "[api][debug][DEBUG-3]") {
  using function = coro<> (*)();
  using callback = void (*)();
  STATIC_REQUIRE(callable_soon<callback>);
  STATIC_REQUIRE(callable_later<callback>);
  STATIC_REQUIRE(callable_at<callback>);
  STATIC_REQUIRE(callable_threadsafe<callback>);
  STATIC_REQUIRE_FALSE(callable_soon<function>);
  STATIC_REQUIRE_FALSE(callable_later<function>);
  STATIC_REQUIRE_FALSE(callable_at<function>);
  STATIC_REQUIRE_FALSE(callable_threadsafe<function>);
  STATIC_REQUIRE(callable_on_thread<callback>);
  STATIC_REQUIRE_FALSE(callable_on_thread<function>);
  STATIC_REQUIRE_FALSE(callable_soon<coro<>>);
  STATIC_REQUIRE_FALSE(callable_soon<int>);
}

// ---- places ----------------------------------------------------------------------------

TEST_CASE("debug: reports name where a task, a future and a callback were made [DEBUG-4]",
          "[api][debug][DEBUG-4]") {
  watched_loop l;
  l.call_soon([] { throw test::failure("x"); });
  const int callback = __LINE__ - 1;
  static_cast<void>(l.create_task(test::fail("y")));
  const int task_line = __LINE__ - 1;
  promise<int> p(l);
  const int promise_line = __LINE__ - 1;
  p.set_exception(std::make_exception_ptr(test::failure("z")));
  static_cast<void>(p.get_future());
  l.run_forever();
  p = promise<int>(l);
  REQUIRE(l.reports.size() == 3);
  CHECK(here(l.reports[0].created_at, callback));
  CHECK(here(l.reports[1].created_at, task_line));
  CHECK(here(l.reports[2].created_at, promise_line));
}

TEST_CASE(
    "debug: a promise made by the loop that runs here is known by its place, too "
    "[DEBUG-4]",
    "[api][debug][DEBUG-4]") {
  watched_loop l;
  const auto main = []() -> coro<> {
    promise<int> p;
    p.set_exception(std::make_exception_ptr(test::failure("z")));
    co_return;
  };
  const int line = __LINE__ - 4;
  l.run_until_complete(main());
  REQUIRE(l.reports.size() == 1);
  CHECK(here(l.reports[0].created_at, line));
}

TEST_CASE("debug: no place is left over from debug mode that was off meanwhile [DEBUG-4]",
          "[api][debug][DEBUG-4]") {
  watched_loop l;
  {
    promise<int> dead(l);
  }
  l.set_debug(false);
  promise<int> p(l);  // in its memory
  p.set_exception(std::make_exception_ptr(test::failure("x")));
  static_cast<void>(p.get_future());
  l.set_debug(true);
  p = promise<int>(l);
  REQUIRE(l.reports.size() == 1);
  CHECK(l.reports[0].created_at.line() == 0);
}

TEST_CASE(
    "debug: a future that is not a promise's never gets another one's place "
    "[DEBUG-4]",
    "[api][debug][DEBUG-4]") {
  watched_loop l;
  for (int i = 0; i < 8; ++i) promise<int> dead(l);  // its memory is used again
  const auto main = []() -> coro<> {
    const auto f =
        create_task(give(1)).then([](int) -> int { throw test::failure("x"); });
    co_await sleep(1ms);
  };
  l.run_until_complete(main());
  REQUIRE(l.reports.size() == 1);
  CHECK(l.reports[0].created_at.line() == 0);
}

TEST_CASE("debug: a task describes where it was made [DEBUG-4]",
          "[api][debug][DEBUG-4]") {
  watched_loop l;
  const auto t = l.create_task(give(1));
  const std::string place = "debug.cpp:" + std::to_string(__LINE__ - 1);
  CHECK(contains(t.describe(), "created at "));
  CHECK(contains(t.describe(), place));
  l.set_debug(false);
  CHECK_FALSE(contains(t.describe(), "created at"));
  l.run_until_complete(t);
}

// ---- exceptions nobody retrieved --------------------------------------------------------

TEST_CASE(
    "debug: an unretrieved exception is reported when it is dropped, with debug "
    "mode or without [DEBUG-6]",
    "[api][debug][DEBUG-6]") {
  for (const bool debug : {true, false}) {
    watched_loop l(debug);
    {
      auto t = l.create_task(test::fail("x"), task_options().name("lost"));
      l.run_forever();
      CHECK(l.exceptions_reported() == 0);
    }
    REQUIRE(l.reports.size() == 1);
    CHECK(l.reports[0].message == "the exception of a task was never retrieved");
    CHECK(l.reports[0].task_name == "lost");
    CHECK(test::said(l.reports[0].exception) == "x");
  }
}

TEST_CASE(
    "debug: a report has a message, and what there is of exception, task and places "
    "[DEBUG-11]",
    "[api][debug][DEBUG-11]") {
  watched_loop l;
  const auto fails = []() -> coro<> {
    co_await sleep(1ms);
    throw test::failure("x");
  };
  const std::uint64_t id = l.create_task(fails(), task_options().name("lost")).id();
  l.run_forever();
  REQUIRE(l.reports.size() == 1);
  const exception_context& c = l.reports[0];
  CHECK_FALSE(c.message.empty());
  CHECK(c.exception);
  CHECK(c.task_id == id);
  CHECK(c.task_name == "lost");
  CHECK(c.created_at.line() != 0);
  CHECK(c.waiting_at.line() != 0);
  CHECK(c.took == 0ns);
  CHECK(contains(describe(c), "failure: x [task " + std::to_string(id) + " lost]"));
}

TEST_CASE(
    "debug: a report, a dump and a cause are one line each, whatever a name or an error "
    "says [DEBUG-11]",
    "[api][debug][DEBUG-11]") {
  watched_loop l(false);
  const auto throws = []() -> coro<> {
    co_await sleep(1ms);
    throw test::failure("no\r\nluck\n");
  };
  static_cast<void>(l.create_task(throws(), task_options().name("two\nlines")));
  auto asleep = l.create_task(sleep(1h), task_options().name("a\nnap"));
  l.call_later(2ms, [&] { l.stop(); });
  l.run_forever();
  REQUIRE(l.reports.size() == 1);
  CHECK(contains(describe(l.reports[0]), R"(no\r\nluck\n [task )"));
  CHECK(contains(describe(l.reports[0]), R"( two\nlines])"));
  CHECK(l.reports[0].task_name == "two\nlines");
  asleep.cancel("for\nonce");
  CHECK(contains(asleep.describe(), R"('a\nnap' cancelling (for\nonce)"));
  CHECK_FALSE(contains(describe(l.reports[0]) + asleep.describe(), "\n"));
  CHECK(cancelled("for\nonce").reason() == "for\nonce");
  CHECK(contains(cancelled("for\nonce").describe(), R"(for\nonce)"));

  const auto await_other = [](task<>& other) -> coro<> { co_await other; };
  task<> one, two;
  one = l.create_task(await_other(two), task_options().name("o\nne"));
  two = l.create_task(await_other(one));
  try {
    l.run_until_complete(one);
    FAIL("two tasks that await each other ended");
  } catch (const deadlock& d) {
    CHECK(contains(
        d.what(), R"(which waits for task )" + std::to_string(one.id()) + R"( 'o\nne')"));
  }
  one.cancel();
  l.run_until_complete(sleep(1h));

  l.run_until_complete([](coro<> c) -> coro<> {
    const auto child = create_task(std::move(c), task_options().name("two\nlines"));
    const auto whole = gather(child);
    co_await as_outcome(whole);
    CHECK_FALSE(contains(describe(whole.children().at(0)), "\n"));
    CHECK_FALSE(contains(exception_group("a\nb", {whole.exception()}).what(), "\n"));
  }(throws()));
}

TEST_CASE("debug: what tasks share is anybody's once its loop is closed [DEBUG-2]",
          "[api][debug][DEBUG-2]") {
  test::report_log reports;
  test::host host;
  event e;
  {
    loop l(host.get(), borrowed);
    l.set_debug(true);
    reports.listen(l);
    const auto wait_for_it = [](event& what) -> coro<> { co_await what.wait(); };
    const auto waits = l.create_task(wait_for_it(e));
    host.turn();
  }
  std::string said;
  std::thread([&] { said = thrown_by([&] { e.set(); }); }).join();
  CHECK(said == "nothing");
  CHECK(e.is_set());
}

TEST_CASE(
    "debug: a loop that is not closed closes in its destructor, and nobody is warned "
    "[DEBUG-9]",
    "[api][debug][DEBUG-9]") {
  test::report_log reports;
  future<int> kept;
  {
    loop l(loop_options().debug());
    reports.listen(l);
    kept = promise<int>(l).get_future();
  }
  CHECK(thrown_by([&] { kept.add_done_callback([](const auto&) {}); }) ==
        "add_done_callback: the loop is closed");
  CHECK(reports.size() == 0);
}

TEST_CASE("debug: an argument whose destructor reads a cancelled future does no harm",
          "[api][debug][swallowed]") {
  watched_loop l;
  struct reads {
    future<int> f;
    ~reads() {
      if (f.valid()) CHECK_THROWS_AS(f.result(), cancelled);
    }
    explicit reads(future<int> of) : f(std::move(of)) {}
    reads(reads&&) = default;
  };
  const auto body = [](reads r) -> coro<int> {
    try {
      co_await r.f;
    } catch (const cancelled&) {
    }
    co_return 1;  // and r is destroyed when its coroutine is gone
  };
  const promise<int> p(l);
  const auto t = l.create_task(body(reads(p.get_future())));
  l.call_soon([t] { t.cancel(); });
  CHECK(l.run_until_complete(t) == 1);
  CHECK(l.reports.size() == 1);
}
