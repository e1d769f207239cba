// Tasks one by one, plain callbacks, and timers.
#include "workloads.hpp"

#include <sheaf/sheaf.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace bench {
namespace {

sheaf::coro<long> done(long i) { co_return i; }

sheaf::coro<long long> spawn_and_await(long n) {
  long long sum = 0;
  for (long i = 0; i < n; ++i) sum += co_await sheaf::create_task(done(i));
  co_return sum;
}

sheaf::coro<> add(long long& sum, long i) {
  sum += i;
  co_return;
}

// One by one, all alive at a time: the group has to grow.
sheaf::coro<> spawn_into(sheaf::task_group& group, long n, long long& sum) {
  for (long i = 0; i < n; ++i) group.create_task(add(sum, i));
  co_return;
}

sheaf::coro<long> descend(long depth) {
  if (depth == 0) {
    co_await sheaf::sleep(0s);
    co_return 0;
  }
  co_return co_await descend(depth - 1) + 1;
}

/// Queues `n` callbacks, a batch at a time, and itself behind each batch.
class batches {
 public:
  explicit batches(long n) : left_(n) {}

  sheaf::coro<long> run() {
    next();
    co_await finished_.get_future();
    co_return count_;
  }

 private:
  static constexpr long batch = 1000;

  void next() {
    if (left_ == 0) return finished_.set_value();
    const long k = std::min(left_, batch);
    for (long i = 0; i < k; ++i) loop_.call_soon([this] { ++count_; });
    left_ -= k;
    loop_.call_soon([this] { next(); });
  }

  sheaf::loop& loop_ = sheaf::loop::current();
  sheaf::promise<> finished_;
  long left_;
  long count_ = 0;
};

}  // namespace

sheaf::coro<outcome> spawn_await(meter& m, long n, long) {
  co_await spawn_and_await(10'000);
  m.start();
  const long long check = co_await spawn_and_await(n);
  m.stop();
  co_return outcome{check, {}};
}

sheaf::coro<outcome> group_spawn(meter& m, long n, long reps) {
  long long sum = 0;
  co_await sheaf::task_group::run(spawn_into, std::min(n, 10'000L), std::ref(sum));
  sum = 0;
  m.start();
  for (long k = 0; k < reps; ++k) {
    co_await sheaf::task_group::run(spawn_into, n, std::ref(sum));
  }
  m.stop();
  co_return outcome{sum, {}};
}

sheaf::coro<outcome> await_chain(meter& m, long n, long reps) {
  long levels = 0;
  m.start();
  for (long k = 0; k < reps; ++k) levels = co_await descend(n);
  m.stop();
  co_return outcome{levels, {}};
}

sheaf::coro<outcome> call_soon(meter& m, long n, long) {
  batches warm_up(10'000), measured(n);
  co_await warm_up.run();
  m.start();
  const long count = co_await measured.run();
  m.stop();
  co_return outcome{count, {}};
}

sheaf::coro<outcome> timer_churn(meter& m, long n, long) {
  auto& loop = sheaf::loop::current();
  const auto never = [] { std::abort(); };
  long cancelled = 0;
  m.start();
  {
    std::vector<sheaf::runtime::timer_handle> live(10'000);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      auto& oldest = live[i % live.size()];
      if (i >= live.size()) {
        oldest.cancel();
        ++cancelled;
      }
      oldest = loop.call_later(time_limits[i % time_limits.size()], never);
      if (i % 1000 == 999) co_await sheaf::sleep(0s);
    }
    live.resize(std::min(live.size(), static_cast<std::size_t>(n)));
    for (auto& timer : live) {
      timer.cancel();
      ++cancelled;
    }
    co_await sheaf::sleep(0s);
  }
  m.stop();
  co_return outcome{cancelled, {}};
}

}  // namespace bench
