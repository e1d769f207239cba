#include <sheaf/wait_for.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_completed.hpp>
#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/shield.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait.hpp>

#include <coroutine>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::give;
using test::noted;
using test::virtual_loop;

namespace {

/// Waits for what never comes, and counts how often it began.
coro<int> for_ever(int& begun) {
  ++begun;
  co_await sleep(1h);
  co_return 1;
}

/// Cancelled, it fails.
coro<int> fail_when_cancelled() {
  try {
    co_await sleep(1h);
  } catch (const cancelled&) {
    throw test::failure("while cleaning up");
  }
  co_return 1;
}

std::vector<task<int>> one(task<int> t) {
  std::vector<task<int>> v;
  v.push_back(std::move(t));
  return v;
}

/// How wait_for(what, limit) ends: its value, or what it throws.
template <class Aw>
coro<std::string> end_of(Aw what, detail::time_limit limit) {
  try {
    co_return std::to_string(co_await wait_for(std::move(what), limit));
  } catch (const timeout_error&) {
    co_return "timed out";
  } catch (...) {
    co_return test::said(std::current_exception());
  }
}

}  // namespace

TEST_CASE(
    "wait_for: in time it gives the value or throws the error, no timer is left "
    "[WAITFOR-1]",
    "[api][wait_for][WAITFOR-1]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    const std::string value = co_await end_of(give(3, 5ms), 10ms);
    CHECK(value == "3");
    const std::string error = co_await end_of(test::fail("no", 5ms), 10ms);
    CHECK(error == "no");
    const std::string of_task = co_await end_of(create_task(give(4, 5ms)), 10ms);
    CHECK(of_task == "4");
    promise<int> p;
    p.set_value(5);
    const std::string of_future = co_await end_of(p.get_future(), 10ms);
    CHECK(of_future == "5");
    CHECK(loop.core().timers() == 0);
    CHECK(loop.elapsed_ms() == 15);
    CHECK(current_task().cancelling() == 0);
  }(l));
}

TEST_CASE(
    "wait_for: a value of the batch of the deadline counts if it came first "
    "[WAITFOR-1]",
    "[api][wait_for][WAITFOR-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    auto first = loop::current().call_later(10ms, [&] { p.set_value(1); });
    const int got = co_await wait_for(p.get_future(), 20ms);
    CHECK(got == 1);
    promise<int> q;
    auto caller = create_task(end_of(q.get_future(), 10ms));
    co_await sleep(0s);
    auto second = loop::current().call_later(10ms, [&] {
      if (!q.get_future().done()) q.set_value(2);
    });
    const std::string late = co_await caller;
    CHECK(late == "timed out");  // its deadline was armed before
  }());
}

TEST_CASE("wait_for: without a limit it waits without limit [WAITFOR-2]",
          "[api][wait_for][WAITFOR-2]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    const std::string of_coro = co_await end_of(give(1, 100h), std::nullopt);
    CHECK(of_coro == "1");
    const std::string of_task = co_await end_of(create_task(give(2, 100h)), std::nullopt);
    CHECK(of_task == "2");
    const std::optional<std::chrono::milliseconds> none;
    const std::string optional = co_await end_of(give(3, 100h), none);
    CHECK(optional == "3");
    CHECK(loop.elapsed_ms() == 300L * 3600 * 1000);
    co_await wait_for(sleep(1h), std::nullopt);
  }(l));
}

TEST_CASE(
    "wait_for: at the limit the inner is cancelled, and has ended when it throws "
    "[WAITFOR-3]",
    "[api][wait_for][WAITFOR-3]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](virtual_loop& loop, event_log& seen) -> coro<> {
    seen.push_back(co_await end_of(test::reluctant(seen, "coro", 1h, 5ms), 10ms));
    CHECK(loop.elapsed_ms() == 15);
    auto inner = create_task(test::reluctant(seen, "task", 1h, 5ms));
    seen.push_back(co_await end_of(inner, 10ms));
    CHECK(loop.elapsed_ms() == 30);
    CHECK(inner.cancelled());
    promise<int> p;
    seen.push_back(co_await end_of(p.get_future(), 10ms));
    CHECK(p.get_future().cancelled());
    CHECK(current_task().cancelling() == 0);
  }(l, log));
  CHECK(log == event_log{"coro has cleaned up", "timed out", "task has cleaned up",
                         "timed out", "timed out"});
}

