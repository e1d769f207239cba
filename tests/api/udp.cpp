#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut_io.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/udp_socket.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::said;

static_assert(!std::is_copy_constructible_v<udp_socket>);

namespace {

const address anywhere = address::ip("127.0.0.1", 0);

udp_socket bound() {
  udp_socket s;
  s.bind(anywhere);
  return s;
}

/// Both ends of a connection of datagrams inside the system, whose buffers are small: a
/// sender has to wait, which over a loopback device none ever has.
std::pair<int, int> narrow_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {ends[0], ends[1]};
}

}  // namespace

TEST_CASE("udp: each datagram is received whole, with its sender (STREAM-35)",
          "[api][udp][STREAM-35]") {
  run([]() -> coro<> {
    udp_socket a = bound();
    udp_socket b = bound();
    co_await a.send_to("one", b.local_address());
    co_await a.send_to("", b.local_address());
    co_await a.send_to(std::string(60'000, 'x'), b.local_address());
    const datagram one = co_await b.receive();
    CHECK(one.bytes == "one");
    CHECK(one.sender == a.local_address());
    CHECK_FALSE(one.truncated);
    const datagram none = co_await b.receive();
    CHECK(none.bytes.empty());
    CHECK(none.sender == a.local_address());
    const datagram large = co_await b.receive();
    CHECK(large.bytes == std::string(60'000, 'x'));
  }());
}

TEST_CASE("udp: over IPv6", "[api][udp]") {
  run([]() -> coro<> {
    udp_socket a;
    udp_socket b;
    try {
      a.bind(address::ip("::1", 0));
      b.bind(address::ip("::1", 0));
    } catch (const uv_error& e) {
      WARN("no IPv6 here: skipped");
      co_return;
    }
    co_await a.send_to("six", b.local_address());
    const datagram d = co_await b.receive();
    CHECK(d.bytes == "six");
    CHECK(d.sender == a.local_address());
  }());
}

TEST_CASE(
    "udp: a connected one sends to its address alone, and to another is an argument "
    "error (STREAM-35)",
    "[api][udp][STREAM-35]") {
  run([]() -> coro<> {
    udp_socket a = bound();
    udp_socket b = bound();
    udp_socket c = bound();
    a.connect(b.local_address());
    CHECK(a.remote_address() == b.local_address());
    co_await a.send("by connect");
    co_await a.send_to("named", b.local_address());
    const auto wrong = co_await as_outcome(a.send_to("x", c.local_address()));
    CHECK(said(wrong.error()).find("the socket is connected to 127.0.0.1") !=
          std::string::npos);
    CHECK_THROWS_AS(static_cast<void>(a.try_send_to("x", c.local_address())),
                    std::invalid_argument);
    const datagram first = co_await b.receive();
    CHECK(first.bytes == "by connect");
    const datagram second = co_await b.receive();
    CHECK(second.bytes == "named");

    // It receives from there alone.
    co_await c.send_to("stranger", a.local_address());
    co_await b.send_to("friend", a.local_address());
    const datagram got = co_await a.receive();
    CHECK(got.bytes == "friend");

    a.disconnect();
    co_await a.send_to("free", c.local_address());
    const datagram free = co_await c.receive();
    CHECK(free.bytes == "free");
    const auto nowhere = co_await as_outcome(a.send("x"));
    CHECK(said(nowhere.error()).find("EDESTADDRREQ") != std::string::npos);
  }());
}

TEST_CASE(
    "udp: errors of sending come out of a send or a receive, and it goes on "
    "(STREAM-35)",
    "[api][udp][STREAM-35]") {
  run([]() -> coro<> {
    udp_socket a = bound();
    const auto large =
        co_await as_outcome(a.send_to(std::string(70'000, 'x'), a.local_address()));
    CHECK(said(large.error()).find("EMSGSIZE") != std::string::npos);

    std::optional<udp_socket> gone(bound());
    const address nobody = gone->local_address();
    gone.reset();
    co_await sleep(0ms);
    a.connect(nobody);
    co_await a.send("anybody there?");
    const auto how = co_await as_outcome(a.receive());
    CHECK(said(how.error()).find("ECONNREFUSED") != std::string::npos);

    udp_socket b = bound();
    a.disconnect();
    a.connect(b.local_address());
    co_await b.send_to("later", a.local_address());
    const datagram d = co_await a.receive();
    CHECK(d.bytes == "later");
  }());
}

TEST_CASE("udp: a burst is read ahead as far as 32, the rest waits in the kernel",
          "[api][udp]") {
  run([]() -> coro<> {
    const auto [mine, theirs] = narrow_pair();
    udp_socket s = udp_socket::adopt(mine);
    ::fcntl(theirs, F_SETFL, O_NONBLOCK);
    const auto t = create_task(s.receive());
    co_await sleep(0ms);
    // As many as the kernel takes, turn after turn, until it takes no more.
    int sent = 0;
    for (int quiet = 0; quiet < 20;) {
      REQUIRE(sent < 2'000);
      const std::string text = std::to_string(sent);
      if (::send(theirs, text.data(), text.size(), 0) > 0) {
        ++sent;
        quiet = 0;
      } else {
        ++quiet;
        co_await sleep(0ms);
      }
    }
    CHECK(sent > 33);
    const datagram first = co_await t;
    CHECK(first.bytes == "0");
    for (int i = 1; i < sent; ++i) {
      const datagram d = co_await s.receive();
      CHECK(d.bytes == std::to_string(i));
    }
    ::close(theirs);
  }());
}

TEST_CASE("udp: a datagram of more than 64 KiB says that it is cut off", "[api][udp]") {
  run([]() -> coro<> {
    const auto [mine, theirs] = narrow_pair();
    udp_socket s = udp_socket::adopt(mine);
    const std::string text(70'000, 'x');
    REQUIRE(::send(theirs, text.data(), text.size(), 0) == 70'000);
    const datagram d = co_await s.receive();
    CHECK(d.truncated);
    CHECK(d.bytes == text.substr(0, 65'536));
    ::close(theirs);
  }());
}

TEST_CASE("udp: a send that the system does not take waits for it, in order",
          "[api][udp]") {
  run([]() -> coro<> {
    const auto [mine, theirs] = narrow_pair();
    udp_socket s = udp_socket::adopt(mine);
    int sent = 0;
    while (s.try_send(std::to_string(sent))) ++sent;
    const auto a = create_task(s.send("a"));
    const auto b = create_task(s.send("b"));
    co_await sleep(0ms);
    co_await sleep(0ms);
    CHECK_FALSE(a.done());
    CHECK_FALSE(b.done());
    std::string came;
    std::array<char, 100> room{};
    const auto take = [&, fd = theirs] {
      const ssize_t n = ::recv(fd, room.data(), room.size(), 0);
      came = std::string(room.data(), static_cast<std::size_t>(n));
    };
    for (int i = 0; i < sent; ++i) {
      take();
      CHECK(came == std::to_string(i));
    }
    co_await a;
    co_await b;
    take();
    CHECK(came == "a");
    take();
    CHECK(came == "b");
    ::close(theirs);
  }());
}

TEST_CASE("udp: cancelled, a receive has taken nothing: total (STREAM-36)",
          "[api][udp][STREAM-36]") {
  run([]() -> coro<> {
    udp_socket a = bound();
    udp_socket b = bound();
    const auto t = create_task(b.receive());
    co_await sleep(0ms);
    const auto second = co_await as_outcome(b.receive());
    CHECK(said(second.error()).find("another task waits") != std::string::npos);
    CHECK(t.cancel());
    co_await a.send_to("kept", b.local_address());
    const auto how = co_await as_outcome(t);
    CHECK(how.is_cancelled());
    const datagram d = co_await b.receive();
    CHECK(d.bytes == "kept");
  }());
}

TEST_CASE(
    "udp: cancelled, a send that waits is sent all the same, and the next await is "
    "cancelled: total",
    "[api][udp]") {
  run([]() -> coro<> {
    const auto [mine, theirs] = narrow_pair();
    udp_socket s = udp_socket::adopt(mine);
    int sent = 0;
    while (s.try_send("x")) ++sent;
    std::string log;
    const auto body = [](udp_socket& by, std::string& to) -> coro<> {
      try {
        co_await by.send("last");
        to += "sent ";
        co_await sleep(0ms);
      } catch (const cancelled&) {
        to += "cancelled";
        throw;
      }
    };
    const auto t = create_task(body(s, log));
    co_await sleep(0ms);
    CHECK(t.cancel());
    co_await sleep(0ms);
    CHECK_FALSE(t.done());
    std::array<char, 10> room{};
    for (int i = 0; i < sent; ++i) ::recv(theirs, room.data(), room.size(), 0);
    const auto how = co_await as_outcome(t);
    CHECK(how.is_cancelled());
    CHECK(log == "sent cancelled");
    const ssize_t n = ::recv(theirs, room.data(), room.size(), 0);
    CHECK(std::string(room.data(), static_cast<std::size_t>(n)) == "last");
    ::close(theirs);
  }());
}

TEST_CASE("udp: closed, it ends who waits with ECANCELED, and refuses the rest",
          "[api][udp]") {
  run([]() -> coro<> {
    const auto [mine, theirs] = narrow_pair();
    udp_socket s = udp_socket::adopt(mine);
    while (s.try_send("x")) {
    }
    const auto in = create_task(s.receive());
    const auto out = create_task(s.send("y"));
    co_await sleep(0ms);
    co_await sleep(0ms);
    s.close();
    CHECK_FALSE(s.is_open());
    const auto a = co_await as_outcome(in);
    CHECK(said(a.error()).find("ECANCELED") != std::string::npos);
    const auto b = co_await as_outcome(out);
    CHECK(said(b.error()).find("ECANCELED") != std::string::npos);
    s.close();
    CHECK_THROWS_AS(s.local_address(), invalid_state);
    const auto c = co_await as_outcome(s.receive());
    CHECK(said(c.error()) == "udp_socket::receive: the socket is closed");
    const udp_socket moved = std::move(s);
    ::close(theirs);
  }());
}

TEST_CASE("udp: an address in use, and one that is not here, are refused", "[api][udp]") {
  run([]() -> coro<> {
    udp_socket a = bound();
    udp_socket b;
    try {
      b.bind(a.local_address());
      CHECK(false);
    } catch (const uv_error& e) {
      CHECK(e.code() == std::errc::address_in_use);
    }
    udp_socket c;
    CHECK_THROWS_AS(c.bind(address::ip("203.0.113.1", 0)), uv_error);
    co_return;
  }());
}

TEST_CASE("udp: a group on the loopback card", "[api][udp]") {
  run([]() -> coro<> {
    udp_socket member;
    member.bind(address::ip("0.0.0.0", 0), udp_bind::reuse_address);
    try {
      member.join("239.1.2.3", "127.0.0.1");
    } catch (const uv_error& e) {
      WARN("no multicast here: skipped");
      co_return;
    }
    udp_socket sender = bound();
    sender.set_multicast_interface("127.0.0.1");
    sender.set_multicast_ttl(1);
    sender.set_multicast_loop(true);
    const address group = address::ip("239.1.2.3", member.local_address().port());
    const auto sent = co_await as_outcome(sender.send_to("all", group));
    if (!sent) {
      WARN("no way to a group here: skipped");
      co_return;
    }
    const datagram d = co_await member.receive();
    CHECK(d.bytes == "all");
    member.leave("239.1.2.3", "127.0.0.1");
    co_await sender.send_to("nobody", group);
    co_await sender.send_to("one", address::ip("127.0.0.1", group.port()));
    const datagram next = co_await member.receive();
    CHECK(next.bytes == "one");
    CHECK_THROWS_AS(member.join("not a group"), uv_error);
  }());
}

TEST_CASE("udp: broadcasts have to be asked for", "[api][udp]") {
  run([]() -> coro<> {
    udp_socket s;
    s.bind(address::ip("0.0.0.0", 0));
    const address all = address::ip("255.255.255.255", 9);
    const auto how = co_await as_outcome(s.send_to("x", all));
    REQUIRE_FALSE(how.has_value());
    CHECK(said(how.error()).find("EACCES") != std::string::npos);
    s.set_broadcast(true);
    const auto now = co_await as_outcome(s.send_to("x", all));
    if (!now) CHECK(said(now.error()).find("EACCES") == std::string::npos);
    s.set_ttl(1);
    s.set_recv_buffer_size(8'192);
    CHECK(s.recv_buffer_size() >= 8'192);
    s.set_send_buffer_size(8'192);
    CHECK(s.send_buffer_size() >= 8'192);
    CHECK(s.fileno() >= 0);
  }());
}

TEST_CASE("udp: a socket that nobody waits at does not keep virtual time from jumping",
          "[api][udp]") {
  test::virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    udp_socket s = bound();
    co_await sleep(1h);
    const auto t = create_task(s.receive());
    co_await sleep(0ms);
    t.cancel();
    co_await sleep(1h);
  }());
  CHECK(l.elapsed_ms() == 7'200'000);
}

TEST_CASE("udp: cut anywhere", "[api][udp]") {
  test::cut::io_everywhere([](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const auto [mine, theirs] = narrow_pair();
    udp_socket a = udp_socket::adopt(mine);
    udp_socket b = udp_socket::adopt(theirs);
    while (a.try_send("x")) {
    }
    const auto t = create_task(a.send("y"));
    co_await sleep(0ms);
    std::string last;
    while (last != "y") {
      const datagram d = co_await b.receive();
      last = d.bytes;
    }
    co_await t;
  });
}
