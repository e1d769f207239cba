#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/thread_census.hpp>
#include <sheaf/runtime/thread_pool.hpp>

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;

static_assert(!std::is_copy_constructible_v<thread_pool>);

namespace {

/// Runs one callable there and one here.
class job final : public pool_job {
 public:
  static inline std::atomic<int> alive = 0;

  job(loop& l, unique_function<void()> there, unique_function<void()> here)
      : loop_(l.core()), there_(std::move(there)), here_(std::move(here)) {
    ++alive;
  }
  scheduler& home() const noexcept { return loop_; }
  void execute() noexcept override { there_(); }
  void run() noexcept override {
    loop_.expect_threads(-1);
    here_();
    delete this;
  }
  void drop() noexcept override {
    loop_.expect_threads(-1);
    delete this;
  }
  /// Of a submit() that threw.
  void take_back() noexcept { delete this; }

 private:
  ~job() { --alive; }
  scheduler& loop_;
  unique_function<void()> there_, here_;
};

void submit(thread_pool& pool, job& j) { pool.submit(j, j.home()); }

/// Holds threads until so many have come.
class meeting {
 public:
  explicit meeting(int expected) : missing_(expected) {}
  void come() {
    std::unique_lock hold(lock_);
    if (--missing_ <= 0) all_here_.notify_all();
    all_here_.wait(hold, [this] { return missing_ <= 0; });
  }

 private:
  std::mutex lock_;
  std::condition_variable all_here_;
  int missing_;
};

}  // namespace

TEST_CASE("thread_pool: a job runs on another thread and ends on the loop's",
          "[runtime][thread_pool]") {
  job::alive = 0;
  loop l;
  thread_pool pool;
  std::thread::id there, here;
  bool loop_was_current = false;
  submit(pool, *new job(
                   l, [&] { there = std::this_thread::get_id(); },
                   [&] {
                     here = std::this_thread::get_id();
                     loop_was_current = &loop::current() == &l;
                   }));
  l.run_forever();  // waits for it, and for nothing else
  CHECK(here == std::this_thread::get_id());
  CHECK(there != here);
  CHECK(there != std::thread::id());
  CHECK(loop_was_current);
  CHECK(job::alive == 0);
}

TEST_CASE("thread_pool: jobs begin in the order they were submitted",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  pool.set_size(1);
  std::vector<int> began, expected;
  int ended = 0;
  for (int i = 0; i < 200; ++i) {
    submit(pool, *new job(l, [&began, i] { began.push_back(i); }, [&] { ++ended; }));
    expected.push_back(i);
  }
  l.run_forever();
  CHECK(ended == 200);
  CHECK(began == expected);
}

TEST_CASE("thread_pool: as many run at once as there is room for, and no more",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  constexpr int size = 5;
  pool.set_size(size);
  std::mutex lock;
  std::set<std::thread::id> threads;
  meeting all(size);  // passed only when so many run at once
  int ended = 0;
  for (int i = 0; i < 40; ++i) {
    submit(pool, *new job(
                     l,
                     [&] {
                       all.come();
                       const std::lock_guard hold(lock);
                       threads.insert(std::this_thread::get_id());
                     },
                     [&] { ++ended; }));
  }
  l.run_forever();
  CHECK(ended == 40);
  pool.join();
  CHECK(threads.size() <= size);
  CHECK(threads.count(std::this_thread::get_id()) == 0);
}

TEST_CASE("thread_pool: threads that sleep do not keep others from being made",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  constexpr int size = 5;
  pool.set_size(size);
  meeting two(2);
  for (int i = 0; i < 2; ++i) submit(pool, *new job(l, [&] { two.come(); }, [] {}));
  l.run_forever();    // both are there, and sleep now or soon
  meeting all(size);  // passed only when so many run at once
  int ended = 0;
  for (int i = 0; i < size; ++i) {
    submit(pool, *new job(l, [&] { all.come(); }, [&] { ++ended; }));
  }
  l.run_forever();
  CHECK(ended == size);
  pool.join();
}

TEST_CASE("thread_pool: a thread that waits is used before a new one is made",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 50; ++i) {
    // One after another: the one before has ended here, so its thread is about to wait.
    submit(pool, *new job(l, [&] { threads.insert(std::this_thread::get_id()); }, [] {}));
    l.run_forever();
  }
  pool.join();
  CHECK(threads.size() <= thread_pool::default_size());
}

TEST_CASE("thread_pool: join() waits for all, their results are in the loop's inbox",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  std::atomic<int> executed{0};
  int ended = 0;
  for (int i = 0; i < 20; ++i)
    submit(pool, *new job(l, [&] { ++executed; }, [&] { ++ended; }));
  pool.join();
  CHECK(executed == 20);
  CHECK(ended == 0);
  l.run_forever();
  CHECK(ended == 20);
  submit(pool,
         *new job(l, [&] { ++executed; }, [&] { ++ended; }));  // it can be used again
  l.run_forever();
  CHECK(ended == 21);
}

