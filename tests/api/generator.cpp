#include <sheaf/generator.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/cut.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/seeds.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/wait_for.hpp>

#include <memory>
#include <numeric>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::counted;
using test::event_log;
using test::said;

static_assert(std::is_nothrow_move_constructible_v<generator<int>>);
static_assert(!std::is_copy_constructible_v<generator<int>>);
static_assert(
    std::is_same_v<decltype(std::declval<generator<std::string>&>().next())::value_type,
                   std::optional<std::string>>);
static_assert(
    std::is_same_v<decltype(std::declval<generator<const int&>&>().next())::value_type,
                   const int*>);

namespace {

generator<int> count_to(int n) {
  for (int i = 1; i <= n; ++i) co_yield i;
}

generator<int> count_slowly(int n, event_log* log = nullptr) {
  for (int i = 1; i <= n; ++i) {
    co_await sleep(1ms);
    if (log) log->push_back("makes " + std::to_string(i));
    co_yield i;
  }
}

generator<int> fail_after(int n) {
  for (int i = 1; i <= n; ++i) co_yield i;
  throw test::failure("boom");
}

/// Logs its end, whichever it is.
struct noted_end {
  event_log& log;
  ~noted_end() { log.push_back("locals gone"); }
};

/// Yields 1, 2, 3 and says how it was closed; cleans up for a millisecond.
generator<int> careful(event_log& log) {
  const noted_end end{log};
  bool closed = false;
  for (int i = 1; i <= 3 && !closed; ++i) {
    try {
      co_yield i;
    } catch (const generator_exit&) {
      closed = true;
    }
  }
  log.push_back(closed ? "closing" : "all given");
  co_await sleep(1ms);
  log.push_back("cleaned up");
}

coro<int> sum(generator<int> g) {
  int total = 0;
  while (auto v = co_await g.next()) total += *v;
  co_return total;
}

template <class T>
T run_virtual(coro<T> main) {
  return run(std::move(main), run_options().virtual_time());
}

}  // namespace

// ---- values --------------------------------------------------------------------------------

TEST_CASE("generator: gives its values in order, then nothing, as often as it is asked",
          "[api][generator]") {
  run([]() -> coro<> {
    auto g = count_to(2);
    const auto first = co_await g.next();
    const auto second = co_await g.next();
    const auto third = co_await g.next();
    const auto fourth = co_await g.next();
    CHECK(first == 1);
    CHECK(second == 2);
    CHECK_FALSE(third.has_value());
    CHECK_FALSE(fourth.has_value());
  }());
}

TEST_CASE("generator: nothing of it runs before the first next() is awaited",
          "[api][generator]") {
  event_log log;
  run([](event_log& seen) -> coro<> {
    const auto noisy = [](event_log& l) -> generator<int> {
      l.push_back("begins");
      co_yield 1;
    };
    {
      const auto dropped = noisy(seen);
    }
    auto g = noisy(seen);
    auto asked = g.next();
    seen.push_back("asked");
    co_await std::move(asked);
  }(log));
  CHECK(log == event_log{"asked", "begins"});
}

