#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/runtime/udp.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <uv.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/disposition.hpp"
#include "support/event_log.hpp"
#include "support/sockets.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::event_log;

namespace {

/// Two connected sockets of one loop, and the listener they met at.
struct connected {
  connected() {
    listener.bind(address::ip("127.0.0.1", 0));
    listener.listen(8, [this](std::error_code e) {
      REQUIRE_FALSE(e);
      listener.accept(server);
      ++ready;
    });
    client.connect(listener.sockname(), [this](std::error_code e) {
      REQUIRE_FALSE(e);
      ++ready;
    });
    until([this] { return ready == 2; });
  }
  template <class F>
  void until(F done) {
    while (!done()) REQUIRE(l.turn());
  }

  loop l;
  tcp listener{l};
  tcp server{l};
  tcp client{l};
  int ready = 0;
};

/// Collects what a stream reads until its end.
struct collector {
  void of(stream& s) {
    s.read_start([this](std::string_view bytes, std::error_code e) {
      text += bytes;
      if (e) end = e;
    });
  }
  std::string text;
  std::error_code end;
};

}  // namespace

TEST_CASE("tcp: what is written arrives, in order, then the end", "[runtime][streams]") {
  connected c;
  collector got;
  got.of(c.server);
  event_log log;
  c.client.write("one ", [&](std::error_code e) { log.push_back(e ? "failed" : "one"); });
  c.client.write("two", [&](std::error_code e) { log.push_back(e ? "failed" : "two"); });
  c.client.shutdown([&](std::error_code e) { log.push_back(e ? "failed" : "end"); });
  CHECK(log.empty());  // never from inside the call
  c.until([&] { return bool(got.end); });
  CHECK(got.text == "one two");
  CHECK(got.end == end_of_file());
  c.until([&] { return log.size() == 3; });
  CHECK(log == event_log{"one", "two", "end"});
  CHECK(c.client.peername() == c.listener.sockname());
  CHECK(c.client.sockname() == c.server.peername());
}

TEST_CASE("stream: reads into a buffer of the caller's", "[runtime][streams]") {
  connected c;
  char room[4];
  std::vector<std::string> pieces;
  c.server.read_start(
      [&] { return std::span(room); },
      [&](std::string_view bytes, std::error_code) { pieces.emplace_back(bytes); });
  c.client.write("abcdefgh");
  c.until([&] { return pieces.size() == 2; });
  CHECK(pieces == std::vector<std::string>{"abcd", "efgh"});
}

TEST_CASE("stream: a callback may stop the reading, start another, or destroy the stream",
          "[runtime][streams]") {
  connected c;
  event_log log;
  c.server.read_start([&](std::string_view first, std::error_code) {
    log.push_back("first " + std::string(first));
    c.server.read_stop();
    c.server.read_start([&](std::string_view second, std::error_code) {
      log.push_back("second " + std::string(second));
      const tcp dies = std::move(c.server);
    });
    c.client.write("b");
  });
  c.client.write("a");
  c.until([&] { return log.size() == 2; });
  CHECK(log == event_log{"first a", "second b"});
}

TEST_CASE("stream: one that is destroyed calls nothing, writes in flight included",
          "[runtime][streams][R7]") {
  connected c;
  int called = 0;
  std::optional<tcp> doomed(std::move(c.client));
  doomed->write(std::string(10'000'000, 'x'), [&](std::error_code) { ++called; });
  doomed->read_start([&](std::string_view, std::error_code) { ++called; });
  CHECK(doomed->write_queue_size() > 0);
  doomed.reset();
  for (int i = 0; i < 5; ++i) c.l.turn();
  CHECK(called == 0);
}

TEST_CASE("stream: try_write() sends what goes at once, and says when nothing does",
          "[runtime][streams]") {
  connected c;
  CHECK(c.client.try_write("hello") == 5);
  const std::string much(1'000'000, 'x');
  std::size_t sent = 0;
  while (const std::size_t n = c.client.try_write(much)) sent += n;
  CHECK(sent > 0);
  collector got;
  got.of(c.server);
  c.until([&] { return got.text.size() == sent + 5; });
}

TEST_CASE("stream: try_write() passes nothing by that is queued, nor the end",
          "[runtime][streams]") {
  connected c;
  const std::string much(10'000'000, 'x');
  c.client.write(much);
  REQUIRE(c.client.write_queue_size() > 0);
  CHECK(c.client.try_write("too early") == 0);
  collector got;
  got.of(c.server);
  c.until([&] { return c.client.write_queue_size() == 0; });
  CHECK(c.client.try_write("now") == 3);
  c.client.shutdown();
  std::error_code e;
  CHECK(c.client.try_write("too late", e) == 0);
  CHECK(e == std::errc::broken_pipe);
  c.until([&] { return bool(got.end); });
  CHECK(got.text == much + "now");
}

TEST_CASE("stream: try_write() before there is a connection sends nothing",
          "[runtime][streams]") {
  connected c;
  tcp early(c.l);
  std::error_code e;
  CHECK(early.try_write("x", e) == 0);
  CHECK(e);
}

