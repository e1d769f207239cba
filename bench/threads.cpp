// Calls from another thread, and calls on other threads.
#include "workloads.hpp"

#include <sheaf/sheaf.hpp>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

namespace bench {
namespace {

long itself(long i) { return i; }

/// What the calls from the other thread are for.
struct receiver {
  long expected;
  long count = 0;
  sheaf::promise<> finished{};

  void arrive() {
    if (++count == expected) finished.set_value();
  }
};

/// One of those who take the next number, send it through a thread and add it up.
sheaf::coro<long long> offloader(long& next, long n) {
  long long sum = 0;
  while (next < n) sum += co_await sheaf::to_thread(itself, next++);
  co_return sum;
}

}  // namespace

sheaf::coro<outcome> post_threadsafe(meter& m, long n, long) {
  auto& loop = sheaf::loop::current();
  receiver to{n};
  m.start();
  // With its own copies: a line that the callback writes would be passed to and fro.
  std::thread poster([&loop, n, arrive = [&to] { to.arrive(); }] {
    for (long i = 0; i < n; ++i) loop.call_soon_threadsafe(arrive);
  });
  co_await to.finished.get_future();
  poster.join();
  m.stop();
  co_return outcome{to.count, {}};
}

sheaf::coro<outcome> offload(meter& m, long n, long) {
  constexpr long in_flight = 256;
  sheaf::loop::current().tasks().set_threads(2);
  long next = 0;
  long long sum = 0;
  m.start();
  std::vector<sheaf::coro<long long>> workers;
  for (long k = 0; k < in_flight; ++k) workers.push_back(offloader(next, n));
  for (const long long part : co_await sheaf::gather(std::move(workers))) sum += part;
  m.stop();
  co_return outcome{sum, {}};
}

}  // namespace bench
