#include <sheaf/as_completed.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <memory>
#include <stdexcept>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::give;
using test::noted;
using test::said;
using test::virtual_loop;

namespace {

using tasks = std::vector<task<int>>;

std::vector<coro<int>> coros(coro<int> a, coro<int> b, coro<int> c) {
  std::vector<coro<int>> all;
  all.push_back(std::move(a));
  all.push_back(std::move(b));
  all.push_back(std::move(c));
  return all;
}

/// How an awaitable ends: its value or its error, in words.
coro<std::string> how(completion<int> c) {
  std::string error;
  try {
    co_return std::to_string(co_await c);
  } catch (const timeout_error&) {
    co_return std::string("timeout");
  } catch (...) {
    error = said(std::current_exception());
  }
  co_return error;
}

template <class Range>
concept completable = requires(Range&& r) { as_completed(std::forward<Range>(r)); };

}  // namespace

TEST_CASE("as_completed: yields one awaitable per distinct input [ASC-1]",
          "[api][as_completed][ASC-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto t = create_task(give(1));
    const auto u = create_task(give(2, 1ms));
    const tasks all{t, u, t, t, u};
    event_log log;
    for (auto&& aw : as_completed(all)) log.push_back(co_await how(aw));
    CHECK(log == event_log{"1", "2"});
    int asked = 0;
    auto stream = as_completed(all);
    while (const auto next = co_await stream.next()) asked += next->result();
    CHECK(asked == 3);
  }());
}

TEST_CASE("as_completed: an empty input yields nothing [ASC-1]",
          "[api][as_completed][ASC-1]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    int yielded = 0;
    for (auto&& aw : as_completed(tasks())) {
      static_cast<void>(aw);
      ++yielded;
    }
    CHECK(yielded == 0);
    auto stream =
        as_completed(std::vector<coro<int>>(), as_completed_options().timeout(1ms));
    const auto next = co_await stream.next();
    CHECK_FALSE(next.has_value());
    CHECK(loop::current().core().timers() == 0);
  }());
}

TEST_CASE("as_completed: delivers in the order of completion [ASC-2]",
          "[api][as_completed][ASC-2]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    event_log log;
    for (auto&& aw : as_completed(coros(give(1, 30ms), give(2, 10ms), give(3, 20ms)))) {
      const int got = co_await aw;
      log.push_back(std::to_string(got) + " at " + std::to_string(clock.elapsed_ms()));
    }
    CHECK(log == event_log{"2 at 10", "3 at 20", "1 at 30"});
  }(l));
}

TEST_CASE("as_completed: completions of one batch come in their order [ASC-2]",
          "[api][as_completed][ASC-2]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b, c;
    const std::vector<future<int>> all{a.get_future(), b.get_future(), c.get_future()};
    auto stream = as_completed(all);
    c.set_value(3);
    a.set_value(1);
    b.set_value(2);
    event_log log;
    while (const auto next = co_await stream.next()) {
      log.push_back(std::to_string(next->result()));
    }
    CHECK(log == event_log{"3", "1", "2"});
  }());
}

TEST_CASE("as_completed: an awaitable gives the value or throws the error [ASC-3]",
          "[api][as_completed][ASC-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> p;
    const auto victim = create_task(give(9, 50ms));
    const tasks all{create_task(give(1, 10ms)), create_task(fail("x", 20ms)), victim};
    loop::current().call_later(30ms, [victim] { victim.cancel("enough"); });
    event_log log;
    for (auto&& aw : as_completed(all)) log.push_back(co_await how(aw));
    CHECK(log == event_log{"1", "x", "cancelled: enough"});
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "as_completed: whichever awaitable is awaited first gets the first completion "
    "[ASC-4]",
    "[api][as_completed][ASC-4]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto stream = as_completed(coros(give(1, 10ms), give(2, 20ms), give(3, 30ms)));
    std::vector<completion<int>> all;
    for (auto&& aw : stream) all.push_back(aw);
    event_log log;
    log.push_back(co_await how(all[2]));
    log.push_back(co_await how(all[0]));
    log.push_back(co_await how(all[1]));
    CHECK(log == event_log{"1", "2", "3"});
  }());
}

TEST_CASE(
    "as_completed: several may be awaited at once, first come, first served [ASC-4]",
    "[api][as_completed][ASC-4]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto stream = as_completed(coros(give(1, 30ms), give(2, 20ms), give(3, 10ms)));
    std::vector<task<std::string>> waiting;
    for (auto&& aw : stream) waiting.push_back(create_task(how(aw)));
    event_log log;
    for (auto& w : waiting) log.push_back(co_await w);
    CHECK(log == event_log{"3", "2", "1"});
  }());
}

