#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <uv.h>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

using namespace std::chrono_literals;
using test::counted;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }
sheaf::task_options named(const char* name) { return sheaf::task_options().name(name); }

std::exception_ptr boom() { return std::make_exception_ptr(std::runtime_error("boom")); }

struct noting {
  event_log& log;
  std::string what;
  noting(event_log& l, std::string w) : log(l), what(std::move(w)) {}
  noting(const noting&) = delete;
  ~noting() { log.push_back(what + " destroyed"); }
};

sheaf::coro<> sleep_with_cleanup(event_log& log) {
  const noting local(log, "local");
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled& c) {
    log.push_back("cancelled: " + c.reason());
  }
  co_await sheaf::sleep(1s);
  log.push_back("cleaned up");
  throw sheaf::cancelled();
}

sheaf::coro<> refuse(event_log& log, counted) {
  const noting local(log, "local");
  for (;;) {
    try {
      co_await sheaf::sleep(1s);
    } catch (const sheaf::cancelled&) {
    }
  }
}

sheaf::coro<> sleep_in(event_log& log, int level) {
  const noting local(log, "level " + std::to_string(level));
  if (level > 0) {
    co_await sleep_in(log, level - 1);
  } else {
    co_await sheaf::sleep(1h);
  }
}

sheaf::coro<int> nap() {
  co_await sheaf::sleep(1h);
  co_return 1;
}

}  // namespace

TEST_CASE("loop end: tasks that are alive are cancelled and run to their end",
          "[api][loop_end]") {
  event_log log;
  test::report_log reports;
  sheaf::task<> t;
  {
    sheaf::loop l(virtual_clock());
    reports.listen(l);
    t = l.create_task(sleep_with_cleanup(log), named("sleeper"));
    l.turn();
  }
  CHECK(log ==
        event_log{"cancelled: the loop was closed", "cleaned up", "local destroyed"});
  CHECK(t.cancelled());
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "sleeper");
  CHECK(reports[0].task_id == t.id());
  CHECK(std::string(reports[0].waiting_at.file_name()).ends_with("loop_end.cpp"));
}

TEST_CASE("loop end: a task that was never begun ends without having run",
          "[api][loop_end]") {
  event_log log;
  test::report_log reports;
  sheaf::task<> t;
  {
    sheaf::loop l(virtual_clock());
    reports.listen(l);
    t = l.create_task(sleep_with_cleanup(log), named("unborn"));
  }
  CHECK(log.empty());
  CHECK(t.cancelled());
  CHECK(reports.size() == 1);
}

TEST_CASE("loop end: the frame of a task that refuses to end is destroyed, and reported",
          "[api][loop_end]") {
  counted::reset();
  event_log log;
  test::report_log reports;
  sheaf::task<> t;
  {
    sheaf::loop l(virtual_clock());
    reports.listen(l);
    t = l.create_task(refuse(log, counted(1)), named("mule"));
    l.turn();
    CHECK(counted::alive == 1);
  }
  CHECK(log == event_log{"local destroyed"});
  CHECK(counted::alive == 0);
  CHECK(t.cancelled());
  REQUIRE(reports.size() >= 1);
  CHECK(reports[0].task_name == "mule");
}

TEST_CASE("loop end: tasks of a borrowed loop are destroyed, innermost frame first",
          "[api][loop_end]") {
  event_log log;
  test::report_log reports;
  uv_loop_t host;
  uv_loop_init(&host);
  sheaf::task<> t;
  {
    sheaf::loop l(&host, sheaf::borrowed);
    reports.listen(l);
    t = l.create_task(sleep_in(log, 2), named("guest"));
    uv_run(&host, UV_RUN_NOWAIT);
    CHECK(t.stack().size() == 3);
  }
  CHECK(log == event_log{"level 0 destroyed", "level 1 destroyed", "level 2 destroyed"});
  CHECK(t.cancelled());
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task_name == "guest");
  uv_run(&host, UV_RUN_DEFAULT);  // gives the handles back
  CHECK(uv_loop_close(&host) == 0);
}

namespace {

sheaf::coro<> await_other(sheaf::task<>& other, event_log& log, const char* who) {
  const noting local(log, who);
  co_await other;
}

}  // namespace

TEST_CASE(
    "loop end: tasks of a borrowed loop are destroyed newest first, also in a cycle",
    "[api][loop_end]") {
  event_log log;
  test::report_log reports;
  uv_loop_t host;
  uv_loop_init(&host);
  sheaf::task<> a;
  sheaf::task<> b;
  {
    sheaf::loop l(&host, sheaf::borrowed);
    reports.listen(l);
    a = l.create_task(await_other(b, log, "a"));
    b = l.create_task(await_other(a, log, "b"));
    uv_run(&host, UV_RUN_NOWAIT);
  }
  CHECK(log == event_log{"b destroyed", "a destroyed"});
  CHECK((a.cancelled() && b.cancelled()));
  CHECK(reports.size() == 2);
  uv_run(&host, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&host) == 0);
}

