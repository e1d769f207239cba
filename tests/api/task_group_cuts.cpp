#include "support/catch.hpp"
#include "support/cut.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/scoped_task.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task_group.hpp>

using namespace sheaf;
using namespace std::chrono_literals;
using test::cut::child;
using test::cut::everywhere;
using test::cut::failing;
using test::cut::lives;
using test::cut::witness;

namespace {

/// Takes some batches more to end when it is cancelled, and then fails.
coro<> slow_to_fail(lives& l, std::chrono::milliseconds d) {
  const witness w(l);
  bool asked = false;
  try {
    co_await sleep(d);
  } catch (const cancelled&) {
    asked = true;
  }
  if (!asked) co_return;
  co_await sleep(0ms);
  co_await sleep(1ms);
  throw test::failure("late");
}

coro<> spawner(task_group& g, lives& l, int depth) {
  const witness w(l);
  co_await sleep(0ms);
  if (depth > 0) g.create_task(spawner(g, l, depth - 1));
  co_await sleep(1ms);
  if (depth > 0) g.create_task(child(l, 1ms));
}

coro<> children_only(task_group& g, lives& l) {
  const witness w(l);
  g.create_task(child(l, 2ms));
  g.create_task(child(l, 0ms), task_options().eager_start().name("eager"));
  g.create_task(child(l, 1ms));
  co_await sleep(1ms);
}

/// Groups that fail end in an error: passed on as such, or as the request from outside.
template <class... Args>
coro<> survive(lives& l, Args... args) {
  const witness w(l);
  try {
    co_await task_group::run(std::move(args)..., std::ref(l));
  } catch (const exception_group&) {
  }
  co_await sleep(0ms);  // a request that came meanwhile is thrown here
}

}  // namespace

TEST_CASE("task_group: may be cut off at any batch", "[api][task_group][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await task_group::run(children_only, std::ref(l));
  });
}

TEST_CASE("task_group: may be cut off at any batch while children add children",
          "[api][task_group][cut]") {
  const auto body = [](task_group& g, lives& l) -> coro<> {
    const witness w(l);
    g.create_task(spawner(g, l, 3));
    co_return;
  };
  everywhere([body](lives& l) -> coro<> {
    const witness w(l);
    co_await task_group::run(body, std::ref(l));
  });
}

TEST_CASE("task_group: may be cut off at any batch of a child's failing",
          "[api][task_group][cut]") {
  const auto body = [](task_group& g, lives& l) -> coro<> {
    const witness w(l);
    g.create_task(child(l, 9ms));
    g.create_task(slow_to_fail(l, 9ms));
    g.create_task(failing(l, 1ms));
    co_await slow_to_fail(l, 9ms);
  };
  everywhere([body](lives& l) { return survive(l, body); });
}

TEST_CASE("task_group: may be cut off at any batch of its body's failing",
          "[api][task_group][cut]") {
  const auto body = [](task_group& g, lives& l) -> coro<> {
    const witness w(l);
    g.create_task(child(l, 9ms));
    g.create_task(slow_to_fail(l, 9ms));
    co_await failing(l, 1ms);
  };
  everywhere([body](lives& l) { return survive(l, body); });
}

TEST_CASE("task_group: may be cut off at any batch of its cancel()",
          "[api][task_group][cut]") {
  const auto body = [](task_group& g, lives& l) -> coro<int> {
    const witness w(l);
    g.create_task(child(l, 9ms));
    g.create_task(slow_to_fail(l, 9ms));
    g.create_task(child(l, 0ms));
    co_await sleep(1ms);
    g.cancel("enough");
    co_return 1;
  };
  everywhere([body](lives& l) { return survive(l, body); });
}

TEST_CASE("task_group: may be cut off at any batch of an end that is its parent's",
          "[api][task_group][cut]") {
  const auto body = [](task_group& g, lives& l) -> coro<> {
    const witness w(l);
    g.create_task(slow_to_fail(l, 9ms));
    g.create_task(child(l, 9ms));
    co_await sleep(2ms);
  };
  everywhere([body](lives& l) -> coro<> {
    const witness w(l);
    const auto t = create_task(survive(l, body));
    co_await sleep(1ms);
    t.cancel("by the scenario");
    co_await t;
  });
}

TEST_CASE("task_group: groups in groups may be cut off at any batch",
          "[api][task_group][cut]") {
  const auto inner = [](task_group& g, lives& l) -> coro<> {
    const witness w(l);
    g.create_task(child(l, 1ms));
    g.create_task(slow_to_fail(l, 9ms));
    g.create_task(failing(l, 3ms));
    co_await sleep(2ms);
  };
  const auto outer = [inner](task_group& g, lives& l) -> coro<> {
    const witness w(l);
    g.create_task(task_group::run(inner, std::ref(l)));
    g.create_task(child(l, 9ms));
    co_await task_group::run(children_only, std::ref(l));
    co_await task_group::run(inner, std::ref(l));
  };
  everywhere([outer](lives& l) { return survive(l, outer); });
}

TEST_CASE("task_group: gathered groups may be cut off at any batch",
          "[api][task_group][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    co_await gather(task_group::run(children_only, std::ref(l)),
                    task_group::run(children_only, std::ref(l)), child(l, 1ms));
  });
}

TEST_CASE("task_group: handles of children may outlive it, however it is cut off",
          "[api][task_group][cut]") {
  for (int n = 0; n < 12; ++n) {
    lives seen;
    std::vector<any_task> kept;
    {
      test::cut::cut_loop l;
      const auto body = [&](task_group& g, lives& all) -> coro<> {
        const witness w(all);
        kept.push_back(g.create_task(child(all, 2ms)));
        kept.push_back(g.create_task(failing(all, 1ms)));
        co_await sleep(1ms);
      };
      static_cast<void>(l.create_task(survive(seen, body)));
      l.turns(n);
    }
    CHECK(seen.alive() == 0);
    CHECK(seen.sound());
    for (const auto& t : kept) CHECK(t.done());
  }
}
