#include <sheaf/task_group.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>

#include <set>

using namespace sheaf;
using namespace std::chrono_literals;
using test::event_log;
using test::fail;
using test::failure;
using test::give;
using test::noted;
using test::said;
using test::virtual_loop;

namespace {

/// The texts of a group's exceptions, a nested group in brackets.
std::string texts(const exception_group& g) {
  std::string all;
  for (const auto& e : g.exceptions()) {
    if (!all.empty()) all += ' ';
    try {
      std::rethrow_exception(e);
    } catch (const exception_group& inner) {
      all += '[' + texts(inner) + ']';
    } catch (const std::exception& x) {
      all += x.what();
    } catch (int i) {
      all += std::to_string(i);
    }
  }
  return all;
}

/// What the group of `body` throws, in texts()'s words.
template <class Body>
coro<std::string> failure_of(Body body) {
  try {
    co_await task_group::run(body);
  } catch (const exception_group& g) {
    co_return texts(g);
  } catch (const cancelled& c) {
    co_return "cancelled: " + c.reason();
  }
  co_return "nothing";
}

/// Sleeps until it is cancelled, then throws.
coro<int> vengeful(const char* what) {
  try {
    co_await sleep(1h);
  } catch (const cancelled&) {
    throw failure(what);
  }
  co_return 0;
}

}  // namespace

TEST_CASE("task_group: the first failure cancels siblings and body, once each (TG-2)",
          "[api][task_group][TG-2]") {
  virtual_loop l;
  event_log log;
  std::vector<task<int>> children;
  const auto body = [&](task_group& g) -> coro<> {
    children.push_back(g.create_task(noted(log, "a", 1h)));
    children.push_back(g.create_task(fail("x", 1ms)));
    children.push_back(g.create_task(noted(log, "b", 1h)));
    co_await noted(log, "body", 1h);
  };
  const auto got = l.run_until_complete(failure_of(body));
  CHECK(got == "x");
  CHECK(log == event_log{"body begins", "a begins", "b begins", "a is cancelled",
                         "b is cancelled", "body is cancelled"});
  CHECK(l.elapsed_ms() == 1);
  CHECK(children[0].cancelling() == 1);
  CHECK(children[2].cancelling() == 1);
  CHECK(children[0].cancelled());
}

TEST_CASE("task_group: a child in its cleanup is not asked a second time (TG-2)",
          "[api][task_group][TG-2]") {
  virtual_loop l;
  event_log log;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(test::reluctant(log, "a", 1h, 10ms));
    g.create_task(fail("x", 1ms));
    g.create_task(fail("y", 2ms));
    co_await vengeful("body");
  };
  const auto got = l.run_until_complete(failure_of(body));
  CHECK(got == "x body");  // y was cancelled before it failed
  CHECK(log == event_log{"a has cleaned up"});
  CHECK(l.elapsed_ms() == 11);
}

TEST_CASE("task_group: a cancelled child is no failure (TG-2)",
          "[api][task_group][TG-2]") {
  virtual_loop l;
  const auto cancels_itself = []() -> coro<> {
    throw cancelled("by itself");
    co_return;
  };
  task<int> other;
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(cancels_itself());
    other = g.create_task(give(1, 5ms));
    co_return;
  };
  CHECK(l.run_until_complete(failure_of(body)) == "nothing");
  CHECK(other.result() == 1);
}

TEST_CASE("task_group: throws one group, in the order in which the errors came (TG-3)",
          "[api][task_group][TG-3]") {
  virtual_loop l;
  const auto body = [](task_group& g) -> coro<> {
    g.create_task(vengeful("later"));
    g.create_task(fail("b", 1ms));
    g.create_task(fail("c", 1ms));  // due in the same batch: it fails before it is told
    g.create_task(give(1, 1h));     // cancelled: contributes nothing
    co_return;
  };
  CHECK(l.run_until_complete(failure_of(body)) == "b c later");
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("task_group: what leaves the body cancels the children and is the last (TG-4)",
          "[api][task_group][TG-4]") {
  virtual_loop l;
  task<int> a;
  std::string why;
  const auto watching = [](std::string& reason) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      reason = c.reason();
      throw;
    }
  };
  const auto body = [&](task_group& g) -> coro<> {
    a = g.create_task(give(1, 1h));
    g.create_task(watching(why));
    g.create_task(vengeful("child"));
    co_await sleep(1ms);
    throw failure("body");
  };
  CHECK(l.run_until_complete(failure_of(body)) == "child body");
  CHECK(a.cancelled());
  CHECK(why == "the group was left by an exception");
}

