#include "workloads.hpp"

#include <sheaf/server.hpp>

#include <unistd.h>

#include <cstdio>
#include <memory>

namespace {

sheaf::coro<> echo(sheaf::stream s) {
  constexpr std::size_t size = 131'072;  // 64 KiB at a time cost 1.4 times as much CPU
  const std::unique_ptr<char[]> room(new char[size]);
  for (;;) {
    const std::size_t n = co_await s.read_some({room.get(), size});
    if (n == 0) co_return;
    co_await s.write(std::string_view(room.get(), n));
  }
}

}  // namespace

namespace bench {

sheaf::coro<> echo_server(long port) {
  ::alarm(120);
  sheaf::server s =
      co_await sheaf::start_server(echo, "127.0.0.1", static_cast<std::uint16_t>(port));
  std::printf("LISTENING %d\n", s.port());
  std::fflush(stdout);
  co_await s.serve_forever();
}

}  // namespace bench