TEST_CASE("wait_for: a future is cancelled for all who wait for it [WAITFOR-3]",
          "[api][wait_for][WAITFOR-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    auto other = create_task(end_of(p.get_future(), std::nullopt));
    const std::string got = co_await end_of(p.get_future(), 10ms);
    CHECK(got == "timed out");
    const std::string others = co_await other;
    CHECK(others == "cancelled: the time limit has passed");
    CHECK(other.cancelling() == 0);
  }());
}

TEST_CASE("wait_for: an inner that ignores the cancellation delays it [WAITFOR-4]",
          "[api][wait_for][WAITFOR-4]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    auto ignores = []() -> coro<int> {
      for (int i = 0; i < 2; ++i) {
        try {
          co_await sleep(1h);
        } catch (const cancelled&) {
        }
      }
      throw cancelled("after all");
    };
    const std::string got = co_await end_of(ignores(), 10ms);
    CHECK(got == "timed out");
    CHECK(loop.elapsed_ms() == 3600'010);
  }(l));
}

TEST_CASE("wait_for: an inner that swallows it gives its value, and no error [WAITFOR-5]",
          "[api][wait_for][WAITFOR-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const std::string of_coro = co_await end_of(test::stubborn(1, 1h), 10ms);
    CHECK(of_coro == "1");
    const std::string of_task = co_await end_of(create_task(test::stubborn(2, 1h)), 10ms);
    CHECK(of_task == "2");
    CHECK(current_task().cancelling() == 0);
  }());
}

TEST_CASE("wait_for: what the inner throws in place of it comes out [WAITFOR-6]",
          "[api][wait_for][WAITFOR-6]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const std::string of_coro = co_await end_of(fail_when_cancelled(), 10ms);
    CHECK(of_coro == "while cleaning up");
    const std::string of_task = co_await end_of(create_task(fail_when_cancelled()), 10ms);
    CHECK(of_task == "while cleaning up");
    auto begun = create_task(fail_when_cancelled());
    co_await sleep(0s);
    const std::string at_zero = co_await end_of(begun, 0s);
    CHECK(at_zero == "while cleaning up");
  }());
}

TEST_CASE("wait_for: the error has the cancellation as its cause [WAITFOR-7]",
          "[api][wait_for][WAITFOR-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const promise<int> p;
    const auto check = [](const timeout_error& e, unsigned line) {
      CHECK(e.code() == std::errc::timed_out);
      CHECK(e.cause().why() == cancel_why::timeout);
      CHECK(e.cause().by() == current_task().id());
      CHECK(e.cause().at().line() == line);
      CHECK(std::string(e.what()).starts_with("wait_for at "));
    };
    const auto next_line = [](std::source_location at = std::source_location::current()) {
      return at.line() + 1;
    };
    unsigned line = 0;
    try {
      line = next_line();
      co_await wait_for(give(1, 1h), 10ms);
    } catch (const timeout_error& e) {
      check(e, line);
    }
    try {
      line = next_line();
      co_await wait_for(p.get_future(), 10ms);
    } catch (const timeout_error& e) {
      check(e, line);
    }
    try {
      line = next_line();
      co_await wait_for(give(1, 1h), 0ms);
    } catch (const timeout_error& e) {
      check(e, line);
    }
  }());
}

TEST_CASE(
    "wait_for: with no time left, what is done gives its outcome, all else times out "
    "[WAITFOR-8]",
    "[api][wait_for][WAITFOR-8]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    for (const auto limit : {0ms, -5ms}) {
      promise<int> kept, broken, open;
      kept.set_value(1);
      broken.set_exception(std::make_exception_ptr(test::failure("no")));
      const std::string value = co_await end_of(kept.get_future(), limit);
      CHECK(value == "1");
      const std::string error = co_await end_of(broken.get_future(), limit);
      CHECK(error == "no");
      const std::string pending = co_await end_of(open.get_future(), limit);
      CHECK(pending == "timed out");
      CHECK(open.get_future().cancelled());
      CHECK_THROWS_AS(co_await wait_for(sleep(1h), limit), timeout_error);
      CHECK_THROWS_AS(co_await wait_for(sleep(0s), limit), timeout_error);
    }
    CHECK(loop.elapsed_ms() == 0);
    CHECK(current_task().cancelling() == 0);
  }(l));
}