TEST_CASE("thread_pool: results that the loop never took are dropped with it",
          "[runtime][thread_pool]") {
  job::alive = 0;
  int ended = 0;
  {
    loop l;
    thread_pool pool;
    for (int i = 0; i < 20; ++i) submit(pool, *new job(l, [] {}, [&] { ++ended; }));
    pool.join();
    l.close();
  }
  CHECK(ended == 0);
  CHECK(job::alive == 0);
}

#ifdef __GLIBC__
namespace {

/// While it lives no thread can be made: none gets a stack of that size.
class no_threads {
 public:
  no_threads() {
    ::pthread_attr_init(&before_);
    REQUIRE(::pthread_getattr_default_np(&before_) == 0);
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 47);
    REQUIRE(::pthread_setattr_default_np(&huge) == 0);
    ::pthread_attr_destroy(&huge);
  }
  no_threads(const no_threads&) = delete;
  no_threads& operator=(const no_threads&) = delete;
  ~no_threads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

/// Whether it went away again, because there is no thread for it.
bool is_refused(thread_pool& pool, job& j) {
  try {
    submit(pool, j);
    return false;
  } catch (const std::system_error&) {
    j.take_back();
    return true;
  }
}

}  // namespace

TEST_CASE("thread_pool: without a thread jobs are refused, and none stays behind",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  int ended = 0;
  {
    const no_threads now;
    CHECK(is_refused(pool, *new job(l, [] {}, [&] { ++ended; })));
    CHECK(is_refused(pool, *new job(l, [] {}, [&] { ++ended; })));
  }
  submit(pool, *new job(l, [] {}, [&] { ++ended; }));
  l.run_forever();
  CHECK(ended == 1);
}

TEST_CASE("thread_pool: where one more cannot be made the others do the job",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  meeting busy(2);
  int ended = 0;
  submit(pool, *new job(l, [&] { busy.come(); }, [&] { ++ended; }));
  {
    const no_threads now;
    CHECK_FALSE(is_refused(pool, *new job(l, [] {}, [&] { ++ended; })));
  }
  busy.come();
  l.run_forever();
  CHECK(ended == 2);
}

// Of two loops that ask at once, neither may count on the thread that the other is to make.
TEST_CASE("thread_pool: no loop counts on a thread that another cannot make",
          "[runtime][thread_pool]") {
  constexpr int rounds = 2'000;
  thread_pool pool;
  std::atomic<int> kept = 0;
  std::barrier ready(3), go(2), done(3);
  const auto ask = [&] {
    loop l;
    ready.arrive_and_wait();
    done.arrive_and_wait();  // threads cannot be made from here on
    for (int i = 0; i < rounds; ++i) {
      go.arrive_and_wait();
      if (!is_refused(pool, *new job(l, [] {}, [] {}))) ++kept;
    }
    ready.arrive_and_wait();
    done.arrive_and_wait();  // and now they can: what was kept is done
    submit(pool, *new job(l, [] {}, [&l] { l.stop(); }));
    l.run_forever();
  };
  std::thread first(ask), second(ask);
  ready.arrive_and_wait();
  {
    const no_threads now;
    done.arrive_and_wait();
    ready.arrive_and_wait();
  }
  done.arrive_and_wait();
  first.join();
  second.join();
  CHECK(kept == 0);
}
#endif

TEST_CASE("thread_pool: the size is asyncio's", "[runtime][thread_pool]") {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  CHECK(thread_pool::default_size() == std::min<std::size_t>(32, cores + 4));
}

TEST_CASE("thread_pool: its threads do not count as somebody who could call",
          "[runtime][thread_pool]") {
  loop l;
  thread_pool pool;
  submit(pool, *new job(l, [] {}, [] {}));
  l.run_forever();  // would wait for ever for the pool's idle thread
  meeting leave(2);
  std::thread other([&] { leave.come(); });
  CHECK(other_threads_exist());
  leave.come();
  other.join();
}

TEST_CASE("thread_pool: virtual time stands while a job is under way",
          "[runtime][thread_pool]") {
  loop l{clock_kind::virtual_};
  thread_pool pool;
  std::vector<int> order;
  meeting go(2);
  l.call_later(1h, [&] { order.push_back(2); });
  submit(pool, *new job(l, [&] { go.come(); }, [&] { order.push_back(1); }));
  l.turn();
  l.turn();
  CHECK(order.empty());
  go.come();
  l.run_forever();
  CHECK(order == std::vector<int>{1, 2});
}
