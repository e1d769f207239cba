#include <sheaf/coro.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

using tasks = std::vector<sheaf::task<>>;

/// Awaits the task that stands before it in `all`; the first one awaits `end`.
sheaf::coro<> await_previous(tasks& all, std::size_t i, sheaf::future<> end) {
  if (i == 0) {
    co_await end;
  } else {
    co_await all[i - 1];
  }
}

void make_chain(sheaf::loop& l, tasks& all, std::size_t length, sheaf::future<> end) {
  all.reserve(length);
  for (std::size_t i = 0; i < length; ++i) {
    all.push_back(l.create_task(await_previous(all, i, end)));
  }
}

constexpr std::size_t length = 100'000;

bool all_cancelled(const tasks& all) {
  for (const auto& t : all) {
    if (!t.cancelled()) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("cancel chain: 100,000 tasks that await each other are cancelled from the last",
          "[api][cancel_chain][CANCEL-5]") {
  tasks all;
  sheaf::loop l(virtual_clock());
  sheaf::promise<> end(l);
  make_chain(l, all, length, end.get_future());
  while (l.turn() && all.back().stack().empty()) {
  }
  CHECK(all.back().cancel("the whole chain"));
  CHECK(end.get_future().cancelled());  // it went the whole way, in one call
  l.run_forever();
  CHECK(all_cancelled(all));
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("cancel chain: 100,000 tasks end one by one when the innermost does",
          "[api][cancel_chain]") {
  tasks all;
  sheaf::loop l(virtual_clock());
  sheaf::promise<> end(l);
  make_chain(l, all, length, end.get_future());
  while (l.turn() && all.back().stack().empty()) {
  }
  end.set_value();
  l.run_forever();
  CHECK(all.back().done());
  CHECK_FALSE(all.back().cancelled());
}

TEST_CASE("cancel chain: 100,000 tasks in a chain are ended with their loop",
          "[api][cancel_chain]") {
  tasks all;
  {
    sheaf::loop l(virtual_clock());
    l.set_exception_handler([](const sheaf::exception_context&) {});
    sheaf::promise<> end(l);
    make_chain(l, all, length, end.get_future());
    while (l.turn() && all.back().stack().empty()) {
    }
  }
  CHECK(all_cancelled(all));
}

namespace {

sheaf::coro<> await_slot(sheaf::task<>& other, event_log& log, const char* who) {
  try {
    co_await other;
    log.push_back(std::string(who) + " got through");
  } catch (const sheaf::cancelled& c) {
    log.push_back(std::string(who) + " " + c.reason());
    throw;
  }
}

}  // namespace

TEST_CASE("cancel chain: a cycle of two tasks ends when one is cancelled",
          "[api][cancel_chain]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::task<> a;
  sheaf::task<> b;
  a = l.create_task(await_slot(b, log, "a"));
  b = l.create_task(await_slot(a, log, "b"));
  l.turn();
  CHECK(a.cancel("knot"));
  CHECK(log.empty());  // R3
  l.run_forever();
  CHECK(log == event_log{"b knot", "a knot"});
  CHECK((a.cancelled() && b.cancelled()));
}

TEST_CASE("cancel chain: a task that hangs on a cycle is cancelled with it",
          "[api][cancel_chain]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::task<> a;
  sheaf::task<> b;
  a = l.create_task(await_slot(b, log, "a"));
  b = l.create_task(await_slot(a, log, "b"));
  auto outside = l.create_task(await_slot(a, log, "outside"));
  l.turn();
  CHECK(outside.cancel("knot"));
  l.run_forever();
  CHECK((a.cancelled() && b.cancelled() && outside.cancelled()));
  CHECK(log.size() == 3);
}

TEST_CASE("cancel chain: a cycle that nobody cancels is a deadlock that names its tasks",
          "[api][cancel_chain]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::task<> a;
  sheaf::task<> b;
  a = l.create_task(await_slot(b, log, "a"), sheaf::task_options().name("snake"));
  b = l.create_task(await_slot(a, log, "b"), sheaf::task_options().name("tail"));
  std::string text;
  try {
    l.run_until_complete(a);
  } catch (const sheaf::deadlock& e) {
    text = e.what();
  }
  CHECK(text.find("'snake' pending waiting for task") != std::string::npos);
  CHECK(text.find("'tail' pending waiting for task") != std::string::npos);
  a.cancel();
  l.run_forever();
}

namespace {

sheaf::coro<> gather_slot(sheaf::task<>& one) { co_await sheaf::gather(one); }

}  // namespace

TEST_CASE("cancel chain: a task that gathers itself ends when it is cancelled",
          "[api][cancel_chain]") {
  sheaf::loop l(virtual_clock());
  sheaf::task<> a;
  a = l.create_task(gather_slot(a));
  l.turn();
  CHECK(a.cancel());
  l.run_forever();
  CHECK(a.cancelled());
}

namespace {

sheaf::coro<> gather_previous(tasks& all, std::size_t i, sheaf::future<> end) {
  if (i == 0) {
    co_await end;
  } else {
    co_await sheaf::gather(all[i - 1]);
  }
}

}  // namespace

namespace {

void cancel_nested_gathers(std::size_t depth) {
  tasks all;
  sheaf::loop l(virtual_clock());
  sheaf::promise<> end(l);
  all.reserve(depth);
  for (std::size_t i = 0; i < depth; ++i) {
    all.push_back(l.create_task(gather_previous(all, i, end.get_future())));
  }
  while (l.turn() && all.back().stack().empty()) {
  }
  CHECK(all.back().cancel());
  CHECK(end.get_future().cancelled());
  l.run_forever();
  CHECK(all.front().cancelled());
  CHECK(all.back().done());
}

}  // namespace

TEST_CASE("cancel chain: nested gathers are cancelled from the outermost",
          "[api][cancel_chain]") {
  cancel_nested_gathers(1'000);
}

TEST_CASE("cancel chain: 100,000 nested gathers are cancelled from the outermost",
          "[api][cancel_chain]") {
  cancel_nested_gathers(length);
}

namespace {

sheaf::coro<> gather_slot_after(sheaf::task<>& slot) {
  co_await sheaf::sleep(1ms);
  co_await sheaf::gather(slot);
}

}  // namespace

// The innermost awaits the outermost: what breaks the circle is beyond the levels that are told
// by calls.
TEST_CASE("cancel chain: a circle of 1,000 nested gathers is cancelled",
          "[api][cancel_chain]") {
  constexpr std::size_t depth = 1'000;
  tasks all;
  sheaf::task<> outermost;
  sheaf::loop l(virtual_clock());
  all.push_back(l.create_task(gather_slot_after(outermost)));
  for (std::size_t i = 1; i < depth; ++i) {
    all.push_back(l.create_task(gather_previous(all, i, {})));
  }
  outermost = l.create_task(gather_previous(all, depth, {}));
  l.call_later(2ms, [&] { outermost.cancel(); });
  l.run_forever();
  CHECK(outermost.cancelled());
  for (const auto& t : all) CHECK(t.cancelled());
}

namespace {

sheaf::coro<> cancel_in_cleanup(sheaf::task<>& other, event_log& log) {
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled&) {
    log.push_back(other.cancel() ? "cancels the other" : "the other is done");
    throw;
  }
}

}  // namespace

TEST_CASE("cancel chain: tasks that cancel each other in their cleanup both end",
          "[api][cancel_chain]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::task<> a;
  sheaf::task<> b;
  a = l.create_task(cancel_in_cleanup(b, log));
  b = l.create_task(cancel_in_cleanup(a, log));
  l.turn();
  a.cancel();
  l.run_forever();
  CHECK(log == event_log{"cancels the other", "the other is done"});
  CHECK((a.cancelled() && b.cancelled()));
}

TEST_CASE("cancel chain: a wait made a task starts below 100,000 gathers in each other",
          "[api][cancel_chain]") {
  sheaf::loop l(virtual_clock());
  l.run_until_complete([]() -> sheaf::coro<> {
    std::vector<sheaf::coro<>> waits;
    waits.push_back(sheaf::detail::to_coro(sheaf::sleep(1ms)));
    sheaf::future<> whole = sheaf::gather(std::move(waits));
    for (std::size_t i = 0; i < length; ++i) {
      std::vector<sheaf::future<>> inner;
      inner.push_back(std::move(whole));
      whole = sheaf::gather(std::move(inner));
    }
    co_await whole;
  }());
}