TEST_CASE("wait_for: with no time left a coroutine never starts [WAITFOR-9]",
          "[api][wait_for][WAITFOR-9]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    int begun = 0;
    const std::string zero = co_await end_of(for_ever(begun), 0ms);
    CHECK(zero == "timed out");
    const std::string less = co_await end_of(for_ever(begun), -1h);
    CHECK(less == "timed out");
    const std::string ready = co_await end_of(give(1), 0ms);
    CHECK(ready == "timed out");
    CHECK(begun == 0);
  }());
}

TEST_CASE("wait_for: with no time left it gives way, so that others run [WAITFOR-9]",
          "[api][wait_for][WAITFOR-9]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    bool stop = false;
    loop::current().call_soon([&] { stop = true; });
    int rounds = 0;
    while (!stop && ++rounds < 10) {
      CHECK_THROWS_AS(co_await wait_for(give(1), 0ms), timeout_error);
    }
    CHECK(rounds == 1);
  }());
}

TEST_CASE(
    "wait_for: with no time left a running task is cancelled and awaited "
    "[WAITFOR-10]",
    "[api][wait_for][WAITFOR-10]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](virtual_loop& loop, event_log& seen) -> coro<> {
    auto inner = create_task(test::reluctant(seen, "task", 1h, 5ms));
    co_await sleep(1ms);
    seen.push_back(co_await end_of(inner, 0ms));
    CHECK(loop.elapsed_ms() == 6);
    CHECK(inner.cancelled());
    CHECK(current_task().cancelling() == 0);
  }(l, log));
  CHECK(log == event_log{"task has cleaned up", "timed out"});
}

TEST_CASE("wait_for: with no time left, a task that refuses gives its value [WAITFOR-10]",
          "[api][wait_for][WAITFOR-10]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto inner = create_task(test::stubborn(3, 1h));
    co_await sleep(0s);
    const std::string got = co_await end_of(inner, 0ms);
    CHECK(got == "3");
  }());
}

TEST_CASE(
    "wait_for: cancelling the caller cancels the inner, and it has ended before "
    "[WAITFOR-11]",
    "[api][wait_for][WAITFOR-11]") {
  for (const detail::time_limit limit :
       {detail::time_limit(1h), detail::time_limit(std::nullopt)}) {
    virtual_loop l;
    event_log log;
    l.run_until_complete([](event_log& seen, detail::time_limit how_long) -> coro<> {
      auto of_coro =
          create_task(end_of(test::reluctant(seen, "coro", 2h, 5ms), how_long));
      auto inner = create_task(test::reluctant(seen, "task", 2h, 5ms));
      auto of_task = create_task(end_of(inner, how_long));
      co_await sleep(1ms);
      of_coro.cancel("stop");
      seen.push_back(co_await of_coro);
      of_task.cancel("stop");
      seen.push_back(co_await of_task);
      CHECK(inner.cancelled());
    }(log, limit));
    CHECK(log == event_log{"coro has cleaned up", "cancelled: as asked",
                           "task has cleaned up", "cancelled: as asked"});
  }
}

TEST_CASE(
    "wait_for: with no time left, cancelling the caller wins over the time-out "
    "[WAITFOR-11]",
    "[api][wait_for][WAITFOR-11]") {
  virtual_loop l;
  event_log log;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto inner = create_task(test::reluctant(seen, "task", 1h, 5ms));
    co_await sleep(0s);
    auto caller = create_task(end_of(inner, 0ms));
    co_await sleep(1ms);
    caller.cancel("stop");
    seen.push_back(co_await caller);
    CHECK(inner.done());
    auto refused = create_task(end_of(give(1), 0ms));
    co_await sleep(0s);
    refused.cancel("stop");
    seen.push_back(co_await refused);
  }(log));
  REQUIRE(log.size() == 2);
  CHECK(log[0].starts_with("cancelled"));
  CHECK(log[1] == "cancelled: stop");
}