TEST_CASE("stream: try_write() while it connects leaves the error to the callback",
          "[runtime][streams]") {
  loop l;
  tcp nobody(l);
  std::optional<std::error_code> told;
  nobody.connect(address::ip("127.0.0.1", test::free_port()),
                 [&](std::error_code e) { told = e; });
  std::error_code e;
  CHECK(nobody.try_write("x", e) == 0);
  CHECK_FALSE(e);
  while (!told) l.turn();
  CHECK(*told == std::errc::connection_refused);
}

#ifdef __linux__
TEST_CASE("stream: try_write() to a peer that has gone raises no signal",
          "[runtime][streams]") {
  static int signals = 0;
  const test::disposition counts(SIGPIPE, [](int) { ++signals; });
  connected c;
  c.server.close_reset();
  std::error_code e;
  while (e != std::errc::broken_pipe) c.client.try_write("x", e);
  CHECK(signals == 0);
}
#endif

TEST_CASE("tcp: a reset comes out as ECONNRESET", "[runtime][streams]") {
  connected c;
  collector got;
  got.of(c.server);
  c.client.close_reset();
  c.until([&] { return bool(got.end); });
  CHECK(got.end == std::errc::connection_reset);
}

TEST_CASE("tcp: what cannot be is a uv_error", "[runtime][streams]") {
  connected c;
  tcp other(c.l);
  CHECK_THROWS_AS(other.shutdown(), sheaf::uv_error);
  CHECK_THROWS_AS(other.peername(), sheaf::uv_error);
  CHECK_THROWS_AS(address::ip("no address", 1), sheaf::uv_error);
  CHECK_THROWS_AS(c.listener.accept(other), sheaf::uv_error);
  std::error_code refused;
  tcp third(c.l);
  const address nobody = [&] {
    tcp gone(c.l);
    gone.bind(address::ip("127.0.0.1", 0));
    return gone.sockname();
  }();
  c.l.turn();
  third.connect(nobody, [&](std::error_code e) { refused = e; });
  c.until([&] { return bool(refused); });
  CHECK(refused == std::errc::connection_refused);
}

TEST_CASE("tcp: two listeners share a port with reuse_port", "[runtime][streams]") {
  loop l;
  tcp first(l);
  tcp second(l);
  first.bind(address::ip("127.0.0.1", 0), tcp_bind::reuse_port);
  second.bind(first.sockname(), tcp_bind::reuse_port);
  first.listen(1, [](std::error_code) {});
  second.listen(1, [](std::error_code) {});
  CHECK(first.sockname() == second.sockname());
}

TEST_CASE("tcp: sockets that share a port are told apart from those that do not",
          "[runtime][streams]") {
  loop l;
  tcp first(l);
  tcp second(l);
  first.bind(address::ip("127.0.0.1", 0), tcp_bind::reuse_port);
  first.listen(1, [](std::error_code) {});
  const auto listens = [&] {
    second.bind(first.sockname());
    second.listen(1, [](std::error_code) {});
  };
  CHECK_THROWS_AS(listens(), sheaf::uv_error);
}

