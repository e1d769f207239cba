#include <sheaf/barrier.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>
#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::batches;
using test::virtual_loop;

namespace {

coro<std::size_t> pass(barrier& b) { co_return co_await b.wait(); }

std::vector<task<std::size_t>> start(barrier& b, int n) {
  std::vector<task<std::size_t>> all;
  for (int i = 0; i < n; ++i) all.push_back(create_task(pass(b)));
  return all;
}

bool is_broken(const task<std::size_t>& t) {
  try {
    static_cast<void>(t.result());
  } catch (const broken_barrier&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("barrier: fewer than one party is an argument error (BARRIER-1)",
          "[api][barrier][BARRIER-1]") {
  CHECK_THROWS_AS(barrier(0), std::invalid_argument);
  CHECK_THROWS_AS(barrier(-5), std::invalid_argument);
  CHECK(barrier(1).parties() == 1);
}

TEST_CASE("barrier: all wait for the last one, and get the numbers below n (BARRIER-2)",
          "[api][barrier][BARRIER-2]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(4);
    auto all = start(b, 3);
    co_await sleep(5ms);
    for (const auto& t : all) CHECK_FALSE(t.done());
    all.push_back(create_task(pass(b)));
    const std::vector<std::size_t> got = co_await gather(all);
    CHECK(got == std::vector<std::size_t>{0, 1, 2, 3});  // in the order of arrival
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: the last one goes on at once (BARRIER-2)",
          "[api][barrier][BARRIER-2]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(2);
    const auto a = create_task(pass(b));
    co_await batches(2);
    const auto before = loop::current().ticks();
    const std::size_t mine = co_await b.wait();
    CHECK(mine == 1);
    CHECK(loop::current().ticks() == before);
    CHECK_FALSE(a.done());
    const std::size_t other = co_await a;
    CHECK(other == 0);
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: of one never blocks (BARRIER-3)", "[api][barrier][BARRIER-3]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(1);
    const auto before = loop::current().ticks();
    for (int i = 0; i < 3; ++i) {
      const std::size_t index = co_await b.wait();
      CHECK(index == 0);
    }
    CHECK(loop::current().ticks() == before);
    CHECK_FALSE(b.broken());
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: it is cyclic (BARRIER-4)", "[api][barrier][BARRIER-4]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    std::vector<std::set<std::size_t>> rounds(4);
    const auto go = [](barrier& at, std::vector<std::set<std::size_t>>& seen) -> coro<> {
      for (auto& round : seen) round.insert(co_await at.wait());
    };
    co_await gather(go(b, rounds), go(b, rounds), go(b, rounds));
    for (const auto& round : rounds) CHECK(round == std::set<std::size_t>{0, 1, 2});
    CHECK(b.n_waiting() == 0);
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: who comes while it drains waits for the next round (BARRIER-4)",
          "[api][barrier][BARRIER-4]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(2);
    const auto first = create_task(pass(b));
    co_await batches(2);
    co_await b.wait();  // the round is complete, first has not left
    CHECK_FALSE(first.done());
    const auto next = create_task(pass(b), task_options().eager_start());
    CHECK(b.n_waiting() == 0);
    co_await batches(3);
    CHECK(first.done());
    CHECK_FALSE(next.done());
    CHECK(b.n_waiting() == 1);
    const std::size_t index = co_await b.wait();
    CHECK(index == 1);
    co_await next;
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: those who came while it drained may be a whole round (BARRIER-4)",
          "[api][barrier][BARRIER-4]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(2);
    const auto first = create_task(pass(b));
    co_await batches(2);
    co_await b.wait();
    std::vector<task<std::size_t>> later;
    for (int i = 0; i < 5; ++i)
      later.push_back(create_task(pass(b), task_options().eager_start()));
    co_await batches(6);
    std::vector<std::size_t> got;
    for (const auto& t : later) {
      if (t.done()) got.push_back(t.result());
    }
    CHECK(got == std::vector<std::size_t>{0, 1, 0, 1});
    CHECK(b.n_waiting() == 1);
    co_await b.wait();
    co_await later.back();
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: n_waiting() counts while it fills, and is 0 after (BARRIER-5)",
          "[api][barrier][BARRIER-5]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    CHECK(b.parties() == 3);
    CHECK(b.n_waiting() == 0);
    CHECK_FALSE(b.broken());
    auto all = start(b, 2);
    co_await batches(2);
    CHECK(b.n_waiting() == 2);
    co_await b.wait();
    CHECK(b.n_waiting() == 0);  // it drains
    co_await gather(all);
    CHECK(b.n_waiting() == 0);
    CHECK_FALSE(b.broken());
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: the last one to leave ends the draining (BARRIER-6)",
          "[api][barrier][BARRIER-6]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    auto all = start(b, 2);
    co_await batches(2);
    co_await b.wait();
    const auto next = create_task(pass(b), task_options().eager_start());
    all[0].cancel();  // leaves, but not by having waited
    CHECK(b.n_waiting() == 0);
    co_await as_outcome(all[0]);
    co_await as_outcome(all[1]);
    CHECK(b.n_waiting() == 1);
    next.cancel();
    CHECK(b.n_waiting() == 0);
    co_await as_outcome(next);
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: one that is cancelled may be the last to leave (BARRIER-6)",
          "[api][barrier][BARRIER-6]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(2);
    const auto first = create_task(pass(b));
    co_await batches(2);
    co_await b.wait();
    const auto next = create_task(pass(b), task_options().eager_start());
    const auto after = create_task(pass(b), task_options().eager_start());
    first.cancel();
    co_await as_outcome(first);
    const std::size_t index = co_await next;
    CHECK(index == 0);
    co_await after;
  };
  l.run_until_complete(body());
}

TEST_CASE(
    "barrier: one cancelled while it fills leaves, and one more is needed (BARRIER-7)",
    "[api][barrier][BARRIER-7]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    auto all = start(b, 2);
    co_await batches(2);
    all[0].cancel();
    CHECK(b.n_waiting() == 1);
    CHECK_FALSE(b.broken());
    co_await as_outcome(all[0]);
    all.push_back(create_task(pass(b)));
    co_await batches(2);
    CHECK(b.n_waiting() == 2);
    all.push_back(create_task(pass(b)));
    std::set<std::size_t> got;
    for (std::size_t i = 1; i < all.size(); ++i) got.insert(co_await all[i]);
    // Given at the release: none comes twice, though the first to arrive is gone.
    CHECK(got == std::set<std::size_t>{0, 1, 2});
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: one cancelled after the release does not hold the others (BARRIER-7)",
          "[api][barrier][BARRIER-7]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    auto all = start(b, 2);
    co_await batches(2);
    co_await b.wait();
    all[0].cancel();
    co_await as_outcome(all[0]);
    CHECK(all[0].cancelled());
    const std::size_t index = co_await all[1];
    CHECK(index == 1);
    CHECK_FALSE(b.broken());
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: reset() breaks the wait of those who wait (BARRIER-8)",
          "[api][barrier][BARRIER-8]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    b.reset();  // nobody waits: without effect
    CHECK_FALSE(b.broken());
    auto all = start(b, 2);
    co_await batches(2);
    b.reset();
    CHECK_FALSE(b.broken());
    CHECK(b.n_waiting() == 0);
    co_await batches(2);
    for (const auto& t : all) CHECK(is_broken(t));
    auto again = start(b, 3);
    const std::vector<std::size_t> got = co_await gather(again);
    CHECK(got == std::vector<std::size_t>{0, 1, 2});
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: reset() while it drains breaks those not yet out (BARRIER-9)",
          "[api][barrier][BARRIER-9]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(4);
    auto all = start(b, 3);
    co_await batches(2);
    const std::size_t last = co_await b.wait();
    CHECK(last == 3);
    const auto next = create_task(pass(b), task_options().eager_start());
    b.reset();
    co_await batches(2);
    for (const auto& t : all) CHECK(is_broken(t));
    CHECK_FALSE(next.done());  // blocked for the next round: it waits on
    CHECK_FALSE(b.broken());
    CHECK(b.n_waiting() == 1);
    auto more = start(b, 3);
    const std::size_t index = co_await next;
    CHECK(index == 0);
    co_await gather(more);
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: reset() does not reach those who are out already (BARRIER-9)",
          "[api][barrier][BARRIER-9]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(4);
    const auto pass_and_reset = [](barrier& at) -> coro<std::size_t> {
      const std::size_t index = co_await at.wait();
      at.reset();
      co_return index;
    };
    const auto first = create_task(pass(b));
    const auto second = create_task(pass_and_reset(b));
    const auto third = create_task(pass(b));
    co_await batches(2);
    co_await b.wait();
    co_await batches(2);
    CHECK(first.result() == 0);
    CHECK(second.result() == 1);
    CHECK(is_broken(third));
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: abort() breaks present and future waits, until reset() (BARRIER-10)",
          "[api][barrier][BARRIER-10]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(3);
    auto all = start(b, 2);
    co_await batches(2);
    b.abort();
    CHECK(b.broken());
    CHECK(b.n_waiting() == 0);
    co_await batches(2);
    for (const auto& t : all) CHECK(is_broken(t));
    const auto late = co_await as_outcome(pass(b));
    CHECK_THROWS_AS(late.value(), broken_barrier);
    CHECK(b.broken());
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: abort() reaches those blocked for the next round (BARRIER-10)",
          "[api][barrier][BARRIER-10]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(2);
    const auto first = create_task(pass(b));
    co_await batches(2);
    co_await b.wait();
    const auto blocked = create_task(pass(b), task_options().eager_start());
    b.abort();
    co_await batches(2);
    CHECK(is_broken(first));  // it was not yet out
    CHECK(is_broken(blocked));
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: after abort() and reset() it is usable again (BARRIER-11)",
          "[api][barrier][BARRIER-11]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(2);
    auto broken = start(b, 1);
    co_await batches(2);
    co_await b.abort();  // may be awaited, as in asyncio
    co_await b.reset();
    CHECK_FALSE(b.broken());
    auto all = start(b, 2);
    const std::vector<std::size_t> got = co_await gather(all);
    CHECK(got == std::vector<std::size_t>{0, 1});
    CHECK(is_broken(broken[0]));
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: wait() is the scope form: nothing happens at its end (BARRIER-12)",
          "[api][barrier][BARRIER-12]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    barrier b(1);
    {
      const std::size_t index = co_await b.wait();
      CHECK(index == 0);
    }
    CHECK(b.n_waiting() == 0);
    CHECK_FALSE(b.broken());
  };
  l.run_until_complete(body());
  static_assert(std::is_same_v<decltype(std::declval<barrier&>().wait().await_resume()),
                               std::size_t>);
}

TEST_CASE("barrier: one that it has let go may destroy it", "[api][barrier]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    auto b = std::make_unique<barrier>(4);
    auto all = start(*b, 3);
    co_await batches(2);
    co_await b->wait();
    all[1].cancel();
    b.reset();
    const std::size_t first = co_await all[0];
    const std::size_t third = co_await all[2];
    CHECK(first == 0);
    CHECK(third == 2);
    co_await as_outcome(all[1]);
    CHECK(all[1].cancelled());
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: destroyed while tasks wait, each of them is told", "[api][barrier]") {
  virtual_loop l;
  const auto body = []() -> coro<> {
    auto b = std::make_unique<barrier>(3);
    auto all = start(*b, 2);
    co_await batches(2);
    b.reset();
    for (auto& t : all) {
      const auto how = co_await as_outcome(t);
      CHECK_THROWS_AS(how.value(), invalid_state);
    }
  };
  l.run_until_complete(body());
}

TEST_CASE("barrier: each round has each number once, in whatever order tasks run",
          "[api][barrier]") {
  test::for_seeds([]() -> coro<> {
    barrier b(3);
    std::vector<std::vector<std::size_t>> rounds(5);
    const auto go = [](barrier& at,
                       std::vector<std::vector<std::size_t>>& seen) -> coro<> {
      for (auto& round : seen) round.push_back(co_await at.wait());
    };
    auto visitor = create_task(pass(b));
    co_await sleep(0ms);
    visitor.cancel();
    co_await as_outcome(visitor);
    co_await gather(go(b, rounds), go(b, rounds), go(b, rounds));
    for (auto& round : rounds) {
      std::sort(round.begin(), round.end());
      CHECK(round == std::vector<std::size_t>{0, 1, 2});
    }
  });
}