TEST_CASE("task_group: also if it is the only error (TG-4)", "[api][task_group][TG-4]") {
  virtual_loop l;
  task<int> a;
  const auto body = [&](task_group& g) -> coro<> {
    a = g.create_task(give(1, 1h));
    throw failure("body");
    co_return;
  };
  CHECK(l.run_until_complete(failure_of(body)) == "body");
  CHECK(a.cancelled());  // before it began
}

TEST_CASE("task_group: a body that throws when it is called is as one that fails (TG-4)",
          "[api][task_group][TG-4]") {
  virtual_loop l;
  task<int> a;
  const auto body = [&](task_group& g) -> coro<> {
    a = g.create_task(give(1, 1h));
    throw failure("no coroutine yet");  // this body is a plain function
  };
  CHECK(l.run_until_complete(failure_of(body)) == "no coroutine yet");
  CHECK(a.cancelled());
}

TEST_CASE("task_group: its own request to the parent is taken back (TG-5)",
          "[api][task_group][TG-5]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    unsigned within = 0;
    std::string why;
    std::uint64_t by = 0;
    std::uint64_t failed = 0;
    const auto body = [&](task_group& g) -> coro<> {
      failed = g.create_task(fail("x")).id();
      try {
        co_await sleep(1h);
      } catch (const cancelled& c) {
        within = current_task().cancelling();
        why = c.reason();
        by = c.by();
        throw;
      }
    };
    const std::string got = co_await failure_of(body);
    CHECK(got == "x");
    CHECK(within == 1);
    CHECK(why == "a sibling failed");
    CHECK(by == failed);
    CHECK(current_task().cancelling() == 0);
    co_await sleep(1ms);  // and it goes on
  }());
}

TEST_CASE("task_group: the count that was there before stays (TG-5)",
          "[api][task_group][TG-5]") {
  virtual_loop l;
  const auto t = l.create_task([]() -> coro<std::string> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
    }
    CHECK(current_task().cancelling() == 1);
    std::string got;
    try {
      co_await task_group::run([](task_group& g) -> coro<> {
        g.create_task(fail("x"));
        co_await sleep(1h);
      });
    } catch (const exception_group& e) {
      got = texts(e);
    }
    CHECK(current_task().cancelling() == 1);
    current_task().uncancel();
    co_return got;
  }());
  l.call_later(1ms, [&] { t.cancel(); });
  CHECK(l.run_until_complete(t) == "x");
}

