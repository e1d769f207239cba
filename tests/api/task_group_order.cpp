#include "support/catch.hpp"
#include "support/children.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task_group.hpp>

#include <stdexcept>

using namespace sheaf;
using namespace std::chrono_literals;
using test::virtual_loop;

// What happens in which batch: a task that ticks counts them. The logs are those that the
// same programs print with CPython 3.13.

namespace {

class stage {
 public:
  void say(const std::string& what) { log_ += what + ' '; }

  coro<> tick() {
    for (int i = 0;; ++i) {
      say(std::to_string(i));
      co_await sleep(0ms);
    }
  }
  coro<> child(std::string name, int batches, bool fails = false) {
    say(name);
    try {
      for (int i = 0; i < batches; ++i) co_await sleep(0ms);
    } catch (const cancelled&) {
      say(name + "-cancelled");
      throw;
    }
    say(name + "-ends");
    if (fails) throw std::runtime_error(name);
  }
  coro<> cleans_up(std::string name) {
    say(name);
    bool asked = false;
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      asked = true;
    }
    if (!asked) co_return;
    say(name + "-cancelled");
    co_await sleep(0ms);
    say(name + "-clean");
    throw cancelled("as asked");
  }
  coro<> cancel_soon(any_task whom) {
    co_await sleep(0ms);
    co_await sleep(0ms);
    say("cancel");
    whom.cancel();
  }

  template <class Body>
  coro<> play(Body body) {
    const auto ticks = create_task(tick());
    try {
      co_await task_group::run(body, std::ref(*this));
    } catch (const exception_group&) {
      say("errors");
    } catch (const cancelled&) {
      say("cancelled");
    }
    say("count=" + std::to_string(current_task().cancelling()));
    ticks.cancel();
  }

  template <class Body>
  static std::string log_of(Body body) {
    stage s;
    virtual_loop l;
    l.run_until_complete(s.play(body));
    s.log_.pop_back();
    return s.log_;
  }

 private:
  std::string log_;
};

}  // namespace

TEST_CASE("task_group: asyncio's order when all goes well", "[api][task_group][order]") {
  const auto log = stage::log_of([](task_group& g, stage& s) -> coro<> {
    g.create_task(s.child("a", 2));
    g.create_task(s.child("b", 5));
    co_await s.child("body", 3);
  });
  CHECK(log == "body 0 a b 1 2 a-ends body-ends 3 4 5 b-ends 6 7 count=0");
}

TEST_CASE("task_group: asyncio's order of a failure, the body running or not",
          "[api][task_group][order]") {
  const auto running = stage::log_of([](task_group& g, stage& s) -> coro<> {
    g.create_task(s.child("a", 20));
    g.create_task(s.child("f", 2, true));
    g.create_task(s.cleans_up("c"));
    co_await s.child("body", 30);
  });
  CHECK(running ==
        "body 0 a f c 1 2 f-ends 3 body-cancelled 4 a-cancelled c-cancelled 5 c-clean "
        "6 7 errors count=0");
  const auto waiting = stage::log_of([](task_group& g, stage& s) -> coro<> {
    g.create_task(s.child("a", 20));
    g.create_task(s.child("f", 2, true));
    g.create_task(s.cleans_up("c"));
    co_return;
  });
  CHECK(waiting ==
        "0 a f c 1 2 f-ends 3 4 a-cancelled c-cancelled 5 c-clean 6 7 errors count=0");
}

TEST_CASE("task_group: asyncio's order of a body that fails",
          "[api][task_group][order]") {
  const auto log = stage::log_of([](task_group& g, stage& s) -> coro<> {
    g.create_task(s.child("a", 20));
    g.create_task(s.cleans_up("c"));
    co_await s.child("body", 2, true);
  });
  CHECK(log ==
        "body 0 a c 1 body-ends 2 a-cancelled c-cancelled 3 c-clean 4 5 errors count=0");
}

TEST_CASE("task_group: asyncio's order of a request from outside",
          "[api][task_group][order]") {
  const auto waiting = stage::log_of([](task_group& g, stage& s) -> coro<> {
    static_cast<void>(create_task(s.cancel_soon(current_task())));
    g.create_task(s.child("a", 20));
    g.create_task(s.cleans_up("c"));
    co_return;
  });
  CHECK(waiting ==
        "0 a c 1 2 cancel 3 a-cancelled 4 c-cancelled 5 c-clean 6 7 cancelled count=1");
  const auto in_body = stage::log_of([](task_group& g, stage& s) -> coro<> {
    static_cast<void>(create_task(s.cancel_soon(current_task())));
    g.create_task(s.child("a", 20));
    g.create_task(s.cleans_up("c"));
    co_await s.child("body", 20);
  });
  CHECK(in_body ==
        "body 0 a c 1 2 cancel body-cancelled 3 a-cancelled c-cancelled 4 c-clean 5 6 "
        "cancelled count=1");
}

TEST_CASE("task_group: asyncio's order when the outer or the inner group fails",
          "[api][task_group][order]") {
  const auto outer_fails = stage::log_of([](task_group& g, stage& s) -> coro<> {
    const auto inner = [](task_group& in, task_group& out, stage& on) -> coro<> {
      out.create_task(on.child("f", 3, true));
      in.create_task(on.cleans_up("c"));
      co_await on.child("body", 20);
    };
    co_await task_group::run(inner, std::ref(g), std::ref(s));
  });
  CHECK(outer_fails ==
        "body 0 f c 1 2 3 f-ends 4 body-cancelled 5 c-cancelled 6 c-clean 7 8 errors "
        "count=0");
  const auto inner_fails = stage::log_of([](task_group& g, stage& s) -> coro<> {
    const auto inner = [](task_group& in, task_group& out, stage& on) -> coro<> {
      out.create_task(on.child("a", 20));
      in.create_task(on.child("f", 3, true));
      co_await on.child("body", 20);
    };
    co_await task_group::run(inner, std::ref(g), std::ref(s));
  });
  CHECK(inner_fails ==
        "body 0 a f 1 2 3 f-ends 4 body-cancelled 5 a-cancelled 6 7 errors count=0");
}
