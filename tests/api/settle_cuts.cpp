#include "support/catch.hpp"
#include "support/cut.hpp"

#include <sheaf/first_success.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/hedge.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/map.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/quorum.hpp>
#include <sheaf/race.hpp>
#include <sheaf/shield.hpp>
#include <sheaf/then.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::cut::child;
using test::cut::everywhere;
using test::cut::failing;
using test::cut::lives;
using test::cut::slow_to_end;
using test::cut::witness;

// Combinators that end some of their children, cut off at every batch.

namespace {

std::vector<coro<int>> some(lives& l) {
  std::vector<coro<int>> all;
  all.push_back(child(l, 3ms));
  all.push_back(slow_to_end(l, 9ms));
  all.push_back(failing(l, 1ms));
  all.push_back(child(l, 2ms));
  return all;
}

coro<int> element(int i, lives* l) {
  if (i % 3 == 2) return slow_to_end(*l, 2ms);
  return child(*l, (i % 2) * 1ms);
}

coro<int> element_or_failure(int i, lives* l) {
  return i == 4 ? failing(*l, 1ms) : slow_to_end(*l, i == 3 ? 9ms : 1ms);
}

}  // namespace

TEST_CASE("race: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await race(child(l, 2ms), slow_to_end(l, 9ms), child(l, 5ms));
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    std::vector<coro<int>> all;
    all.push_back(slow_to_end(l, 9ms));
    all.push_back(child(l, 0ms));
    co_await race(std::move(all));
  });
}

TEST_CASE("race: with children that are kept may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    promise<int> never;
    auto kept = create_task(child(l, 4ms));
    co_await race(never.get_future(), kept, slow_to_end(l, 9ms), child(l, 1ms));
    co_await kept;
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    promise<int> a, b;
    auto whole = race(a.get_future(), b.get_future());
    co_await sleep(1ms);
    b.set_value(1);
    co_await whole;
  });
}

TEST_CASE("first_success: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await first_success(some(l));
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await first_success(limit(1), some(l));
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await first_success(failing(l, 2ms), failing(l, 1ms));
  });
}

TEST_CASE("quorum: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await quorum(2, some(l));
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await quorum(2, limit(2), failing(l, 1ms), failing(l, 2ms), slow_to_end(l, 9ms));
  });
}

TEST_CASE("hedge: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await hedge(1ms, slow_to_end(l, 9ms), failing(l, 1ms), child(l, 2ms),
                   child(l, 1ms));
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    const auto attempt = [](lives* in) { return slow_to_end(*in, 3ms); };
    co_await hedge(hedge_options().delay(1ms).attempts(5), attempt, &l);
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await hedge(1ms, failing(l, 0ms), failing(l, 2ms));
  });
}

TEST_CASE("map: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await map(std::views::iota(0, 8), element, limit(3), &l);
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await map(std::views::iota(0, 8), element_or_failure, limit(2), &l);
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await map(return_exceptions, std::views::iota(0, 6), element_or_failure, limit(2),
                 &l);
  });
}

TEST_CASE("combinators: inside each other may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await race(gather(child(l, 2ms), slow_to_end(l, 9ms)),
                  quorum(1, failing(l, 1ms), slow_to_end(l, 3ms)));
  });
}

TEST_CASE("shield: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    const task<int> mine = create_task(slow_to_end(l, 3ms));
    co_await gather(shield(mine), shield(child(l, 2ms)));
    const int again = co_await shield(mine);
    CHECK(again == 1);
  });
}

TEST_CASE("then: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    const auto doubled = [](int v) { return 2 * v; };
    const auto waited = [&l](int) { return slow_to_end(l, 2ms); };
    const task<int> first = create_task(child(l, 1ms));
    const int last = co_await first.then(doubled).then(waited);
    CHECK(last == 1);
  });
}

// Nobody awaits these when the loop goes, but their futures are kept.

namespace {

coro<int> hour() {
  co_await sleep(1h);
  co_return 1;
}
coro<int> next_batch(int i) {
  co_await sleep(0ms);
  co_return i;
}

/// What the future of `make()` says when its loop has ended `batches` after the call.
template <class Make>
auto kept_after(int batches, Make make) {
  decltype(make()) kept;
  {
    test::virtual_loop l;
    const auto scenario = [](auto& into, Make from, int n) -> coro<> {
      into = from();
      for (int i = 0; i < n; ++i) co_await sleep(0ms);
    };
    l.run_until_complete(scenario(kept, make, batches));
  }
  REQUIRE(kept.done());
  return kept;
}

}  // namespace

TEST_CASE("hedge: the loop ends while it waits: it is cancelled", "[api][cut]") {
  for (int n = 0; n < 5; ++n) {
    const auto kept = kept_after(n, [] { return hedge(30min, hour); });
    CHECK_THROWS_AS(kept.result(), cancelled);
  }
}

TEST_CASE("map: the loop ends before all elements were made: all are there, or it failed",
          "[api][cut]") {
  const auto six = [] { return std::views::iota(0, 6); };
  int failed = 0;
  const auto check = [&](const auto& kept) {
    const auto how = kept.outcome();
    if (how.has_value()) CHECK(how.value().size() == 6);
    failed += !how.has_value();
  };
  for (int n = 0; n < 5; ++n) {
    check(kept_after(n, [&] { return map(six(), next_batch, limit(1)); }));
    check(kept_after(
        n, [&] { return map(return_exceptions, six(), next_batch, limit(1)); }));
  }
  CHECK(failed > 0);
}

TEST_CASE("shield: the loop ends: what watches it ends too", "[api][cut]") {
  for (int n = 0; n < 3; ++n) {
    const auto kept = kept_after(n, [] { return gather(shield(hour())); });
    CHECK_FALSE(kept.outcome().has_value());
  }
}
