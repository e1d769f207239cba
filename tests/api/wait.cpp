#include <sheaf/wait.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <array>
#include <list>
#include <ranges>
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

template <class Range>
concept waitable = requires(Range&& r) { wait(std::forward<Range>(r)); };

}  // namespace

TEST_CASE("wait: nothing to wait for is an argument error [WAIT-1]",
          "[api][wait][WAIT-1]") {
  CHECK_THROWS_AS(wait(tasks()), std::invalid_argument);
}

TEST_CASE("wait: an unknown return_when is an argument error [WAIT-1]",
          "[api][wait][WAIT-1]") {
  virtual_loop l;
  const tasks one{l.create_task(give(1))};
  const auto unknown = static_cast<return_when>(99);
  CHECK_THROWS_AS(wait(one, wait_options().return_when(unknown)), std::invalid_argument);
}

TEST_CASE("wait: takes a range of tasks or futures and nothing else [WAIT-2]",
          "[api][wait][WAIT-2]") {
  STATIC_REQUIRE(waitable<tasks&>);
  STATIC_REQUIRE(waitable<const tasks&>);
  STATIC_REQUIRE(waitable<std::vector<future<>>>);
  STATIC_REQUIRE_FALSE(waitable<task<int>&>);
  STATIC_REQUIRE_FALSE(waitable<future<int>>);
  STATIC_REQUIRE_FALSE(waitable<std::vector<coro<int>>>);
  STATIC_REQUIRE_FALSE(waitable<std::vector<int>>);
}

TEST_CASE("wait: gives the handles themselves, each in one of two vectors [WAIT-3]",
          "[api][wait][WAIT-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const tasks all{create_task(give(0, 30ms)), create_task(give(1, 10ms)),
                    create_task(give(2, 40ms)), create_task(give(3, 5ms))};
    const auto [done, pending] = co_await wait(all, wait_options().timeout(20ms));
    CHECK(done == tasks{all[3], all[1]});
    CHECK(pending == tasks{all[0], all[2]});
  }());
}

TEST_CASE("wait: duplicates collapse [WAIT-3]", "[api][wait][WAIT-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto a = create_task(give(1));
    const auto b = create_task(give(2, 50ms));
    const tasks all{a, b, a, b, a};
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_completed));
    CHECK(done == tasks{a});
    CHECK(pending == tasks{b});
  }());
}

TEST_CASE("wait: takes any range [WAIT-3]", "[api][wait][WAIT-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto t = create_task(give(1));
    std::list<task<int>> list;
    list.push_back(t);
    const auto from_list = co_await wait(list);
    CHECK(from_list.done == tasks{t});
    const std::array<task<int>, 1> array{t};
    const auto from_array = co_await wait(array);
    CHECK(from_array.done == tasks{t});
    const auto made = [&t](int) { return t; };
    const auto from_view =
        co_await wait(std::views::iota(0, 3) | std::views::transform(made));
    CHECK(from_view.done == tasks{t});
  }());
}

TEST_CASE("wait: a range given as an rvalue may be a temporary [WAIT-3]",
          "[api][wait][WAIT-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = [] {
      tasks made;
      made.push_back(create_task(give(1, 1ms)));
      return made;
    };
    const auto [done, pending] = co_await wait(make());
    CHECK(done.at(0).result() == 1);
    CHECK(pending.empty());
  }());
}

TEST_CASE("wait: what it gave may die in the very expression that awaits it [WAIT-3]",
          "[api][wait][WAIT-3]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto make = [] {
      tasks made;
      made.push_back(create_task(give(1, 1ms)));
      made.push_back(create_task(give(2, 1h)));
      return made;
    };
    const auto forget = [](wait_result<task<int>> given) {
      const auto counts = std::pair(given.done.size(), given.pending.size());
      for (auto& t : given.pending) t.cancel();
      return counts;
    };
    const auto options = wait_options().return_when(first_completed);
    const auto counts = forget(co_await wait(make(), options));
    CHECK(counts == std::pair<std::size_t, std::size_t>(1, 1));
  }());
}

TEST_CASE("wait: all_completed returns when all are done [WAIT-4]",
          "[api][wait][WAIT-4]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const tasks all{create_task(give(0, 15ms)), create_task(give(1, 10ms))};
    const auto [done, pending] = co_await wait(all);
    CHECK(done == tasks{all[1], all[0]});
    CHECK(pending.empty());
    CHECK(clock.elapsed_ms() == 15);
  }(l));
}