TEST_CASE("tcp: with a socket from the start, to set options on", "[runtime][streams]") {
  loop l;
  tcp without(l);
  CHECK_THROWS_AS(static_cast<void>(without.fileno()), sheaf::uv_error);
  CHECK_THROWS_AS(without.set_send_buffer_size(4096), sheaf::uv_error);
  tcp with(l, address_family::ipv6);
  CHECK(with.fileno() >= 0);
  with.set_send_buffer_size(65'536);
  with.set_recv_buffer_size(65'536);
  CHECK(with.send_buffer_size() >= 65'536);
  CHECK(with.recv_buffer_size() >= 65'536);
  with.nodelay(true);
  with.simultaneous_accepts(true);
}

TEST_CASE("tcp: keepalive, in all its numbers", "[runtime][streams]") {
  loop l;
  tcp t(l, address_family::ipv4);
  t.keepalive(40s, 5s, 3);
  const auto option = [&](int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    CHECK(::getsockopt(t.fileno(), level, name, &value, &size) == 0);
    return value;
  };
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 40);
  CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 5);
  CHECK(option(IPPROTO_TCP, TCP_KEEPCNT) == 3);
  t.keepalive(false);
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 0);
  CHECK_THROWS_AS(t.keepalive(true, 0s), sheaf::uv_error);
  CHECK_THROWS_AS(t.keepalive(true, -1s), sheaf::uv_error);
  CHECK_THROWS_AS(t.keepalive(1s, 1s, 0), sheaf::uv_error);
  tcp without(l);
  without.keepalive(true);  // for later
  CHECK_THROWS_AS(without.keepalive(1s, 1s, 1), sheaf::uv_error);
}

TEST_CASE("tcp: a reset that cannot be leaves it open, and one that was made closed",
          "[runtime][streams]") {
  connected c;
  tcp none(c.l);
  CHECK_THROWS_AS(none.close_reset(), sheaf::uv_error);
  none.bind(address::ip("127.0.0.1", 0));  // it lives
  c.client.shutdown();
  CHECK_THROWS_AS(c.client.close_reset(), sheaf::uv_error);
  int called = 0;
  c.server.read_start([&](std::string_view, std::error_code) { ++called; });
  c.server.close_reset();
  CHECK_THROWS_AS(c.server.nodelay(true), sheaf::invalid_state);
  CHECK_THROWS_AS(c.server.close_reset(), sheaf::invalid_state);
  CHECK_FALSE(c.server.active());
  for (int i = 0; i < 3; ++i) c.l.turn();
  CHECK(called == 0);
}

TEST_CASE("tcp: an error tells the address", "[runtime][streams]") {
  connected c;
  tcp again(c.l);
  const auto what = [](auto f) -> std::string {
    try {
      f();
    } catch (const sheaf::uv_error& e) {
      return e.operation() + ' ' + e.path() + ' ' + e.name();
    }
    return "nothing";
  };
  const address there = c.listener.sockname();
  CHECK(what([&] { c.listener.connect(there, [](std::error_code) {}); }) ==
        "uv_tcp_connect " + there.to_string() + " EISCONN");
  CHECK(what([&] { again.bind(address::ip("192.0.2.1", 1)); }) ==
        "uv_tcp_bind 192.0.2.1:1 EADDRNOTAVAIL");
}

TEST_CASE("streams: a loop that is closed takes no more of them, and lets go of those",
          "[runtime][streams][LOOP-28]") {
  connected c;
  udp u(c.l);
  c.l.close();
  CHECK_THROWS_AS(tcp(c.l), sheaf::invalid_state);
  CHECK_THROWS_AS(udp(c.l), sheaf::invalid_state);
  CHECK_THROWS_AS(sheaf::runtime::pipe(c.l), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.write("x"), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.write_borrowed("x", nullptr), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.shutdown(), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.read_start([](std::string_view, std::error_code) {}),
                  sheaf::invalid_state);
  CHECK_THROWS_AS(c.listener.listen(1, [](std::error_code) {}), sheaf::invalid_state);
  CHECK_THROWS_AS(c.listener.accept(c.server), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.peername(), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.set_blocking(true), sheaf::invalid_state);
  CHECK_THROWS_AS(c.client.set_send_buffer_size(4096), sheaf::invalid_state);
  CHECK_THROWS_AS(u.send("x", address()), sheaf::invalid_state);
  CHECK_THROWS_AS(u.bind(address()), sheaf::invalid_state);
  CHECK_THROWS_AS(u.recv_start([](const udp::datagram&, std::error_code) {}),
                  sheaf::invalid_state);
  std::error_code e;
  CHECK(c.client.try_write("x", e) == 0);
  CHECK(e);
  c.client.read_stop();
  u.recv_stop();
  CHECK_FALSE(c.client.readable());
  CHECK_FALSE(c.client.writable());
  CHECK(c.client.write_queue_size() == 0);
  CHECK(u.send_queue_size() == 0);
}

TEST_CASE("streams: in debug mode another thread's call is refused while the loop runs",
          "[runtime][streams]") {
  loop l;
  l.set_debug(true);
  tcp t(l, address_family::ipv4);
  bool refused = false;
  l.call_soon([&] {
    std::thread([&] {
      try {
        t.nodelay(true);
      } catch (const sheaf::invalid_state&) {
        refused = true;
      }
    }).join();
  });
  l.run_forever();
  CHECK(refused);
}

TEST_CASE("address: text and back", "[runtime][streams]") {
  CHECK(address::ip("127.0.0.1", 80).to_string() == "127.0.0.1:80");
  CHECK(address::ip("::1", 443).to_string() == "[::1]:443");
  CHECK(address::ip("::1", 1).is_ipv6());
  CHECK(address().to_string() == "0.0.0.0:0");
  auto a = address::ip("10.0.0.1", 1);
  a.set_port(65'535);
  CHECK(a == address::ip("10.0.0.1", 65'535));
  CHECK_FALSE(a == address::ip("10.0.0.1", 1));
  CHECK_THROWS_AS(address::ip(std::string_view("127.0.0.1\0x", 11), 1), sheaf::uv_error);
}

TEST_CASE("udp: a datagram arrives whole, with its sender", "[runtime][streams]") {
  loop l;
  udp here(l);
  udp there(l);
  here.bind(address::ip("127.0.0.1", 0));
  there.bind(address::ip("127.0.0.1", 0));
  std::vector<std::string> got;
  here.recv_start([&](const udp::datagram& d, std::error_code e) {
    CHECK_FALSE(e);
    CHECK(d.from == there.sockname());
    got.emplace_back(d.bytes);
  });
  there.send("one", here.sockname());
  there.send("", here.sockname());
  CHECK(there.try_send("two", here.sockname()) == false);  // not before those queued
  while (got.size() < 2) l.turn();
  CHECK(got == std::vector<std::string>{"one", ""});
  there.connect(here.sockname());
  CHECK_THROWS_AS(there.send("x", here.sockname()), sheaf::uv_error);
  CHECK(there.try_send("three"));
  while (got.size() < 3) l.turn();
  CHECK(got.back() == "three");
}
