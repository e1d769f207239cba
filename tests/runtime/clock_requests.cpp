#include <sheaf/runtime/loop.hpp>

#include <uv.h>

#include <atomic>
#include <thread>

#include "support/catch.hpp"
#include "support/event_log.hpp"

using namespace std::chrono_literals;
using test::event_log;

// Alone in its program: it starts the threads of libuv's pool, which up to libuv 1.49 cannot
// be told from those that might call into a loop, so that no loop ends by itself any more.
TEST_CASE("clock: virtual time stands while a request is in flight",
          "[runtime][clock_requests]") {
  struct job {
    event_log log;
    std::atomic<bool> go{false};
    uv_work_t request;
  } j;
  j.request.data = &j;
  sheaf::runtime::loop l{sheaf::runtime::clock_kind::virtual_};
  uv_queue_work(
      l.uv(), &j.request,
      [](uv_work_t* r) {
        while (!static_cast<job*>(r->data)->go) std::this_thread::yield();
      },
      [](uv_work_t* r, int) { static_cast<job*>(r->data)->log.push_back("work"); });
  l.call_later(1h, [&] { j.log.push_back("an hour later"); });
  for (int i = 0; i < 5; ++i) CHECK(l.turn());
  CHECK(j.log.empty());
  j.go = true;
  while (j.log.size() < 2) l.turn();
  CHECK(j.log == event_log{"work", "an hour later"});
}