TEST_CASE("wait: never throws what a child threw [WAIT-5]", "[api][wait][WAIT-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const tasks all{create_task(fail("x", 10ms)), create_task(give(1, 50ms))};
    co_await sleep(1ms);
    all[1].cancel("enough");
    const auto [done, pending] = co_await wait(all);
    CHECK(done == tasks{all[1], all[0]});
    CHECK(said(all[0].exception()) == "x");
    CHECK(all[1].cancelled());
  }());
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("wait: an error that it saw but nobody read is still reported [WAIT-5]",
          "[api][wait][WAIT-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const tasks all{create_task(fail("x", 10ms))};
    static_cast<void>(co_await wait(all));
  }());
  CHECK(l.exceptions_reported() == 1);
}

TEST_CASE("wait: first_completed returns with the first, however it ended [WAIT-6]",
          "[api][wait][WAIT-6]") {
  virtual_loop l;
  const auto body = [](const char* how, virtual_loop& clock) -> coro<long long> {
    const auto began = clock.elapsed_ms();
    const bool fails = how == std::string("fails");
    const auto first = create_task(fails ? fail("x", 10ms) : give(1, 10ms));
    const tasks all{create_task(give(0, 20ms)), first};
    if (how == std::string("is cancelled")) {
      co_await sleep(5ms);
      first.cancel();
    }
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_completed));
    CHECK(done == tasks{first});
    CHECK(pending == tasks{all[0]});
    static_cast<void>(first.outcome());
    co_return clock.elapsed_ms() - began;
  };
  CHECK(l.run_until_complete(body("ends", l)) == 10);
  CHECK(l.run_until_complete(body("fails", l)) == 10);
  CHECK(l.run_until_complete(body("is cancelled", l)) == 5);
}

TEST_CASE("wait: what completes while it is being woken is done too [WAIT-7]",
          "[api][wait][WAIT-7]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    promise<int> a, b, c, d;
    const std::vector<future<int>> all{a.get_future(), b.get_future(), c.get_future(),
                                       d.get_future()};
    loop::current().call_soon([&] {
      a.set_value(1);
      loop::current().call_soon([&] { b.set_value(2); });
    });
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_completed));
    CHECK(done == std::vector<future<int>>{all[0], all[1]});
    CHECK(pending == std::vector<future<int>>{all[2], all[3]});
  }());
}

TEST_CASE("wait: resumes two batches after the completion, as asyncio does [WAIT-7]",
          "[api][wait][WAIT-7]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    promise<int> p;
    const std::vector<future<int>> all{p.get_future()};
    loop& here = loop::current();
    here.call_soon([&] {
      p.set_value(1);
      here.call_soon([&] {
        seen.push_back("one later");
        here.call_soon([&] { seen.push_back("two later"); });
      });
    });
    static_cast<void>(co_await wait(all));
    seen.push_back("resumed");
    co_await sleep(0ms);
  }(log));
  CHECK(log == event_log{"one later", "resumed", "two later"});
}

TEST_CASE("wait: first_exception returns at the first failure [WAIT-8]",
          "[api][wait][WAIT-8]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const tasks all{create_task(give(0, 10ms)), create_task(fail("x", 20ms)),
                    create_task(give(2, 30ms))};
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_exception));
    CHECK(done == tasks{all[0], all[1]});
    CHECK(pending == tasks{all[2]});
    CHECK(clock.elapsed_ms() == 20);
    CHECK(said(all[1].exception()) == "x");
  }(l));
}

TEST_CASE("wait: first_exception returns at once if one has failed already [WAIT-8]",
          "[api][wait][WAIT-8]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const tasks all{create_task(give(0, 10ms)), create_task(fail("x"))};
    co_await sleep(0ms);
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_exception));
    CHECK(done == tasks{all[1]});
    CHECK(clock.elapsed_ms() == 0);
    CHECK(said(all[1].exception()) == "x");
  }(l));
}

TEST_CASE("wait: first_exception without a failure waits for all [WAIT-8]",
          "[api][wait][WAIT-8]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const tasks all{create_task(give(0, 10ms)), create_task(give(1, 20ms))};
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_exception));
    CHECK(done.size() == 2);
    CHECK(clock.elapsed_ms() == 20);
  }(l));
}

TEST_CASE("wait: for first_exception a cancelled child is done but no failure [WAIT-9]",
          "[api][wait][WAIT-9]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const tasks all{create_task(give(0, 10ms)), create_task(give(1, 20ms))};
    co_await sleep(1ms);
    all[0].cancel();
    const auto [done, pending] =
        co_await wait(all, wait_options().return_when(first_exception));
    CHECK(done == tasks{all[0], all[1]});
    CHECK(clock.elapsed_ms() == 20);
  }(l));
}

