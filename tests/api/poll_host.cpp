#include <sheaf/loop.hpp>

#include "support/catch.hpp"
#include "support/descriptors.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/server.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/to_thread.hpp>

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#ifdef __linux__

using namespace sheaf;
using namespace std::chrono_literals;

namespace {

coro<> echo(stream s) {
  for (;;) {
    const std::string line = co_await s.readline();
    if (line.empty()) co_return;
    co_await s.write(line);
  }
}

coro<std::string> ask(std::uint16_t port, std::string text) {
  stream s = co_await open_connection("127.0.0.1", port);
  co_await s.write(text);
  co_return co_await s.readline();
}

coro<std::string> serve_and_ask() {
  server at = co_await start_server(echo, "127.0.0.1", 0);
  const auto port = at.port();
  const auto [a, b] = co_await gather(ask(port, "one\n"), ask(port, "two\n"));
  co_await sleep(3ms);
  const int six = co_await to_thread([](int n) { return n * 2; }, 3);
  at.close();
  co_await at.wait_closed();
  co_return a + b + std::to_string(six);
}

}  // namespace

TEST_CASE("poll_fd: streams, timers and threads under a plain poll(2)",
          "[api][poll_fd]") {
  {
    const loop first;
  }  // with it libuv makes what it keeps for signals
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    const auto t = l.create_task(serve_and_ask());
    int ticks = 0;  // the host's own business beside it
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], "xyz", 3) == 3);
    while (!t.done()) {
      pollfd both[] = {{l.poll_fd(), POLLIN, 0}, {ends[0], POLLIN, 0}};
      REQUIRE(::poll(both, ticks < 3 ? 2 : 1, 20'000) > 0);
      if (both[0].revents) l.run_ready();
      char c;
      if (both[1].revents && ticks < 3) ticks += ::read(ends[0], &c, 1) == 1;
    }
    CHECK(t.result() == "one\ntwo\n6");
    CHECK(ticks == 3);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("poll_fd: it shows what the host's other ways to run the loop have left",
          "[api][poll_fd]") {
  const auto forever = [](loop& l) { l.run_forever(); };
  const auto turns = [](loop& l) {
    for (int i = 0; i < 3; ++i) l.turn();
  };
  for (const auto& runs : std::vector<std::function<void(loop&)>>{forever, turns}) {
    loop l;
    pollfd at{l.poll_fd(), POLLIN, 0};
    l.run_ready();
    REQUIRE(::poll(&at, 1, 0) == 0);
    bool ran = false;
    l.call_soon_threadsafe([&] {
      l.call_later(1ms, [&ran] { ran = true; });
      l.call_soon([&l] { l.stop(); });
    });
    runs(l);
    while (!ran) {
      REQUIRE(::poll(&at, 1, 20'000) > 0);
      l.run_ready();
    }
  }
}

#endif