TEST_CASE("generator: a value that is ready takes no turn of the loop",
          "[api][generator]") {
  run([]() -> coro<> {
    const auto before = loop::current().ticks();
    const int total = co_await sum(count_to(100));
    CHECK(total == 5050);
    CHECK(loop::current().ticks() == before);
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("generator: may await between its values, and others run meanwhile",
          "[api][generator]") {
  event_log log;
  run_virtual([](event_log& seen) -> coro<> {
    const auto beside = create_task(test::noted(seen, "beside", 2ms));
    auto g = count_slowly(3, &seen);
    while (auto v = co_await g.next()) seen.push_back("takes " + std::to_string(*v));
    co_await beside;
  }(log));
  CHECK(log == event_log{"beside begins", "makes 1", "takes 1", "beside ends", "makes 2",
                         "takes 2", "makes 3", "takes 3"});
}

TEST_CASE("generator: a temporary is moved out, an lvalue copied, once",
          "[api][generator]") {
  counted::reset();
  run([]() -> coro<> {
    const auto both = []() -> generator<counted> {
      co_yield counted(1);
      const counted kept(2);
      co_yield kept;
      counted given(3);
      co_yield std::move(given);
      CHECK(given.value == counted::moved_from);
    };
    auto g = both();
    int total = 0;
    while (auto v = co_await g.next()) total += v->value;
    CHECK(total == 6);
  }());
  CHECK(counted::copies == 1);
  CHECK(counted::moves == 2);
  CHECK(counted::alive == 0);
}

TEST_CASE("generator: gives what can only be moved", "[api][generator]") {
  run([]() -> coro<> {
    const auto owners = []() -> generator<std::unique_ptr<int>> {
      co_yield std::make_unique<int>(1);
      auto second = std::make_unique<int>(2);
      co_yield std::move(second);
    };
    auto g = owners();
    int total = 0;
    while (auto v = co_await g.next()) total += **v;
    CHECK(total == 3);
  }());
}

TEST_CASE(
    "generator: of references gives pointers to what it yields, and null at the end",
    "[api][generator]") {
  run([]() -> coro<> {
    std::vector<int> numbers{1, 2, 3};
    const auto each = [](std::vector<int>& of) -> generator<int&> {
      for (int& n : of) co_yield n;
    };
    auto g = each(numbers);
    while (int* n = co_await g.next()) *n *= 10;
    CHECK(numbers == std::vector<int>{10, 20, 30});

    const auto constant = []() -> generator<const std::string&> {
      co_yield std::string("temporary");
    };
    auto words = constant();
    const std::string* const word = co_await words.next();
    CHECK(*word == "temporary");
    const std::string* const end = co_await words.next();
    CHECK(end == nullptr);
  }());
}

TEST_CASE("generator: a value is converted as for a return", "[api][generator]") {
  run([]() -> coro<> {
    const auto texts = []() -> generator<std::string> {
      co_yield "one";
      const char* const two = "two";
      co_yield two;
    };
    auto g = texts();
    const auto one = co_await g.next();
    const auto two = co_await g.next();
    CHECK(one == "one");
    CHECK(two == "two");
  }());
}

TEST_CASE("generator: is moved between two values", "[api][generator]") {
  run([]() -> coro<> {
    auto g = count_to(3);
    const auto first = co_await g.next();
    auto moved = std::move(g);
    const auto of_the_old = co_await g.next();
    const auto second = co_await moved.next();
    auto other = count_to(9);
    other = std::move(moved);
    const auto third = co_await other.next();
    CHECK(first == 1);
    CHECK_FALSE(of_the_old.has_value());
    CHECK(second == 2);
    CHECK(third == 3);
  }());
}

TEST_CASE("generator: a task may go on where another one has left off",
          "[api][generator]") {
  run_virtual([]() -> coro<> {
    auto g = count_slowly(4);
    const auto take_two = [](generator<int>& from) -> coro<int> {
      const auto a = co_await from.next();
      const auto b = co_await from.next();
      co_return *a * 10 + *b;
    };
    const int first = co_await create_task(take_two(g));
    const int second = co_await create_task(take_two(g));
    CHECK(first == 12);
    CHECK(second == 34);
  }());
}

// ---- errors and cancellation -----------------------------------------------------------------

TEST_CASE("generator: what it throws comes out of next(), and ends it",
          "[api][generator]") {
  run([]() -> coro<> {
    auto g = fail_after(1);
    co_await g.next();
    const auto failing = [](generator<int>& from) -> coro<> { co_await from.next(); };
    const auto how = co_await as_outcome(failing(g));
    CHECK(said(how.error()) == "boom");
    const auto after = co_await g.next();
    CHECK_FALSE(after.has_value());
  }());
}

TEST_CASE("generator: its arguments are gone before its error is caught",
          "[api][generator]") {
  counted::reset();
  run([]() -> coro<> {
    const auto failing = [](counted) -> generator<int> {
      throw test::failure("boom");
      co_yield 1;
    };
    auto g = failing(counted(1));
    CHECK(counted::alive == 1);
    bool caught = false;
    try {
      co_await g.next();
    } catch (const test::failure&) {
      caught = true;
      CHECK(counted::alive == 0);
    }
    CHECK(caught);
  }());
}

TEST_CASE(
    "generator: a cancellation is thrown at the await inside, and ends it [CANCEL-5]",
    "[api][generator][CANCEL-5]") {
  event_log log;
  run_virtual([](event_log& seen) -> coro<> {
    const auto sleepy = [](event_log& l) -> generator<int> {
      co_yield 1;
      try {
        co_await sleep(1h);
      } catch (const cancelled& c) {
        l.push_back("inside: " + c.reason());
        throw;
      }
      co_yield 2;
    };
    auto g = sleepy(seen);
    const auto consume = [](generator<int>& from) -> coro<> {
      while (auto v = co_await from.next()) {
      }
    };
    const auto consumer = create_task(consume(g));
    co_await sleep(1ms);
    consumer.cancel("enough");
    const auto how = co_await as_outcome(consumer);
    CHECK(said(how.error()) == "cancelled: enough");
    const auto after = co_await g.next();
    CHECK_FALSE(after.has_value());
  }(log));
  CHECK(log == event_log{"inside: enough"});
}

TEST_CASE("generator: one that swallows a cancellation goes on [CANCEL-9]",
          "[api][generator][CANCEL-9]") {
  run_virtual([]() -> coro<> {
    const auto stubborn = []() -> generator<int> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      co_yield 7;
    };
    const auto consume = [](generator<int> from) -> coro<int> {
      const auto v = co_await from.next();
      co_return *v;
    };
    const auto consumer = create_task(consume(stubborn()));
    co_await sleep(1ms);
    consumer.cancel();
    const int got = co_await consumer;
    CHECK(got == 7);
  }());
}

TEST_CASE("generator: next() while another one is pending is refused, and harms nothing",
          "[api][generator]") {
  run_virtual([]() -> coro<> {
    auto g = count_slowly(2);
    const auto take = [](generator<int>& from) -> coro<int> {
      const auto v = co_await from.next();
      co_return *v;
    };
    const auto close = [](generator<int>& from) -> coro<> { co_await from.aclose(); };
    const auto first = create_task(take(g));
    co_await sleep(0ms);
    const auto second = co_await as_outcome(take(g));
    CHECK_THROWS_AS(second.value(), invalid_state);
    const auto closing = co_await as_outcome(close(g));
    CHECK_THROWS_AS(closing.value(), invalid_state);
    const int one = co_await first;
    const int two = co_await take(g);
    CHECK(one == 1);
    CHECK(two == 2);
  }());
}

// ---- ending early ----------------------------------------------------------------------------

TEST_CASE("generator: destroyed half-way its locals are, and no more of it runs",
          "[api][generator]") {
  event_log log;
  run([](event_log& seen) -> coro<> {
    {
      auto g = careful(seen);
      co_await g.next();
      seen.push_back("dropping");
    }
    seen.push_back("dropped");
  }(log));
  CHECK(log == event_log{"dropping", "locals gone", "dropped"});
}

TEST_CASE(
    "generator: aclose() throws generator_exit at the yield and awaits the clean-up",
    "[api][generator]") {
  event_log log;
  run_virtual([](event_log& seen) -> coro<> {
    auto g = careful(seen);
    co_await g.next();
    co_await g.aclose();
    seen.push_back("closed");
    const auto after = co_await g.next();
    CHECK_FALSE(after.has_value());
    co_await g.aclose();
  }(log));
  CHECK(log == event_log{"closing", "cleaned up", "locals gone", "closed"});
}

TEST_CASE("generator: aclose() is content with a generator_exit that passes",
          "[api][generator]") {
  counted::reset();
  run([]() -> coro<> {
    const auto plain = []() -> generator<int> {
      const counted local(1);
      for (;;) co_yield 1;
    };
    auto g = plain();
    co_await g.next();
    co_await g.aclose();
    CHECK(counted::alive == 0);
  }());
}

TEST_CASE("generator: aclose() destroys one that has not begun, unrun",
          "[api][generator]") {
  event_log log;
  run([](event_log& seen) -> coro<> {
    auto g = careful(seen);
    co_await g.aclose();
    const auto after = co_await g.next();
    CHECK_FALSE(after.has_value());
  }(log));
  CHECK(log.empty());
}

TEST_CASE("generator: aclose() throws what else comes out", "[api][generator]") {
  run([]() -> coro<> {
    const auto failing = []() -> generator<int> {
      bool closing = false;
      try {
        co_yield 1;
      } catch (const generator_exit&) {
        closing = true;
      }
      if (closing) throw test::failure("clean-up failed");
    };
    auto g = failing();
    co_await g.next();
    const auto close = [](generator<int>& of) -> coro<> { co_await of.aclose(); };
    const auto how = co_await as_outcome(close(g));
    CHECK(said(how.error()) == "clean-up failed");
  }());
}

TEST_CASE("generator: one that yields when it is closed is refused, and destroyed",
          "[api][generator]") {
  counted::reset();
  run([]() -> coro<> {
    const auto deaf = []() -> generator<int> {
      const counted local(1);
      for (;;) {
        try {
          co_yield 1;
        } catch (const generator_exit&) {
        }
      }
    };
    auto g = deaf();
    co_await g.next();
    const auto close = [](generator<int>& of) -> coro<> { co_await of.aclose(); };
    const auto how = co_await as_outcome(close(g));
    CHECK_THROWS_AS(how.value(), invalid_state);
    CHECK(counted::alive == 0);
    const auto after = co_await g.next();
    CHECK_FALSE(after.has_value());
  }());
}

TEST_CASE("generator: dropped while a next() is pending, it ends where it would yield",
          "[api][generator]") {
  event_log log;
  run_virtual([](event_log& seen) -> coro<> {
    const auto slow = [](event_log& l) -> generator<int> {
      const noted_end end{l};
      co_await sleep(1ms);
      l.push_back("about to yield");
      co_yield 1;
      l.push_back("never");
    };
    auto g = std::make_unique<generator<int>>(slow(seen));
    const auto take = [](generator<int>& from) -> coro<bool> {
      const auto v = co_await from.next();
      co_return v.has_value();
    };
    const auto taker = create_task(take(*g));
    co_await sleep(0ms);
    g.reset();
    seen.push_back("dropped");
    const bool given = co_await taker;
    CHECK_FALSE(given);
  }(log));
  CHECK(log == event_log{"dropped", "about to yield", "locals gone"});
}

TEST_CASE("generator: moved while a next() is pending, it stays the same generator",
          "[api][generator]") {
  run_virtual([]() -> coro<> {
    auto g = std::make_unique<generator<int>>(count_slowly(2));
    const auto take = [](generator<int>& from) -> coro<int> {
      const auto v = co_await from.next();
      co_return *v;
    };
    const auto taker = create_task(take(*g));
    co_await sleep(0ms);
    auto moved = std::move(*g);
    g.reset();
    const int one = co_await taker;
    const auto two = co_await moved.next();
    CHECK(one == 1);
    CHECK(two == 2);
  }());
}

namespace {

coro<int> take(generator<int>& from) {
  const auto v = co_await from.next();
  co_return v.value_or(0);
}

/// Yields 1 and throws, or yields again, when it is closed.
generator<int> hard_to_close(bool yields_again) {
  bool closed = false;
  try {
    co_yield 1;
  } catch (const generator_exit&) {
    closed = true;
  }
  if (closed && yields_again) co_yield 2;
  throw test::failure("cannot close");
}

/// Hands on what another one yields, which it owns.
generator<int> handed_on(event_log& log) {
  auto inner = careful(log);
  while (auto v = co_await inner.next()) co_yield *v;
}

}  // namespace

TEST_CASE("generator: left unfinished it is closed at the end of run() [RUN-6]",
          "[api][generator][RUN-6]") {
  event_log log;
  auto g = careful(log);
  CHECK(run_virtual(take(g)) == 1);
  CHECK(log == event_log{"closing", "cleaned up", "locals gone"});
  CHECK(run_virtual(take(g)) == 0);
}

TEST_CASE(
    "generator: those left are closed when the tasks have ended, side by side [RUN-6]",
    "[api][generator][RUN-6]") {
  event_log log;
  auto first = careful(log);
  auto unbegun = careful(log);
  auto second = careful(log);
  auto done = count_to(0);
  const auto leftover = [](event_log& l, generator<int>& from) -> coro<> {
    co_await from.next();
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      l.push_back("cancelled");
      throw;
    }
  };
  run_virtual([&]() -> coro<> {
    co_await take(first);
    co_await take(done);
    const auto left = create_task(leftover(log, second));
    co_await sleep(1ms);
  }());
  CHECK(log == event_log{"cancelled", "closing", "closing", "cleaned up", "locals gone",
                         "cleaned up", "locals gone"});
}

TEST_CASE(
    "generator: a clean-up takes a request, and the rest of it is cancelled [RUN-6]",
    "[api][generator][RUN-6]") {
  const auto slow = [](event_log& l) -> generator<int> {
    bool closed = false;
    try {
      co_yield 1;
    } catch (const generator_exit&) {
      closed = true;
    }
    const noted_end end{l};
    if (closed) co_await sleep(1h);
    l.push_back("not reached");
  };
  event_log log;
  test::virtual_loop l;
  l.run_until_complete([&]() -> coro<> {
    auto one = slow(log);
    auto two = slow(log);
    co_await take(one);
    co_await take(two);
    const auto before = loop::current().time();
    const auto how =
        co_await as_outcome(wait_for(loop::current().shutdown_asyncgens(), 1s));
    CHECK(test::said(how.error()).find("timed out") != std::string::npos);
    CHECK(loop::current().time() - before == 1s);
  }());
  CHECK(log == event_log{"locals gone", "locals gone"});
}

TEST_CASE("generator: what comes out of one that run() closes is reported [RUN-6]",
          "[api][generator][RUN-6]") {
  event_log log;
  test::report_log reports;
  auto throws = hard_to_close(false);
  auto yields = hard_to_close(true);
  auto good = careful(log);
  {
    runner r(run_options().virtual_time());
    reports.listen(r.get_loop());
    r.run([&]() -> coro<> {
      co_await take(throws);
      co_await take(yields);
      co_await take(good);
    }());
  }
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].message == "a generator failed while it was closed");
  CHECK(said(reports[0].exception) == "cannot close");
  CHECK_THAT(said(reports[1].exception), Catch::Contains("yielded another value"));
  CHECK(log == event_log{"closing", "cleaned up", "locals gone"});
}

