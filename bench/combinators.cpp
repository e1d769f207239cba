// gather, as_completed and wait over many tasks.
#include "workloads.hpp"

#include <sheaf/sheaf.hpp>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace bench {
namespace {

sheaf::coro<long> ready(long i) {
  co_await sheaf::sleep(0s);
  co_return i;
}

sheaf::coro<long> done(long i) { co_return i; }

sheaf::coro<long> sleeper(std::chrono::milliseconds delay, long i) {
  co_await sheaf::sleep(delay);
  co_return i;
}

template <class Make>
std::vector<sheaf::coro<long>> make_coros(long n, Make make) {
  std::vector<sheaf::coro<long>> coros;
  coros.reserve(static_cast<std::size_t>(n));
  for (long i = 0; i < n; ++i) coros.push_back(make(i));
  return coros;
}

std::vector<sheaf::coro<long>> make_sleepers(long n) {
  delays delay;
  return make_coros(n, [&](long i) { return sleeper(delay.next(), i); });
}

using job = sheaf::coro<long> (*)(long);

sheaf::coro<long long> gather_often(job make, long n, long reps) {
  long long sum = 0;
  for (long k = 0; k < reps; ++k) {
    const auto results = co_await sheaf::gather(make_coros(n, make));
    if (results.front() != 0 || results.back() != n - 1) co_return -1;
    sum = std::accumulate(results.begin(), results.end(), sum);
  }
  co_return sum;
}

sheaf::coro<outcome> measure_gather(meter& m, job make, long n, long reps) {
  const long warm_n = reps > 1 ? n : std::min(n, 10'000L);
  const long warm_reps = std::max(1L, reps / 10);
  co_await gather_often(make, warm_n, warm_reps);
  m.start();
  const long long check = co_await gather_often(make, n, reps);
  m.stop();
  co_return outcome{check, {}};
}

std::string rounds_key(long rounds) { return ",\"rounds\":" + std::to_string(rounds); }

sheaf::coro<long> wait_for_value(sheaf::future<long> value) { co_return co_await value; }

sheaf::coro<> sleep_an_hour() { co_await sheaf::sleep(1h); }

}  // namespace

sheaf::coro<outcome> gather_ready(meter& m, long n, long reps) {
  return measure_gather(m, ready, n, reps);
}

sheaf::coro<outcome> gather_done(meter& m, long n, long reps) {
  return measure_gather(m, done, n, reps);
}

sheaf::coro<outcome> gather_sleep(meter& m, long n, long) {
  long long check = 0;
  m.start();
  {
    const auto results = co_await sheaf::gather(make_sleepers(n));
    check = std::accumulate(results.begin(), results.end(), 0LL);
  }
  m.stop();
  co_return outcome{check, {}};
}

sheaf::coro<outcome> as_completed(meter& m, long n, long) {
  long long check = 0;
  m.start();
  {
    auto stream = sheaf::as_completed(make_sleepers(n));
    while (auto task = co_await stream.next()) check += task->result();
  }
  m.stop();
  co_return outcome{check, {}};
}

// asyncio's way, which registers again with all that are pending in each round.
sheaf::coro<outcome> wait_first(meter& m, long n, long) {
  long long check = 0;
  long rounds = 0;
  m.start();
  {
    const auto first = sheaf::wait_options().return_when(sheaf::first_completed);
    delays delay;
    std::vector<sheaf::task<long>> tasks;
    for (long i = 0; i < n; ++i) {
      tasks.push_back(sheaf::create_task(sleeper(delay.next(), i)));
    }
    while (!tasks.empty()) {
      auto [done, pending] = co_await sheaf::wait(std::move(tasks), first);
      ++rounds;
      for (const auto& task : done) check += task.result();
      tasks = std::move(pending);
    }
  }
  m.stop();
  co_return outcome{check, rounds_key(rounds)};
}

// One completes per round: next() of one stream, which registers once with each.
sheaf::coro<outcome> wait_seq(meter& m, long n, long) {
  long long check = 0;
  long rounds = 0;
  m.start();
  {
    std::vector<sheaf::promise<long>> promises(static_cast<std::size_t>(n));
    std::vector<sheaf::task<long>> tasks;
    for (auto& p : promises) {
      tasks.push_back(sheaf::create_task(wait_for_value(p.get_future())));
    }
    co_await sheaf::sleep(0s);
    auto stream = sheaf::as_completed(std::move(tasks));
    for (long i = 0; i < n; ++i) {
      promises[static_cast<std::size_t>(i)].set_value(i);
      const auto task = co_await stream.next();
      check += task->result();
      ++rounds;
    }
  }
  m.stop();
  co_return outcome{check, rounds_key(rounds)};
}

// One exception a task: thrown at its sleep, caught where the task ends.
sheaf::coro<outcome> cancel_all(meter& m, long n, long) {
  long cancelled = 0;
  m.start();
  {
    std::vector<sheaf::task<>> tasks;
    tasks.reserve(static_cast<std::size_t>(n));
    for (long i = 0; i < n; ++i) tasks.push_back(sheaf::create_task(sleep_an_hour()));
    const auto all = sheaf::gather(sheaf::return_exceptions, tasks);
    co_await sheaf::sleep(0s);
    all.cancel();
    try {
      co_await all;
    } catch (const sheaf::cancelled&) {
    }
    for (const auto& t : tasks) cancelled += t.cancelled();
  }
  m.stop();
  co_return outcome{cancelled, {}};
}

}  // namespace bench