TEST_CASE(
    "wait_for: the caller cancelled in the tick in which the inner ended is cancelled "
    "[WAITFOR-12]",
    "[api][wait_for][WAITFOR-12]") {
  virtual_loop l;
  l.set_budget({1, 0ns});  // one batch a turn
  promise<int> p(l);
  auto inner = l.create_task(give(2, 5ms));
  auto of_future = l.create_task(coro<int>(wait_for(p.get_future(), 1h)));
  auto of_task = l.create_task(coro<int>(wait_for(inner, 1h)));
  while (!inner.done()) l.turn();
  p.set_value(1);
  REQUIRE_FALSE(of_task.done());
  CHECK(of_future.cancel());
  CHECK(of_task.cancel());
  l.run_forever();
  CHECK(of_future.cancelled());
  CHECK(p.get_future().result() == 1);
  CHECK(of_task.cancelled());
  CHECK(inner.result() == 2);
}

TEST_CASE(
    "wait_for: a request of the tick in which a coro ended is never swallowed "
    "[WAITFOR-12]",
    "[api][wait_for][WAITFOR-12]") {
  const auto scenario = []() -> coro<> {
    auto caller = create_task(wait_for(give(1, 5ms), 1h));
    bool asked = false;
    auto at_once = loop::current().call_later(5ms, [&] { asked = caller.cancel(); });
    const auto end = co_await as_outcome(caller);
    CHECK(end.is_cancelled() == asked);
  };
  test::for_seeds(scenario);
}

TEST_CASE(
    "wait_for: a shielded inner survives; only the shield is cancelled [WAITFOR-13]",
    "[api][wait_for][WAITFOR-13]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto inner = create_task(give(7, 50ms));
    const std::string later = co_await end_of(shield(inner), 10ms);
    CHECK(later == "timed out");
    const std::string at_once = co_await end_of(shield(inner), 0ms);
    CHECK(at_once == "timed out");
    CHECK_FALSE(inner.done());
    const int got = co_await inner;
    CHECK(got == 7);
  }());
}

TEST_CASE("wait_for: a coroutine runs inside the calling task [WAITFOR-14]",
          "[api][wait_for][WAITFOR-14]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto who = []() -> coro<std::uint64_t> {
      co_await sleep(1ms);
      CHECK(all_tasks().size() == 1);
      co_return current_task().id();
    };
    const auto inner = co_await wait_for(who(), 10ms);
    CHECK(inner == current_task().id());
  }());
}

// ---- what the table of behaviours does not say ---------------------------------------------

TEST_CASE("wait_for: takes all that is awaited", "[api][wait_for]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    CHECK_THROWS_AS(co_await wait_for(sleep(1h), 10ms), timeout_error);
    const int value = co_await wait_for(sleep(1ms, 5), 10ms);
    CHECK(value == 5);
    const auto both = co_await wait_for(gather(give(1, 1ms), give(2, 2ms)), 10ms);
    CHECK(both == std::tuple(1, 2));
    auto some = one(create_task(give(1, 1ms)));
    const auto sorted = co_await wait_for(wait(some), 10ms);
    CHECK(sorted.done.size() == 1);
    const auto outcome = co_await wait_for(as_outcome(give(1, 1h)), 10ms);
    CHECK(outcome.is_cancelled());  // it swallows the cancellation, as asked
    const int nested = co_await wait_for(wait_for(give(3, 1ms), 10ms), 20ms);
    CHECK(nested == 3);
    auto body = [](timeout&) -> coro<int> { co_return 4; };
    const int of_run = co_await wait_for(timeout::run(1ms, body), 20ms);
    CHECK(of_run == 4);
    auto stream = as_completed(one(create_task(give(9, 1ms))));
    auto next = co_await wait_for(stream.next(), 10ms);
    CHECK((next && next->result() == 9));
  }());
}

namespace {

/// An awaiter that cannot be moved, as those of locks and queues are: it stands in their list.
class rooted_wait final : public detail::suspension {
 public:
  using awaits_in_task = void;
  explicit rooted_wait(bool ready) : ready_(ready) {}
  bool await_ready() const noexcept { return ready_; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    task_ = h.promise().task();
    task_->suspended_on(*this);
  }
  int await_resume() {
    if (task_) task_->throw_if_interrupted();
    return 6;
  }
  bool cancel(const detail::cancel_ref&) noexcept override {
    interrupt();
    return true;
  }
  void interrupt() noexcept override { task_->wake_cancelled(); }
  const char* kind() const noexcept override { return "test"; }

