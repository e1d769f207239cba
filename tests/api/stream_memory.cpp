#include "support/catch.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/server.hpp>

#include <malloc.h>
#include <sys/resource.h>
#include <uv.h>

#include <cstddef>
#include <vector>

using namespace sheaf;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool counts_memory = false;
#elif defined(__has_feature)
constexpr bool counts_memory = !__has_feature(address_sanitizer);
#else
constexpr bool counts_memory = true;
#endif

coro<> wait_for_a_line(stream s) { static_cast<void>(co_await s.readline()); }

std::size_t allocated() {
  const struct mallinfo2 m = ::mallinfo2();
  return m.uordblks + m.hblkhd;
}

int connected_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

/// Connects `n` times, and waits until each connection waits for its line.
coro<> connect_all(server& s, std::vector<int>& all, std::size_t n) {
  while (all.size() < n) {
    all.push_back(connected_to(s.port()));
    while (s.connections() < all.size()) co_await test::turns(1);
  }
  co_await test::turns(5);
}

}  // namespace

TEST_CASE("stream: a connection at rest costs at most 1.5 KiB above libuv's handle",
          "[api][stream]") {
  if (!counts_memory) SKIP("the address sanitizer counts memory otherwise");
  test::on_polling_loop([]() -> coro<> {
    server s = co_await start_server(wait_for_a_line, "127.0.0.1", 0);
    std::vector<int> all;
    all.reserve(1000);
    co_await connect_all(s, all, 50);  // what comes once is there from here on
    const std::size_t before = allocated();
    co_await connect_all(s, all, 350);
    const std::size_t each = (allocated() - before) / 300;
    CAPTURE(each);
    CHECK(each <= 1536 + sizeof(uv_tcp_t));
    for (const int fd : all) ::close(fd);
    while (s.connections() != 0) co_await test::turns(1);
  });
}