TEST_CASE("wait: at the time-out it returns, and the pending run on [WAIT-10]",
          "[api][wait][WAIT-10]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen, virtual_loop& clock) -> coro<> {
    const tasks all{create_task(noted(seen, "a", 5ms)),
                    create_task(noted(seen, "b", 20ms))};
    const auto [done, pending] = co_await wait(all, wait_options().timeout(10ms));
    seen.push_back("returned at " + std::to_string(clock.elapsed_ms()));
    CHECK(done == tasks{all[0]});
    CHECK(pending == tasks{all[1]});
    CHECK(all[1].cancelling() == 0);
    co_await all[1];
  }(log, l));
  CHECK(log == event_log{"a begins", "b begins", "a ends", "returned at 10", "b ends"});
}

TEST_CASE("wait: a time-out of zero looks, and gives way [WAIT-10]",
          "[api][wait][WAIT-10]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const tasks all{create_task(give(0)), create_task(give(1, 20ms))};
    const auto [done, pending] = co_await wait(all, wait_options().timeout(0ms));
    CHECK(done == tasks{all[0]});
    CHECK(clock.elapsed_ms() == 0);
  }(l));
}

TEST_CASE("wait: a child that is due at the time-out itself counts as done [WAIT-11]",
          "[api][wait][WAIT-11]") {
  virtual_loop l;
  l.run_until_complete([](virtual_loop& clock) -> coro<> {
    const auto a = create_task(give(0, 10ms));
    const auto b = create_task(give(1, 15ms));
    const tasks all{b, a};
    co_await sleep(0ms);
    const auto [done, pending] = co_await wait(all, wait_options().timeout(10ms));
    CHECK(done == tasks{a});
    CHECK(pending == tasks{b});
    CHECK(clock.elapsed_ms() == 10);
  }(l));
}

TEST_CASE("wait: for children that are done it takes no time [WAIT-12]",
          "[api][wait][WAIT-12]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const tasks all{create_task(give(0)), create_task(give(1))};
    co_await sleep(0ms);
    const auto before = loop::current().ticks();
    const auto [done, pending] = co_await wait(all, wait_options().timeout(1h));
    CHECK(done == all);
    CHECK(loop::current().ticks() == before);
  }());
  CHECK(l.elapsed_ms() == 0);
}

TEST_CASE("wait: cancelling the caller leaves the children alone [WAIT-13]",
          "[api][wait][WAIT-13]") {
  event_log log;
  virtual_loop l;
  l.run_until_complete([](event_log& seen) -> coro<> {
    const tasks all{create_task(noted(seen, "child", 10ms))};
    const auto caller = create_task(
        [](const tasks& t) -> coro<> { static_cast<void>(co_await wait(t)); }(all));
    co_await sleep(1ms);
    caller.cancel();
    co_await as_outcome(caller);
    CHECK(caller.cancelled());
    CHECK(all[0].cancelling() == 0);
    co_await all[0];
  }(log));
  CHECK(log == event_log{"child begins", "child ends"});
}

TEST_CASE("wait: cancelled while its wake-up is under way, it is cancelled [WAIT-13]",
          "[api][wait][WAIT-13]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    for (int batches = 0; batches < 3; ++batches) {
      promise<int> p;
      const std::vector<future<int>> all{p.get_future()};
      const auto caller = create_task([](const std::vector<future<int>>& f) -> coro<> {
        static_cast<void>(co_await wait(f));
      }(all));
      co_await sleep(1ms);
      p.set_value(1);
      for (int i = 0; i < batches; ++i) co_await sleep(0ms);
      const bool asked = caller.cancel();
      co_await as_outcome(caller);
      CHECK(asked == (batches < 2));
      CHECK(caller.cancelled() == asked);
      CHECK(all[0].result() == 1);
    }
  }());
}

TEST_CASE("wait: on every way out it leaves the children and its timer [WAIT-14]",
          "[api][wait][WAIT-14]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    const auto here = [] { return loop::current().core().timers(); };
    promise<int> never, soon;
    const std::vector<future<int>> all{never.get_future(), soon.get_future()};
    const auto held = all[0].state().references();

    static_cast<void>(co_await wait(all, wait_options().timeout(1ms)));
    CHECK(all[0].state().references() == held);

    const auto caller = create_task([](const std::vector<future<int>>& f) -> coro<> {
      static_cast<void>(co_await wait(f, wait_options().timeout(1h)));
    }(all));
    co_await sleep(1ms);
    CHECK(here() == 1);
    caller.cancel();
    CHECK(here() == 0);
    co_await as_outcome(caller);
    CHECK(all[0].state().references() == held);

    loop::current().call_soon([&] { soon.set_value(1); });
    static_cast<void>(
        co_await wait(all, wait_options().return_when(first_completed).timeout(1h)));
    CHECK(here() == 0);
    CHECK(all[0].state().references() == held);
  }());
}