namespace {

/// Uses the loop and other tasks in its destructor, where only errors are allowed.
struct busy_destructor {
  sheaf::loop& l;
  sheaf::future<int> other;
  event_log& log;
  busy_destructor(sheaf::loop& of, sheaf::future<int> f, event_log& to)
      : l(of), other(std::move(f)), log(to) {}
  busy_destructor(const busy_destructor&) = delete;
  ~busy_destructor() {
    other.cancel();
    try {
      l.call_soon([] {});
      log.push_back("queued");
    } catch (const sheaf::invalid_state&) {
      log.push_back("call_soon refused");
    }
    try {
      static_cast<void>(l.create_task(nap()));
      log.push_back("created");
    } catch (const sheaf::invalid_state&) {
      log.push_back("create_task refused");
    }
  }
};

sheaf::coro<> hold_busy(sheaf::loop& l, sheaf::future<int> other, event_log& log) {
  const busy_destructor local(l, std::move(other), log);
  co_await sheaf::sleep(1h);
}

}  // namespace

TEST_CASE("loop end: a frame that is destroyed may use its loop, and gets errors",
          "[api][loop_end]") {
  event_log log;
  test::report_log reports;
  uv_loop_t host;
  uv_loop_init(&host);
  sheaf::task<int> other;
  {
    sheaf::loop l(&host, sheaf::borrowed);
    reports.listen(l);
    other = l.create_task(nap());
    auto t = l.create_task(hold_busy(l, other, log));
    uv_run(&host, UV_RUN_NOWAIT);
  }
  CHECK(log == event_log{"call_soon refused", "create_task refused"});
  CHECK(other.cancelled());
  uv_run(&host, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&host) == 0);
}

// ---- handles that outlive their loop -----------------------------------------------------

TEST_CASE("loop end: a done future is read after its loop is gone", "[api][loop_end]") {
  sheaf::task<int> t;
  {
    sheaf::loop l(virtual_clock());
    t = l.create_task(nap());
    l.run_forever();
  }
  CHECK(t.done());
  CHECK(t.result() == 1);
  CHECK(t.describe().ends_with("finished"));
  CHECK_FALSE(t.cancel());
}

TEST_CASE("loop end: a promise may be kept or dropped after its loop is gone",
          "[api][loop_end]") {
  std::optional<sheaf::promise<int>> kept;
  std::optional<sheaf::promise<int>> dropped;
  std::optional<sheaf::promise<int>> cancelled;
  {
    sheaf::loop l(virtual_clock());
    kept.emplace(l);
    dropped.emplace(l);
    cancelled.emplace(l);
  }
  const auto f = kept->get_future();
  const auto g = dropped->get_future();
  const auto h = cancelled->get_future();
  kept->set_value(1);
  dropped.reset();
  h.cancel("late");
  CHECK(f.result() == 1);
  CHECK_THROWS_AS(g.result(), sheaf::broken_promise);
  CHECK(h.cancelled());
}

TEST_CASE("loop end: what needs the loop is an error once it is closed",
          "[api][loop_end]") {
  sheaf::future<int> f;
  std::optional<sheaf::promise<int>> p;
  {
    sheaf::loop l(virtual_clock());
    p.emplace(l);
    f = p->get_future();
    l.close();
    CHECK_THROWS_AS(sheaf::promise<int>(l), sheaf::invalid_state);
    CHECK_THROWS_AS(l.create_task(nap()), sheaf::invalid_state);
    CHECK_THROWS_AS(l.run_until_complete(nap()), sheaf::invalid_state);
    CHECK_THROWS_AS(l.run_until_complete(f), sheaf::invalid_state);
  }
  CHECK_THROWS_AS(f.add_done_callback([](const sheaf::future<int>&) {}),
                  sheaf::invalid_state);
  CHECK_THROWS_AS(f.then([](int) {}), sheaf::invalid_state);
}

TEST_CASE("loop end: a done callback registered before is dropped, not called",
          "[api][loop_end]") {
  counted::reset();
  event_log log;
  std::optional<sheaf::promise<int>> p;
  {
    sheaf::loop l(virtual_clock());
    p.emplace(l);
    p->get_future().add_done_callback(
        [&log, c = counted(1)](const sheaf::future<int>&) { log.push_back("called"); });
  }
  p->set_value(1);
  CHECK(log.empty());
  CHECK(counted::alive == 0);
}

namespace {

sheaf::coro<std::string> await_foreign(sheaf::future<int> f) {
  try {
    co_await f;
  } catch (const sheaf::invalid_state&) {
    co_return "refused";
  }
  co_return "no error";
}

}  // namespace

TEST_CASE("loop end: a pending future of a loop that is gone is refused by another",
          "[api][loop_end]") {
  std::optional<sheaf::promise<int>> p;
  {
    sheaf::loop l(virtual_clock());
    p.emplace(l);
  }
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(await_foreign(p->get_future())) == "refused");
}

TEST_CASE("loop end: the exception handler lives as long as its loop, not longer",
          "[api][loop_end]") {
  std::optional<sheaf::promise<int>> p;
  const auto held = std::make_shared<int>(0);
  {
    sheaf::loop l(virtual_clock());
    l.set_exception_handler([held](const sheaf::exception_context&) { ++*held; });
    p.emplace(l);
    p->set_exception(boom());
  }
  CHECK(held.use_count() == 1);
  p.reset();  // nobody looked at the error: to stderr, now that the handler is gone
  CHECK(*held == 0);
}