TEST_CASE("as_completed: many tasks may ask one stream [ASC-4]",
          "[api][as_completed][ASC-4]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto stream = as_completed(coros(give(1, 10ms), give(2, 20ms), give(3, 30ms)));
    const auto worker = [](auto& from, std::string name, event_log& s) -> coro<> {
      while (const auto next = co_await from.next()) {
        s.push_back(name + " got " + std::to_string(next->result()));
      }
      s.push_back(name + " ends");
    };
    const auto a = create_task(worker(stream, "a", seen));
    const auto b = create_task(worker(stream, "b", seen));
    co_await a;
    co_await b;
  }(log));
  CHECK(log == event_log{"a got 1", "b got 2", "a got 3", "a ends", "b ends"});
}

TEST_CASE("as_completed: at the time-out what is not in becomes an error [ASC-5]",
          "[api][as_completed][ASC-5]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    event_log log;
    const auto options = as_completed_options().timeout(15ms);
    for (auto&& aw :
         as_completed(coros(give(1, 10ms), give(2, 20ms), give(3, 30ms)), options)) {
      log.push_back(co_await how(aw));
      log.back() += " at " + std::to_string(clock.elapsed_ms());
    }
    CHECK(log == event_log{"1 at 10", "timeout at 15", "timeout at 15"});
  }(l));
}

TEST_CASE("as_completed: the time-out counts from the call [ASC-5]",
          "[api][as_completed][ASC-5]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const auto stream = as_completed(coros(give(1, 20ms), give(2, 20ms), give(3, 20ms)),
                                     as_completed_options().timeout(10ms));
    co_await sleep(5ms);
    const auto first = co_await how(*stream.begin());
    CHECK(first == "timeout");
    CHECK(clock.elapsed_ms() == 10);
  }(l));
}

TEST_CASE("as_completed: the time-out cancels no input [ASC-6]",
          "[api][as_completed][ASC-6]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto stream = as_completed(coros(noted(seen, "a", 20ms), give(2), give(3)),
                               as_completed_options().timeout(10ms));
    for (auto&& aw : stream) seen.push_back(co_await how(aw));
    co_await sleep(15ms);
  }(log));
  CHECK(log == event_log{"a begins", "2", "3", "timeout", "a ends"});
}

TEST_CASE(
    "as_completed: what completed in time is delivered even if it is fetched late "
    "[ASC-7]",
    "[api][as_completed][ASC-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto stream = as_completed(coros(give(1, 5ms), give(2, 8ms), give(3, 30ms)),
                                     as_completed_options().timeout(10ms));
    co_await sleep(50ms);
    event_log log;
    for (auto&& aw : stream) log.push_back(co_await how(aw));
    CHECK(log == event_log{"1", "2", "timeout"});
  }());
}

TEST_CASE("as_completed: a time-out that is not used leaves no timer [ASC-8]",
          "[api][as_completed][ASC-8]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    event_log log;
    auto stream = as_completed(coros(give(1, 5ms), give(2, 8ms), give(3, 9ms)),
                               as_completed_options().timeout(1h));
    for (auto&& aw : stream) log.push_back(co_await how(aw));
    CHECK(log == event_log{"1", "2", "3"});
    CHECK(loop::current().core().timers() == 0);
    CHECK(clock.elapsed_ms() == 9);
  }(l));
}

TEST_CASE("as_completed: what is done already comes first, without taking time [ASC-9]",
          "[api][as_completed][ASC-9]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto late = create_task(give(1, 5ms));
    const tasks all{late, create_task(give(2)), create_task(give(3))};
    co_await sleep(0ms);
    const auto before = loop::current().ticks();
    auto stream = as_completed(all);
    const auto first = co_await stream.next();
    const auto second = co_await stream.next();
    CHECK(loop::current().ticks() == before);
    CHECK(first == all[1]);
    CHECK(second == all[2]);
    const auto third = co_await stream.next();
    CHECK(third == late);
  }());
}

TEST_CASE(
    "as_completed: coroutines become tasks by the call and run side by side [ASC-10]",
    "[api][as_completed][ASC-10]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto stream =
        as_completed(coros(noted(seen, "a", 2ms), noted(seen, "b", 1ms), give(1)));
    CHECK(all_tasks().size() == 4);
    co_await sleep(3ms);
    seen.push_back("not asked yet");
  }(log));
  CHECK(log == event_log{"a begins", "b begins", "b ends", "a ends", "not asked yet"});
}

TEST_CASE("as_completed: takes a range of awaitables and nothing else [ASC-11]",
          "[api][as_completed][ASC-11]") {
  STATIC_REQUIRE(completable<std::vector<coro<int>>>);
  STATIC_REQUIRE(completable<tasks&>);
  STATIC_REQUIRE(completable<const std::vector<future<>>&>);
  STATIC_REQUIRE_FALSE(completable<task<int>&>);
  STATIC_REQUIRE_FALSE(completable<coro<int>>);
  STATIC_REQUIRE_FALSE(completable<std::vector<coro<int>>&>);
  STATIC_REQUIRE_FALSE(completable<std::vector<int>>);
}

