#include <sheaf/run_coroutine_threadsafe.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/tsan_blind_spots.hpp"

#include <sheaf/context_var.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/wrap_future.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stop_token>
#include <thread>

using namespace sheaf;
using namespace std::chrono_literals;
using test::counted;
using test::event_log;
using test::said;

namespace {

template <class C>
concept submitted = requires(loop& l, C c) { run_coroutine_threadsafe(l, std::move(c)); };
// THREAD-10: what is no coroutine is refused, when compiling.
static_assert(submitted<coro<int>>);
static_assert(!submitted<int>);
static_assert(!submitted<future<int>>);
static_assert(!submitted<int (*)()>);

coro<int> add(int a, int b) {
  co_await sleep(0ms);
  co_return a + b;
}

coro<int> failing() {
  co_await sleep(0ms);
  throw test::failure("boom");
}

/// A loop that a thread runs until it is destroyed.
class served_loop {
 public:
  served_loop() {
    loop_.call_soon([this] { begun_.set_value(); });
    thread_ = std::thread([this] {
      const auto forever = [](promise<>& end) -> coro<> { co_await end.get_future(); };
      loop_.run_until_complete(forever(end_));
    });
    begun_.get_future().wait();
  }
  ~served_loop() {
    loop_.call_soon_threadsafe([this] { end_.set_value(); });
    thread_.join();
  }
  sheaf::loop& get() noexcept { return loop_; }

 private:
  sheaf::loop loop_;
  promise<> end_{loop_};
  std::promise<void> begun_;
  std::thread thread_;
};

template <class T>
std::string how(std::future<T>& f) {
  try {
    f.get();
  } catch (...) {
    return said(std::current_exception());
  }
  return "a value";
}

}  // namespace

TEST_CASE("run_coroutine_threadsafe: gives the value to another thread [THREAD-6]",
          "[api][threadsafe][THREAD-6]") {
  served_loop served;
  auto sum = run_coroutine_threadsafe(served.get(), add(1, 2));
  CHECK(sum.get() == 3);
  const auto nothing = []() -> coro<> { co_return; };
  auto done = run_coroutine_threadsafe(served.get(), nothing());
  CHECK_NOTHROW(done.get());
}

TEST_CASE("run_coroutine_threadsafe: runs on the loop's thread, as a task [THREAD-6]",
          "[api][threadsafe][THREAD-6]") {
  served_loop served;
  const auto where = []() -> coro<std::thread::id> {
    CHECK(current_task());
    co_return std::this_thread::get_id();
  };
  const auto there = run_coroutine_threadsafe(served.get(), where()).get();
  CHECK(there != std::this_thread::get_id());
}

TEST_CASE("run_coroutine_threadsafe: gives what it throws to another thread [THREAD-6]",
          "[api][threadsafe][THREAD-6]") {
  served_loop served;
  auto f = run_coroutine_threadsafe(served.get(), failing());
  CHECK(how(f) == "boom");
  CHECK(served.get().exceptions_reported() == 0);
}

TEST_CASE("run_coroutine_threadsafe: a value that can only be moved is [THREAD-6]",
          "[api][threadsafe][THREAD-6]") {
  served_loop served;
  const auto make = []() -> coro<std::unique_ptr<int>> {
    co_return std::make_unique<int>(7);
  };
  CHECK(*run_coroutine_threadsafe(served.get(), make()).get() == 7);
}

TEST_CASE("run_coroutine_threadsafe: a stop request cancels the task [THREAD-7]",
          "[api][threadsafe][THREAD-7]") {
  served_loop served;
  std::stop_source stop;
  std::promise<void> begun;
  std::string seen;
  const auto sleepy = [](std::promise<void>& b, std::string& why) -> coro<> {
    try {
      b.set_value();
      co_await sleep(1h);
    } catch (const cancelled& c) {
      why = c.reason();
      throw;
    }
  };
  auto f = run_coroutine_threadsafe(served.get(), sleepy(begun, seen), stop.get_token());
  begun.get_future().wait();
  CHECK(f.wait_for(0s) == std::future_status::timeout);
  stop.request_stop();
  CHECK(how(f) == "cancelled: a stop was requested");
  CHECK(seen == "a stop was requested");
  const auto count = []() -> coro<std::size_t> { co_return all_tasks().size(); };
  CHECK(run_coroutine_threadsafe(served.get(), count()).get() == 2);  // itself, and main
}

TEST_CASE(
    "run_coroutine_threadsafe: stopped before it began, nothing of it runs [THREAD-7]",
    "[api][threadsafe][THREAD-7]") {
  counted::reset();
  {
    loop l;
    std::stop_source stop;
    bool ran = false;
    const auto touch = [](bool& r, counted) -> coro<> {
      r = true;
      co_return;
    };
    auto f = run_coroutine_threadsafe(l, touch(ran, counted(1)), stop.get_token());
    stop.request_stop();
    l.run_forever();
    CHECK(how(f) == "cancelled: a stop was requested");
    CHECK_FALSE(ran);
  }
  CHECK(counted::alive == 0);
}

