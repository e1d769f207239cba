// Tasks that hand each other items.
#include "workloads.hpp"

#include <sheaf/sheaf.hpp>

namespace bench {
namespace {

sheaf::coro<> pong(sheaf::queue<long>& in, sheaf::queue<long>& out) {
  for (;;) {
    const long v = co_await in.get();
    if (v < 0) co_return;
    co_await out.put(v + 1);
  }
}

}  // namespace

sheaf::coro<outcome> queue_ping(meter& m, long n, long) {
  sheaf::queue<long> to(0), from(0);
  const auto other = sheaf::create_task(pong(to, from));
  long long sum = 0;
  long v = 0;
  m.start();
  for (long i = 0; i < n; ++i) {
    co_await to.put(v);
    v = co_await from.get();
    sum += v;
  }
  co_await to.put(-1);
  co_await other;
  m.stop();
  co_return outcome{sum, {}};
}

}  // namespace bench
