#include "support/catch.hpp"
#include "support/scratch_file.hpp"
#include "support/sockets.hpp"

#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/listener.hpp>
#include <sheaf/runtime/loop.hpp>

#include <filesystem>
#include <optional>
#include <type_traits>

using sheaf::runtime::address;
using sheaf::runtime::listen_options;
using sheaf::runtime::listener;
using sheaf::runtime::loop;

static_assert(std::is_nothrow_move_constructible_v<listener>);
static_assert(!std::is_copy_constructible_v<listener>);

namespace {

const address anywhere = address::ip("127.0.0.1", 0);

/// Takes one, and closes it.
bool take(listener& l) {
  std::error_code error;
  const auto c = l.accept(error);
  REQUIRE_FALSE(error);
  if (c) ::close(c->descriptor);
  return c.has_value();
}

}  // namespace

TEST_CASE("listener: tells when somebody waits, until they are taken",
          "[runtime][listener]") {
  loop l;
  listener made = listener::tcp(anywhere);
  listener moved = std::move(made);
  CHECK(moved.sockname().port() != 0);
  int told = 0;
  moved.listen(l, 8, [&] { ++told; });
  l.turn();
  CHECK(told == 0);
  CHECK_FALSE(take(moved));
  const test::raw_socket client;
  REQUIRE(client.connect(moved.sockname().port()));
  l.turn();
  l.turn();
  CHECK(told == 2);
  CHECK(take(moved));
  l.turn();
  CHECK(told == 2);
}

TEST_CASE(
    "listener: gives a descriptor that does not block, is not inherited, and its peer",
    "[runtime][listener]") {
  loop l;
  listener made = listener::tcp(anywhere);
  made.listen(l, 8, [] {});
  const test::raw_socket client;
  REQUIRE(client.connect(made.sockname().port()));
  std::error_code error;
  const auto c = made.accept(error);
  REQUIRE(c.has_value());
  const test::raw_socket server(c->descriptor);
  CHECK((::fcntl(server.fd(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(server.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(client.fd(), reinterpret_cast<sockaddr*>(&own), &size);
  CHECK(c->peer == address::from(reinterpret_cast<sockaddr*>(&own)));
}

TEST_CASE("listener: while it pauses who comes waits", "[runtime][listener]") {
  loop l;
  int told = 0;
  listener made = listener::tcp(anywhere);
  made.listen(l, 8, [&] {
    ++told;
    CHECK(take(made));
  });
  made.pause();
  made.pause();
  const test::raw_socket client;
  REQUIRE(client.connect(made.sockname().port()));
  l.turn();
  CHECK(told == 0);
  made.resume();
  made.resume();
  l.turn();
  CHECK(told == 1);
}

TEST_CASE("listener: may be destroyed in its own callback, and after its loop",
          "[runtime][listener]") {
  std::optional<listener> late(listener::tcp(anywhere));
  {
    loop l;
    late->listen(l, 8, [] {});
    std::optional<listener> made(listener::tcp(anywhere));
    const auto port = made->sockname().port();
    int told = 0;
    made->listen(l, 8, [&] {
      ++told;
      made.reset();
    });
    const test::raw_socket client;
    REQUIRE(client.connect(port));
    l.turn();
    l.turn();
    CHECK(told == 1);
    CHECK_FALSE(test::raw_socket().connect(port));
  }
  late->pause();
  CHECK_THROWS_AS(late->resume(), sheaf::invalid_state);
  late.reset();
}

TEST_CASE("listener: reuse_port shares a port, and nothing else does",
          "[runtime][listener]") {
  loop l;
  listen_options share;
  share.reuse_port(true);
  listener a = listener::tcp(anywhere, share);
  a.listen(l, 8, [] {});
  CHECK_NOTHROW(listener::tcp(a.sockname(), share));
  CHECK_THROWS_AS(listener::tcp(a.sockname()), sheaf::uv_error);
}

TEST_CASE("listener: a local socket's file is there as long as it is",
          "[runtime][listener]") {
  const test::scratch_file file("listener", ".sock");
  const std::string path = file.path();
  {
    listener made = listener::local(path);
    CHECK(made.is_local());
    CHECK(made.path() == path);
    const listener moved = std::move(made);
    CHECK(std::filesystem::is_socket(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}
