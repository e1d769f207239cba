#include "support/catch.hpp"
#include "support/cut.hpp"

#include <sheaf/finish.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/shield.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::cut::child;
using test::cut::everywhere;
using test::cut::lives;
using test::cut::slow_to_end;
using test::cut::witness;

namespace {}  // namespace

TEST_CASE("timeout: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await timeout::run(9ms, child, std::ref(l), 2ms);
  });
}

TEST_CASE("timeout: may be cut off at any batch of its expiring", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await timeout::run(2ms, slow_to_end, std::ref(l), 9ms);
  });
}

TEST_CASE("timeout: may be cut off when it expires at once, and nested", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto inner = [&](timeout& t) -> coro<> {
      const witness v(l);
      co_await sleep(1ms);
      t.reschedule(loop::current().time());
      co_await gather(slow_to_end(l, 9ms), child(l, 3ms));
    };
    auto outer = [&]() -> coro<> {
      const witness v(l);
      co_await timeout::run(1h, inner);
    };
    co_await timeout::run(1ms, outer);
  });
}

TEST_CASE("wait_for: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await wait_for(child(l, 1ms), 9ms);
    co_await wait_for(create_task(child(l, 1ms)), 9ms);
    co_await wait_for(sleep(1ms), 9ms);
    co_await wait_for(wait_for(child(l, 1ms), 3ms), 9ms);
  });
}

TEST_CASE("wait_for: may be cut off at any batch of its expiring", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await wait_for(slow_to_end(l, 9ms), 1ms);
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await wait_for(create_task(slow_to_end(l, 9ms)), 1ms);
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await wait_for(shield(child(l, 9ms)), 1ms);
  });
}

TEST_CASE("wait_for: may be cut off at any batch with no time left", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    const auto t = create_task(slow_to_end(l, 9ms));
    co_await sleep(0ms);
    co_await wait_for(t, 0ms);
  });
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await wait_for(child(l, 9ms), 0ms);
  });
}

TEST_CASE("finish: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await finish(child(l, 2ms));
    co_await finish(wait_for(slow_to_end(l, 9ms), 2ms));
  });
}

TEST_CASE("uncancel: may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto body = [&]() -> coro<> {
      const auto end = co_await as_outcome(uncancel, slow_to_end(l, 9ms));
      static_cast<void>(end);
    };
    co_await timeout::run(2ms, body);
  });
}