TEST_CASE(
    "task_group: what siblings and body throw while cancelled joins the group (TG-6)",
    "[api][task_group][TG-6]") {
  virtual_loop l;
  const auto body = [](task_group& g) -> coro<> {
    g.create_task(vengeful("sibling"));
    g.create_task(fail("x", 1ms));
    co_await vengeful("body");
  };
  CHECK(l.run_until_complete(failure_of(body)) == "x sibling body");
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE("task_group: a body that makes an exception of its cancellation (TG-11)",
          "[api][task_group][TG-11]") {
  virtual_loop l;
  const auto parent = []() -> coro<std::string> {
    std::string got;
    try {
      co_await task_group::run([](task_group&) -> coro<> { co_await vengeful("body"); });
    } catch (const exception_group& e) {
      got = texts(e);
    }
    CHECK(current_task().cancelling() == 1);
    current_task().uncancel();  // else the request would be delivered again
    co_return got;
  };
  const auto t = l.create_task(parent());
  l.call_later(1ms, [&] { t.cancel(); });
  CHECK(l.run_until_complete(t) == "body");
}

TEST_CASE("task_group: a failed inner group is one nested group of the outer (TG-12)",
          "[api][task_group][TG-12]") {
  virtual_loop l;
  task<int> outer_child;
  const auto outer = [&](task_group& g) -> coro<> {
    outer_child = g.create_task(give(1, 1h));
    const auto inner = [](task_group& in) -> coro<> {
      in.create_task(fail("x", 1ms));
      co_return;
    };
    co_await task_group::run(inner);
  };
  CHECK(l.run_until_complete(failure_of(outer)) == "[x]");
  CHECK(outer_child.cancelled());
}

TEST_CASE("task_group: an inner group in a child nests as well (TG-12)",
          "[api][task_group][TG-12]") {
  virtual_loop l;
  const auto inner = [](task_group& in) -> coro<> {
    in.create_task(fail("x", 1ms));
    in.create_task(fail("y", 1ms));
    co_return;
  };
  const auto outer = [&](task_group& g) -> coro<> {
    g.create_task(task_group::run(inner));
    g.create_task(give(1, 1h));
    co_return;
  };
  CHECK(l.run_until_complete(failure_of(outer)) == "[x y]");
}

TEST_CASE(
    "task_group: an error of an outer child ends the inner group, which contributes "
    "nothing (TG-12)",
    "[api][task_group][TG-12]") {
  virtual_loop l;
  event_log log;
  const auto outer = [&](task_group& g) -> coro<> {
    g.create_task(fail("outer", 1ms));
    const auto inner = [&](task_group& in) -> coro<> {
      in.create_task(noted(log, "inner child", 1h));
      co_return;
    };
    try {
      co_await task_group::run(inner);
    } catch (const cancelled& c) {
      log.push_back("inner ends: " + c.reason());
      throw;
    }
  };
  CHECK(l.run_until_complete(failure_of(outer)) == "outer");
  CHECK(log == event_log{"inner child begins", "inner child is cancelled",
                         "inner ends: a sibling failed"});
}

TEST_CASE(
    "task_group: a system_exit of the body comes out as it is, and what it hides is "
    "reported (TG-17)",
    "[api][task_group][TG-17]") {
  test::report_log reports;
  virtual_loop l;
  reports.listen(l);
  bool cleaned_up = false;
  const auto child = [](bool& flag) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      flag = true;
      throw;
    }
  };
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(child(cleaned_up));
    g.create_task(fail("hidden"), task_options().name("hider"));
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
    }
    throw system_exit(3);
  };
  int code = 0;
  try {
    l.run_until_complete(task_group::run(body));
  } catch (const system_exit& e) {
    code = e.code();
  }
  CHECK(code == 3);
  CHECK(cleaned_up);
  REQUIRE(reports.size() == 1);
  CHECK(said(reports[0].exception) == "hidden");
  CHECK(reports[0].task_name == "hider");
}

TEST_CASE("task_group: a system_exit of a child leaves the loop, then the group (TG-17)",
          "[api][task_group][TG-17]") {
  virtual_loop l;
  event_log log;
  const auto exits = []() -> coro<> {
    co_await sleep(1ms);
    throw system_exit(4);
  };
  const auto parent = [&]() -> coro<> {
    const auto body = [&](task_group& g) -> coro<> {
      g.create_task(noted(log, "sibling", 1h));
      g.create_task(exits());
      co_return;
    };
    try {
      co_await task_group::run(body);
    } catch (const system_exit& e) {
      log.push_back("out of the group: " + std::to_string(e.code()));
    }
  };
  const auto t = l.create_task(parent());
  int code = 0;
  try {
    l.run_until_complete(t);
  } catch (const system_exit& e) {
    code = e.code();
  }
  CHECK(code == 4);
  CHECK(log == event_log{"sibling begins"});
  l.run_until_complete(t);  // the loop may go on
  CHECK(log ==
        event_log{"sibling begins", "sibling is cancelled", "out of the group: 4"});
}

TEST_CASE("task_group: run() with a system_exit in a group ends in good order (TG-17)",
          "[api][task_group][TG-17]") {
  bool cleaned_up = false;
  const auto exits = []() -> coro<> {
    co_await sleep(1ms);
    throw system_exit(5);
  };
  const auto sibling = [](bool& flag) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      flag = true;
      throw;
    }
  };
  const auto body = [&](task_group& g) -> coro<> {
    g.create_task(sibling(cleaned_up));
    g.create_task(exits());
    co_return;
  };
  int code = 0;
  try {
    run(task_group::run(body), run_options().virtual_time());
  } catch (const system_exit& e) {
    code = e.code();
  }
  CHECK(code == 5);
  CHECK(cleaned_up);
}