TEST_CASE("as_completed: of coroutines where no loop runs is an error [ASC-11]",
          "[api][as_completed][ASC-11]") {
  CHECK_THROWS_AS(as_completed(coros(give(1), give(2), give(3))), invalid_state);
}

TEST_CASE("as_completed: next() gives the very handles that went in [ASC-12]",
          "[api][as_completed][ASC-12]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const tasks all{create_task(give(1, 20ms)), create_task(fail("x", 10ms))};
    auto stream = as_completed(all);
    tasks seen;
    while (const auto next = co_await stream.next()) {
      CHECK(next->done());
      seen.push_back(*next);
    }
    CHECK(seen == tasks{all[1], all[0]});
    CHECK(said(seen[0].exception()) == "x");
  }());
}

TEST_CASE("as_completed: next() gives the tasks made of coroutines [ASC-12]",
          "[api][as_completed][ASC-12]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto stream = as_completed(coros(give(1, 3ms), give(2, 2ms), give(3, 1ms)));
    event_log log;
    while (auto next = co_await stream.next()) {
      CHECK(next->id() != 0);
      log.push_back(std::to_string(co_await *next));
    }
    CHECK(log == event_log{"3", "2", "1"});
    const auto after_the_end = co_await stream.next();
    CHECK_FALSE(after_the_end.has_value());
  }());
}

TEST_CASE(
    "as_completed: next() throws the time-out itself, once for each that is late "
    "[ASC-13]",
    "[api][as_completed][ASC-13]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto stream = as_completed(coros(give(1, 10ms), give(2, 20ms), give(3, 30ms)),
                               as_completed_options().timeout(15ms));
    const auto ask = [](completion_stream<task<int>>& from) -> coro<std::string> {
      try {
        const auto next = co_await from.next();
        co_return next ? std::to_string(next->result()) : "end";
      } catch (const timeout_error& e) {
        co_return e.code() == std::errc::timed_out ? "timeout" : "?";
      }
    };
    event_log log;
    for (int i = 0; i < 4; ++i) log.push_back(co_await ask(stream));
    CHECK(log == event_log{"1", "timeout", "timeout", "end"});
  }());
}

TEST_CASE("as_completed: may be left and resumed, nothing lost or repeated [ASC-14]",
          "[api][as_completed][ASC-14]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto stream = as_completed(coros(give(1, 10ms), give(2, 20ms), give(3, 30ms)));
    event_log log;
    while (const auto next = co_await stream.next()) {
      log.push_back(std::to_string(next->result()));
      break;
    }
    co_await sleep(15ms);
    auto moved = std::move(stream);
    while (const auto next = co_await moved.next()) {
      log.push_back(std::to_string(next->result()));
    }
    CHECK(log == event_log{"1", "2", "3"});
  }());
}

TEST_CASE("as_completed: left early, tasks that it was given run on [ASC-15]",
          "[api][as_completed][ASC-15]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const tasks all{create_task(give(1)), create_task(noted(seen, "a", 10ms))};
    for (auto&& aw : as_completed(all)) {
      co_await how(aw);
      break;
    }
    seen.push_back("left");
    co_await all[1];
  }(log));
  CHECK(log == event_log{"a begins", "left", "a ends"});
}

TEST_CASE("as_completed: left early, children that it made are cancelled [ASC-15]",
          "[api][as_completed][ASC-15]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    try {
      auto stream = as_completed(coros(give(1), noted(seen, "a", 10ms), give(2, 5ms)));
      co_await stream.next();
      throw test::failure("left by an exception");
    } catch (const test::failure& e) {
      seen.push_back(e.what());
    }
    co_await sleep(20ms);
  }(log));
  CHECK(log == event_log{"a begins", "left by an exception", "a is cancelled"});
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("as_completed: assigning a stream leaves the old one", "[api][as_completed]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    auto stream = as_completed(coros(noted(seen, "a", 10ms), give(1), give(2)));
    co_await sleep(1ms);
    stream = as_completed(coros(give(7), give(8), give(9)));
    co_await sleep(1ms);
    const auto next = co_await stream.next();
    CHECK(next->result() == 7);
  }(log));
  CHECK(log == event_log{"a begins", "a is cancelled"});
}

TEST_CASE("as_completed: gives results that can only be moved", "[api][as_completed]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = [](int v) -> coro<std::unique_ptr<int>> {
      co_return std::make_unique<int>(v);
    };
    std::vector<coro<std::unique_ptr<int>>> all;
    all.push_back(make(1));
    all.push_back(make(2));
    int sum = 0;
    for (auto&& aw : as_completed(std::move(all))) {
      const auto got = co_await aw;
      sum += *got;
    }
    CHECK(sum == 3);
  }());
}
