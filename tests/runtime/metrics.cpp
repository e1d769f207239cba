#include <sheaf/runtime/metrics.hpp>

#include <sheaf/runtime/configure.hpp>
#include <sheaf/runtime/idle.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/timer.hpp>

#include <uv.h>

#include "support/catch.hpp"
#include "support/host.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;

TEST_CASE("metrics: the time that a loop has waited, once it is asked to count",
          "[runtime][metrics]") {
  const auto idle_of = [](bool counted) {
    loop l;
    if (counted) configure(l, loop_option::metrics_idle_time);
    timer t(l, [] {});
    t.start(2ms);
    l.run_forever();
    const auto idle = idle_time(l);
    l.close();
    CHECK(idle_time(l) == 0ns);
    return idle;
  };
  CHECK(idle_of(true) > 0ns);
  CHECK(idle_of(false) == 0ns);
}

TEST_CASE("metrics: what libuv counts, where it does", "[runtime][metrics]") {
  loop l;
  idle busy(l, [] {});  // libuv does not turn a loop that has nothing
  busy.start();
  for (int i = 0; i < 3; ++i) l.turn();
  const auto m = metrics_info(l);
#if UV_VERSION_HEX >= ((1 << 16) | (45 << 8))
  REQUIRE(m);
  CHECK(m->turns >= 3);
#else
  CHECK_FALSE(m);
#endif
  l.close();
  CHECK_FALSE(metrics_info(l));
}

TEST_CASE("configure: what libuv has; a borrowed loop is its host's",
          "[runtime][metrics]") {
  loop l;
  configure(l, loop_option::block_sigprof);
#if UV_VERSION_HEX < ((1 << 16) | (49 << 8))
  try {
    configure(l, loop_option::use_io_uring_sqpoll);
    FAIL("it must throw");
  } catch (const sheaf::uv_error& e) {
    CHECK(e.name() == "ENOSYS");
  }
#endif
  test::host host;
  {
    loop borrowed(host.get(), sheaf::borrowed);
    CHECK_THROWS_AS(configure(borrowed, loop_option::block_sigprof),
                    sheaf::invalid_state);
  }
  l.close();
  CHECK_THROWS_AS(configure(l, loop_option::block_sigprof), sheaf::invalid_state);
}