 private:
  detail::task_state* task_ = nullptr;
  bool ready_;
};
static_assert(!std::is_move_constructible_v<rooted_wait>);

}  // namespace

TEST_CASE("wait_for: takes an awaiter that cannot be moved, in place",
          "[api][wait_for]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& loop) -> coro<> {
    const int ready = co_await wait_for(rooted_wait(true), 10ms);
    CHECK(ready == 6);
    CHECK_THROWS_AS(co_await wait_for(rooted_wait(false), 10ms), timeout_error);
    CHECK_THROWS_AS(co_await wait_for(rooted_wait(true), 0ms), timeout_error);
    CHECK(loop.elapsed_ms() == 10);
  }(l));
}

TEST_CASE("wait_for: an lvalue gives a reference, an rvalue hands over",
          "[api][wait_for]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<std::unique_ptr<int>> p;
    const auto f = p.get_future();
    p.set_value(std::make_unique<int>(3));
    const std::unique_ptr<int>& there = co_await wait_for(f, 10ms);
    CHECK(&there == &f.result());
    auto made = []() -> coro<std::unique_ptr<int>> {
      co_await sleep(1ms);
      co_return std::make_unique<int>(4);
    };
    const auto of_task = co_await wait_for(create_task(made()), 10ms);
    CHECK(*of_task == 4);
    const auto of_coro = co_await wait_for(made(), 10ms);
    CHECK(*of_coro == 4);
  }());
}

TEST_CASE("wait_for: may be made a task, gathered, returned and kept",
          "[api][wait_for]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto two =
        co_await gather(wait_for(give(1, 1ms), 10ms), wait_for(sleep(1ms), 1s));
    CHECK(std::get<0>(two) == 1);
    std::vector<coro<int>> all;
    for (int i = 0; i < 3; ++i) all.push_back(wait_for(give(i, 1ms), 10ms));
    const auto three = co_await gather(std::move(all));
    CHECK((three.size() == 3 && three[2] == 2));
    auto named = create_task(wait_for(give(5, 1ms), 1s), task_options().name("limited"));
    CHECK(named.name() == "limited");
    const int of_task = co_await named;
    CHECK(of_task == 5);
    auto returned = [] { return wait_for(give(6, 1ms), 1s); };
    auto call = returned();
    const int later = co_await std::move(call);
    CHECK(later == 6);
    CHECK_THROWS_AS(co_await std::move(call), invalid_state);
  }());
  auto t = l.create_task(wait_for(give(7, 1ms), 1s));
  CHECK(l.run_until_complete(t) == 7);
  auto limited = [] { return wait_for(give(8, 1h), 1s); };
  CHECK_THROWS_AS(run(limited(), run_options().virtual_time()), timeout_error);
}

TEST_CASE("wait_for: a future of another loop is refused, and no scope is left",
          "[api][wait_for]") {
  virtual_loop other;
  promise<int> p(other);
  virtual_loop l;
  l.run_until_complete([](const future<int>& foreign) -> coro<> {
    CHECK_THROWS_AS(co_await wait_for(foreign, 10ms), invalid_state);
    CHECK_THROWS_AS(co_await wait_for(foreign, 0ms), invalid_state);
    CHECK_FALSE(foreign.done());
    CHECK_FALSE(current_deadline());
  }(p.get_future()));
}

TEST_CASE("wait_for: a limit that is not a number is refused", "[api][wait_for]") {
  const std::chrono::duration<double> nan(std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS_AS(static_cast<void>(wait_for(give(1), nan)), std::invalid_argument);
}

TEST_CASE("wait_for: the longest limit there is does not wrap around",
          "[api][wait_for]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const std::string most = co_await end_of(give(1, 1h), std::chrono::hours::max());
    CHECK(most == "1");
    const std::string least = co_await end_of(give(1, 1h), std::chrono::hours::min());
    CHECK(least == "timed out");
  }());
}