TEST_CASE("task_group: what is no std::exception is grouped like an error (TG-18)",
          "[api][task_group][TG-18]") {
  virtual_loop l;
  const auto throws_int = []() -> coro<> {
    co_await sleep(1ms);
    throw 42;
  };
  task<int> sibling;
  const auto body = [&](task_group& g) -> coro<> {
    sibling = g.create_task(give(1, 1h));
    g.create_task(throws_int());
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      throw 43;
    }
  };
  CHECK(l.run_until_complete(failure_of(body)) == "42 43");
  CHECK(sibling.cancelled());
}

TEST_CASE("task_group: a guard of the body that throws on the way out (TG-19)",
          "[api][task_group][TG-19]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    struct guard {
      ~guard() noexcept(false) {
        if (std::uncaught_exceptions() == 0) throw failure("guard");
      }
    };
    const auto guarded = []() -> coro<> {
      bool asked = false;
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
        asked = true;
      }
      if (asked) {
        const guard g;
      }
    };
    const auto body = [&](task_group& g) -> coro<> {
      g.create_task(fail("child"));
      co_await guarded();
    };
    const std::string got = co_await failure_of(body);
    CHECK(got == "child guard");
    CHECK(current_task().cancelling() == 0);
  }());
}

TEST_CASE("task_group: tells of each failure whose it was and where",
          "[api][task_group][TG-3]") {
  virtual_loop l;
  unsigned created = 0;
  const auto body = [&](task_group& g) -> coro<> {
    created = __LINE__ + 1;
    g.create_task(fail("x", 1ms), task_options().name("fetch"));
    co_await vengeful("body");
  };
  const auto parent = [&]() -> coro<> {
    try {
      co_await task_group::run(body);
    } catch (const exception_group& e) {
      REQUIRE(e.contexts().size() == 2);
      const auto& child = e.contexts()[0];
      CHECK(child.task_name == "fetch");
      CHECK(child.created_at.line() == created);
      CHECK(std::string(child.waiting_at.file_name()).find("children.hpp") !=
            std::string::npos);
      CHECK(std::string(e.what()).find("test::failure: x [task " +
                                       std::to_string(child.task_id) + " fetch]") !=
            std::string::npos);
      CHECK(e.contexts()[1].message == "the body of a group failed");
      CHECK(e.contexts()[1].task_id == current_task().id());
    }
  };
  l.run_until_complete(parent());
}

TEST_CASE("task_group: the errors of children count as read", "[api][task_group]") {
  virtual_loop l;
  const auto body = [](task_group& g) -> coro<> {
    for (int i = 0; i < 5; ++i) g.create_task(fail("x"));
    co_return;
  };
  CHECK(l.run_until_complete(failure_of(body)) == "x x x x x");
  CHECK(l.exceptions_reported() == 0);
}

TEST_CASE(
    "task_group: in whatever order, each failure is in the group, and all have ended "
    "(TG-3)",
    "[api][task_group][TG-3]") {
  test::for_seeds([]() -> coro<> {
    int alive = 0;
    const auto child = [](int& count, int i) -> coro<> {
      ++count;
      const struct leave {
        int& n;
        ~leave() { --n; }
      } on_exit{count};
      co_await sleep(1ms);
      if (i % 2 == 1) throw failure(std::to_string(i));
      co_await sleep(1h);
    };
    std::multiset<std::string> got;
    const auto body = [&](task_group& g) -> coro<> {
      for (int i = 0; i < 6; ++i) g.create_task(child(alive, i));
      co_await sleep(1h);
    };
    try {
      co_await task_group::run(body);
    } catch (const exception_group& e) {
      for (const auto& each : e.exceptions()) got.insert(said(each));
    }
    CHECK(alive == 0);
    CHECK_FALSE(got.empty());
    for (const auto& text : got) CHECK((text == "1" || text == "3" || text == "5"));
    CHECK(got.size() == std::set<std::string>(got.begin(), got.end()).size());
    CHECK(current_task().cancelling() == 0);
  });
}
