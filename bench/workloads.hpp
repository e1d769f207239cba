#pragma once

#include "clock.hpp"

#include <sheaf/coro.hpp>

#include <string>

// Each does `n` operations, `reps` times over where that is said, on the loop that runs it,
// starts and stops the meter around the work alone and gives its checksum.

namespace bench {

struct outcome {
  long long check = 0;
  std::string more;  // further keys of the line, each with a comma ahead
};

using workload = sheaf::coro<outcome> (*)(meter&, long n, long reps);

// combinators.cpp
sheaf::coro<outcome> gather_ready(meter&, long n, long reps);
sheaf::coro<outcome> gather_done(meter&, long n, long reps);
sheaf::coro<outcome> gather_sleep(meter&, long n, long reps);
sheaf::coro<outcome> as_completed(meter&, long n, long reps);
sheaf::coro<outcome> wait_first(meter&, long n, long reps);
sheaf::coro<outcome> wait_seq(meter&, long n, long reps);
sheaf::coro<outcome> cancel_all(meter&, long n, long reps);

// scheduling.cpp
sheaf::coro<outcome> spawn_await(meter&, long n, long reps);
sheaf::coro<outcome> group_spawn(meter&, long n, long reps);
sheaf::coro<outcome> await_chain(meter&, long n, long reps);
sheaf::coro<outcome> call_soon(meter&, long n, long reps);
sheaf::coro<outcome> timer_churn(meter&, long n, long reps);

// threads.cpp
sheaf::coro<outcome> offload(meter&, long n, long reps);
sheaf::coro<outcome> post_threadsafe(meter&, long n, long reps);

// queues.cpp
sheaf::coro<outcome> queue_ping(meter&, long n, long reps);
// echo.cpp: serves until it is killed, two minutes at most; 0 picks a port, which it prints.
sheaf::coro<> echo_server(long port);

// connections.cpp: prints what it found; 0 if every byte came back and every connection ended.
int connections(long idle, long active, long rounds);

}  // namespace bench