TEST_CASE("generator: one that owns another takes it along [RUN-6]",
          "[api][generator][RUN-6]") {
  event_log log;
  auto outer = handed_on(log);
  CHECK(run_virtual(take(outer)) == 1);
  CHECK(log ==
        event_log{"locals gone"});  // of the inner one, with the frame of the outer
}

TEST_CASE("generator: a loop run by hand closes none unless it is told to [RUN-6]",
          "[api][generator][RUN-6]") {
  event_log log;
  auto g = careful(log);
  auto kept = careful(log);
  {
    test::virtual_loop l;
    CHECK(l.run_until_complete(take(g)) == 1);
    l.run_until_complete(l.shutdown_asyncgens());
    CHECK(log == event_log{"closing", "cleaned up", "locals gone"});
    CHECK(l.run_until_complete(take(g)) == 0);
    CHECK(l.run_until_complete(take(kept)) == 1);
  }
  test::virtual_loop another;
  CHECK(another.run_until_complete(take(kept)) == 2);
  another.run_until_complete(another.shutdown_asyncgens());  // which it did not begin in
  CHECK(another.run_until_complete(take(kept)) == 3);
}

TEST_CASE("generator: a loop that is destroyed in the middle of a next() takes its frame",
          "[api][generator]") {
  event_log log;
  const auto deaf = [](event_log& l) -> generator<int> {
    const noted_end end{l};
    for (;;) {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
    }
    co_yield 1;
  };
  auto g = deaf(log);
  {
    test::virtual_loop l;
    const auto take = [](generator<int>& from) -> coro<> { co_await from.next(); };
    const auto t = l.create_task(take(g));
    l.turn();
  }
  CHECK(log == event_log{"locals gone"});
  run([](generator<int>& from) -> coro<> {
    const auto v = co_await from.next();
    CHECK_FALSE(v.has_value());
  }(g));
}