TEST_CASE(
    "run_coroutine_threadsafe: a stop request after the end does nothing [THREAD-7]",
    "[api][threadsafe][THREAD-7]") {
  served_loop served;
  std::stop_source stop;
  auto f = run_coroutine_threadsafe(served.get(), add(1, 2), stop.get_token());
  CHECK(f.get() == 3);
  stop.request_stop();
  CHECK(run_coroutine_threadsafe(served.get(), add(3, 4)).get() == 7);
}

TEST_CASE("run_coroutine_threadsafe: stop requests that race with the end do no harm",
          "[api][threadsafe][THREAD-7]") {
  served_loop served;
  int stopped = 0;
  for (int i = 0; i < 300; ++i) {
    std::stop_source stop;
    auto f = run_coroutine_threadsafe(served.get(), add(i, 1), stop.get_token());
    if (i % 3 == 0) std::this_thread::yield();
    stop.request_stop();
    try {
      const int sum = f.get();
      CHECK(sum == i + 1);
    } catch (const cancelled&) {
      ++stopped;
    }
  }
  CHECK(stopped <= 300);
}

TEST_CASE("run_coroutine_threadsafe: a task may stop its own token [THREAD-7]",
          "[api][threadsafe][THREAD-7]") {
  served_loop served;
  std::stop_source stop;
  const auto suicidal = [](std::stop_source s) -> coro<> {
    s.request_stop();
    co_await sleep(1h);
  };
  auto f = run_coroutine_threadsafe(served.get(), suicidal(stop), stop.get_token());
  CHECK(how(f) == "cancelled: a stop was requested");
}

TEST_CASE("run_coroutine_threadsafe: a task that ends cancelled says so [THREAD-8]",
          "[api][threadsafe][THREAD-8]") {
  served_loop served;
  const auto cancels_itself = []() -> coro<> {
    current_task().cancel("from inside");
    co_await sleep(1h);
  };
  auto f = run_coroutine_threadsafe(served.get(), cancels_itself());
  CHECK(how(f) == "cancelled: from inside");
}

TEST_CASE(
    "run_coroutine_threadsafe: a task that cannot be made is an error there and a report "
    "here [THREAD-9]",
    "[api][threadsafe][THREAD-9]") {
  test::report_log reports;
  loop l;
  reports.listen(l);
  l.set_task_factory([](task_options&) { throw test::failure("no tasks today"); });
  auto f = run_coroutine_threadsafe(l, add(1, 2));
  l.run_forever();
  CHECK(how(f) == "no tasks today");
  REQUIRE(reports.size() == 1);
  CHECK(said(reports[0].exception) == "no tasks today");
}

TEST_CASE("run_coroutine_threadsafe: works with tasks that start eagerly",
          "[api][threadsafe]") {
  loop l;
  l.set_task_factory([](task_options& o) { o.eager_start(); });
  const auto at_once = []() -> coro<int> { co_return 5; };
  auto now = run_coroutine_threadsafe(l, at_once());
  auto later = run_coroutine_threadsafe(l, add(1, 2));
  l.run_forever();
  CHECK(now.get() == 5);
  CHECK(later.get() == 3);
}

TEST_CASE(
    "run_coroutine_threadsafe: a closed loop refuses it, and it is destroyed [LOOP-28]",
    "[api][threadsafe][LOOP-28]") {
  counted::reset();
  loop l;
  l.close();
  const auto hold = [](counted) -> coro<> { co_return; };
  CHECK_THROWS_AS(static_cast<void>(run_coroutine_threadsafe(l, hold(counted(1)))),
                  invalid_state);
  CHECK(counted::alive == 0);
}

TEST_CASE("run_coroutine_threadsafe: a loop closed before it began tells the future",
          "[api][threadsafe]") {
  counted::reset();
  std::future<void> f;
  {
    loop l;
    const auto hold = [](counted) -> coro<> { co_return; };
    f = run_coroutine_threadsafe(l, hold(counted(1)));
  }
  CHECK(counted::alive == 0);
  CHECK_THROWS_AS(f.get(), invalid_state);
}

TEST_CASE(
    "run_coroutine_threadsafe: a loop that waits for its tasks to end begins no more",
    "[api][threadsafe]") {
  bool ran = false;
  std::future<void> f;
  {
    test::report_log reports;
    loop l;
    reports.listen(l);
    const auto marks = [](bool& r) -> coro<> {
      r = true;
      co_return;
    };
    const auto lingers = []() -> coro<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled&) {
      }
      for (int i = 0; i < 5; ++i) co_await sleep(0ms);
    };
    static_cast<void>(l.create_task(lingers()));
    for (int i = 0; i < 3; ++i) l.turn();
    f = run_coroutine_threadsafe(l, marks(ran));
  }
  CHECK_FALSE(ran);
  CHECK_THROWS_AS(f.get(), invalid_state);
}

