// sheaf inside a program that already has a uv_loop_t and runs it: coroutines beside its own
// handles, on its thread.
#include <sheaf/sheaf.hpp>

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

// The host's own code: a timer that ticks three times and closes itself.
void tick(uv_timer_t* timer) {
  auto& ticks = *static_cast<int*>(timer->data);
  std::cout << "host: tick " << ++ticks << '\n';
  if (ticks == 3) uv_close(reinterpret_cast<uv_handle_t*>(timer), nullptr);
}

sheaf::coro<int> count_to(int n) {
  co_await sheaf::sleep(unit);
  for (int i = 1; i <= n; ++i) {
    std::cout << "task: " << i << '\n';
    co_await sheaf::sleep(2 * unit);
  }
  co_return n;
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  const auto period = static_cast<std::uint64_t>(2 * unit.count());

  uv_loop_t host;
  uv_loop_init(&host);
  int ticks = 0;
  uv_timer_t timer;
  timer.data = &ticks;
  uv_timer_init(&host, &timer);
  uv_timer_start(&timer, tick, period, period);

  {
    sheaf::loop guest(&host, sheaf::borrowed);
    const auto task = guest.create_task(count_to(3));

    // The host runs its loop as ever; it returns when neither has anything left to do.
    uv_run(&host, UV_RUN_DEFAULT);
    std::cout << "task: counted to " << task.result() << '\n';
  }

  // libuv closes handles in a later turn: one more, and the loop is the host's alone.
  uv_run(&host, UV_RUN_DEFAULT);
  std::cout << (uv_loop_close(&host) == 0 ? "host: closed\n" : "host: still in use\n");
}