// ---- generators over generators --------------------------------------------------------------

namespace {

generator<int> doubled(generator<int> of) {
  while (auto v = co_await of.next()) co_yield 2 * *v;
}

generator<long> nested(long depth) {
  if (depth == 0) {
    co_await sleep(0s);
    co_yield 1;
    co_return;
  }
  auto inner = nested(depth - 1);
  while (auto v = co_await inner.next()) co_yield *v + 1;
}

}  // namespace

TEST_CASE("generator: generators are made of generators", "[api][generator]") {
  CHECK(run_virtual(sum(doubled(doubled(count_slowly(3))))) == 24);
}

TEST_CASE("generator: the depth of the stack does not grow with their depth",
          "[api][generator]") {
  constexpr long depth = 100'000;
  run([](long d) -> coro<> {
    auto g = nested(d);
    const auto v = co_await g.next();
    CHECK(v == d + 1);
    const auto end = co_await g.next();
    CHECK_FALSE(end.has_value());
  }(depth));
}

TEST_CASE("generator: a million values in a row that are ready", "[api][generator]") {
  const auto total = run([]() -> coro<long long> {
    long long all = 0;
    auto g = count_to(1'000'000);
    while (auto v = co_await g.next()) all += *v;
    co_return all;
  }());
  CHECK(total == 500'000'500'000);
}

TEST_CASE("generator: its awaits are in the stack of the task that awaits next()",
          "[api][generator]") {
  run_virtual([]() -> coro<> {
    const auto inside = std::source_location::current().line();
    const auto sleepy = []() -> generator<int> {
      co_await sleep(1h);
      co_yield 1;
    };
    const auto consume = [](generator<int> from) -> coro<> { co_await from.next(); };
    const auto t = create_task(consume(sleepy()));
    co_await sleep(0ms);
    const auto stack = t.stack();
    REQUIRE(stack.size() == 2);
    CHECK(stack[0].line() == inside + 2);
    CHECK(stack[1].line() == inside + 5);
    t.cancel();
    co_await as_outcome(t);
  }());
}

// ---- cut off at every batch ------------------------------------------------------------------

namespace {

using test::cut::lives;
using test::cut::witness;

generator<int> observed(lives& seen, int n) {
  const witness local(seen);
  bool closing = false;
  for (int i = 0; i < n && !closing; ++i) {
    const witness each(seen);
    co_await sleep(1ms);
    try {
      co_yield i;
    } catch (const generator_exit&) {
      closing = true;
    }
  }
  co_await sleep(1ms);
}

generator<int> observed_twice(lives& seen, int n) {
  const witness local(seen);
  auto inner = observed(seen, n);
  while (auto v = co_await inner.next()) co_yield *v;
  co_await inner.aclose();
}

}  // namespace

TEST_CASE("generator: cut off anywhere, all is destroyed once", "[api][generator]") {
  test::cut::everywhere([](lives& seen) -> coro<> {
    const witness local(seen);
    auto g = observed_twice(seen, 3);
    while (auto v = co_await g.next()) co_await sleep(1ms);
  });
}

TEST_CASE("generator: cut off while it is being closed, all is destroyed once",
          "[api][generator]") {
  test::cut::everywhere([](lives& seen) -> coro<> {
    const witness local(seen);
    auto g = observed(seen, 3);
    co_await g.next();
    co_await g.aclose();
    auto unfinished = observed(seen, 3);
    co_await unfinished.next();
    co_await sleep(1ms);
  });
}

TEST_CASE("generator: cut off while those left are closed, all is destroyed once [RUN-6]",
          "[api][generator][RUN-6]") {
  test::cut::everywhere([](lives& seen) -> coro<> {
    const witness local(seen);
    auto one = observed(seen, 3);
    auto two = observed_twice(seen, 3);
    co_await one.next();
    co_await two.next();
    co_await loop::current().shutdown_asyncgens();
    co_await sleep(1ms);
  });
}

TEST_CASE("generator: cut off with its owner outside of the task, all is destroyed once",
          "[api][generator]") {
  test::cut::everywhere([](lives& seen) -> coro<> {
    const auto shared = std::make_shared<generator<int>>(observed_twice(seen, 2));
    const auto take = [](std::shared_ptr<generator<int>> from) -> coro<> {
      while (auto v = co_await from->next()) co_await sleep(1ms);
    };
    co_await create_task(take(shared));
    co_await sleep(1ms);
  });
}

// ---- what g++ 12 miscompiles in a co_await, in a co_yield --------------------------------------

namespace {

int value_of(const counted& c) { return c.value; }

struct pair_of {
  counted a, b;
};

}  // namespace

TEST_CASE("generator: temporaries in a co_yield are destroyed once (G1, G2)",
          "[api][generator]") {
  counted::reset();
  run([]() -> coro<> {
    const auto shapes = []() -> generator<int> {
      co_yield value_of(counted(1));
      const auto named = [c = counted(2)] { return c.value; };
      co_yield named();
      const counted three(3);
      co_yield [&three] { return three.value; }();
    };
    const int total = co_await sum(shapes());
    CHECK(total == 6);
  }());
  CHECK(counted::alive == 0);
}

TEST_CASE("generator: yields a value of several members, by name and by constructor (G2)",
          "[api][generator]") {
  counted::reset();
  run([]() -> coro<> {
    const auto pairs = []() -> generator<pair_of> {
      pair_of named{counted(1), counted(2)};
      co_yield std::move(named);
    };
    auto g = pairs();
    while (auto p = co_await g.next()) CHECK(p->a.value + p->b.value == 3);
  }());
  CHECK(counted::alive == 0);
}

TEST_CASE("generator: next() as a condition, with its name (G5)", "[api][generator]") {
  run([]() -> coro<> {
    auto g = count_to(1);
    if (const auto v = co_await g.next(); v) {
      CHECK(*v == 1);
    } else {
      FAIL("it has one");
    }
    if (auto v = co_await g.next()) FAIL("it has but one");
  }());
}

TEST_CASE("generator: a next() that is awaited when it has ended gives nothing",
          "[api][generator]") {
  run([]() -> coro<> {
    const auto one = []() -> generator<int> {
      if (false) co_yield 1;
      co_return;
    };
    auto g = one();
    auto first = g.next();
    auto late = g.next();
    auto close = g.aclose();
    const auto a = co_await std::move(first);
    const auto b = co_await std::move(late);
    co_await std::move(close);
    CHECK_FALSE(a.has_value());
    CHECK_FALSE(b.has_value());
  }());
}

TEST_CASE("generator: gives all its values, or dies with who drops it, in whatever order",
          "[api][generator]") {
  test::for_seeds([]() -> coro<> {
    int alive = 0;
    const auto count = [](int& live, int n) -> generator<int> {
      struct local {
        int& live;
        explicit local(int& l) : live(l) { ++live; }
        ~local() { --live; }
      } const here(live);
      for (int i = 1; i <= n; ++i) {
        co_await sleep(std::chrono::milliseconds(i % 2));
        co_yield i;
      }
    };
    const auto sum = [&](int n, int at_most) -> coro<int> {
      auto values = count(alive, n);
      int total = 0;
      while (const auto v = co_await values.next()) {
        total += *v;
        if (--at_most == 0) break;
      }
      co_return total;
    };
    auto cut = create_task(sum(100, 100));
    auto results = gather(sum(4, 9), sum(4, 2), sum(5, 9));
    co_await sleep(2ms);
    cut.cancel();
    const auto [all, two, five] = co_await std::move(results);
    CHECK((all == 10 && two == 3 && five == 15));
    const auto how = co_await as_outcome(cut);
    CHECK(how.is_cancelled());
    CHECK(alive == 0);
  });
}