TEST_CASE("run_coroutine_threadsafe: a loop closed while it runs tells the future",
          "[api][threadsafe]") {
  const auto waits = []() -> coro<> {
    const promise<> never;
    co_await never.get_future();
  };
  const auto deaf = []() -> coro<> {
    for (;;) {
      try {
        const promise<> never;
        co_await never.get_future();
      } catch (const cancelled&) {
      }
    }
  };
  std::future<void> asked, refused;
  std::stop_source stop;
  {
    test::report_log reports;
    loop l;
    reports.listen(l);
    asked = run_coroutine_threadsafe(l, waits(), stop.get_token());
    refused = run_coroutine_threadsafe(l, deaf(), stop.get_token());
    for (int i = 0; i < 3; ++i) l.turn();
  }
  CHECK(how(asked).starts_with("cancelled"));
  CHECK(how(refused).starts_with("cancelled"));
  stop.request_stop();
}

TEST_CASE("run_coroutine_threadsafe: dropping the future leaves the task alone",
          "[api][threadsafe]") {
  served_loop served;
  std::promise<void> ended;
  const auto tell = [](std::promise<void>& p) -> coro<> {
    co_await sleep(0ms);
    p.set_value();
  };
  static_cast<void>(run_coroutine_threadsafe(served.get(), tell(ended)));
  ended.get_future().wait();
}

TEST_CASE("run_coroutine_threadsafe: the task sees its caller's context [TASK-18]",
          "[api][threadsafe][TASK-18]") {
  const context_var<int> depth(0);
  served_loop served;
  const auto get = [](const context_var<int>& v) -> coro<int> {
    const int seen = v.get();
    v.set(99);
    co_return seen;
  };
  CHECK(run_coroutine_threadsafe(served.get(), get(depth)).get() == 0);
  std::thread caller([&] {
    depth.set(5);
    CHECK(run_coroutine_threadsafe(served.get(), get(depth)).get() == 5);
    CHECK(depth.get() == 5);
  });
  caller.join();
}

TEST_CASE("run_coroutine_threadsafe: from many threads at once [THREAD-6]",
          "[api][threadsafe][THREAD-6]") {
  constexpr int threads = 4, each = 200;
  served_loop served;
  std::atomic<int> sum = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (int i = 0; i < each; ++i) {
        sum += run_coroutine_threadsafe(served.get(), add(i, 1)).get();
      }
    });
  }
  for (std::thread& t : all) t.join();
  CHECK(sum == threads * (each * (each - 1) / 2 + each));
}

TEST_CASE(
    "run_coroutine_threadsafe: threads that call while the loop closes get an answer "
    "each",
    "[api][threadsafe][LOOP-28]") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> answers = 0, refused = 0;
    std::vector<std::thread> all;
    {
      test::report_log reports;
      loop l;
      reports.listen(l);
      for (int t = 0; t < 3; ++t) {
        all.emplace_back([&] {
          for (;;) {
            std::future<int> f;
            try {
              f = run_coroutine_threadsafe(l, add(1, 2));
            } catch (const invalid_state&) {
              ++refused;
              return;
            }
            how(f);
            ++answers;
          }
        });
      }
      while (answers < 3) l.turn();
      l.close();
      for (std::thread& t : all) t.join();
    }
    CHECK(refused == 3);
  }
}

TEST_CASE("run_coroutine_threadsafe: a loop may be destroyed when its answer has come",
          "[api][threadsafe]") {
  for (int round = 0; round < 50; ++round) {
    auto l = std::make_unique<loop>();
    std::thread caller([&l] {
      loop& served = *l;
      served.call_soon_threadsafe([&served] { served.stop(); });
    });
    l->run_forever();
    l.reset();  // the caller may still be on its way out of call_soon_threadsafe()
    caller.join();
  }
}

TEST_CASE("wrap_future: awaits what another thread promised [THREAD-11]",
          "[api][threadsafe][THREAD-11]") {
  std::promise<int> there;
  std::thread other([&] { there.set_value(7); });
  const auto take = [](std::future<int> f) -> coro<int> {
    co_return co_await wrap_future(std::move(f));
  };
  CHECK(run(take(there.get_future())) == 7);
  other.join();

  std::promise<int> broken;
  broken.set_exception(std::make_exception_ptr(test::failure("x")));
  CHECK_THROWS_AS(run(take(broken.get_future())), test::failure);
}

TEST_CASE("wrap_future: a future of the loop is given back as it is [THREAD-11]",
          "[api][threadsafe][THREAD-11]") {
  loop l;
  promise<int> p(l);
  const future<int> f = p.get_future();
  CHECK(wrap_future(f) == f);
}
