#include <sheaf/runtime/udp.hpp>

#include <sheaf/runtime/loop.hpp>

#include <sys/socket.h>
#include <uv.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/sockets.hpp"
#include "support/turns.hpp"

using namespace sheaf::runtime;
using test::event_log;
using test::until;

namespace {

const address any_port = address::ip("127.0.0.1", 0);

std::string name_of(const std::error_code& e) { return uv_err_name(e.value()); }

template <class F>
std::string thrown_by(F f) {
  try {
    f();
  } catch (const sheaf::uv_error& e) {
    return e.name();
  }
  return "nothing";
}

auto into(std::vector<std::string>& all) {
  return [&all](const udp::datagram& d, std::error_code e) {
    CHECK_FALSE(e);
    all.emplace_back(d.bytes);
  };
}

}  // namespace

TEST_CASE("udp: a group is joined and left, over the loopback", "[runtime][udp]") {
  loop l;
  udp to(l);
  to.bind(address::ip("0.0.0.0", 0), udp_bind::reuse_address);
  udp from(l);
  from.bind(any_port);
  from.set_multicast_interface("127.0.0.1");
  from.set_multicast_loop(true);
  from.set_multicast_ttl(1);
  try {
    to.join("239.255.0.1", "127.0.0.1");
  } catch (const sheaf::uv_error& e) {
    if (e.name() == "ENODEV") SKIP("this machine has no multicast");
    throw;
  }
  std::vector<std::string> got;
  to.recv_start(into(got));
  const address group = address::ip("239.255.0.1", to.sockname().port());
  from.send("to all", group);
  until(l, [&] { return got.size() == 1; });
  CHECK(got[0] == "to all");
  to.leave("239.255.0.1", "127.0.0.1");
  from.send("to nobody", group);
  from.send("to one", address::ip("127.0.0.1", to.sockname().port()));
  until(l, [&] { return got.size() == 2; });
  CHECK(got[1] == "to one");
  CHECK(thrown_by([&] { to.leave("239.255.0.1", "127.0.0.1"); }) == "EADDRNOTAVAIL");
}

TEST_CASE("udp: a group from one source only", "[runtime][udp]") {
  loop l;
  udp to(l);
  to.bind(address::ip("0.0.0.0", 0), udp_bind::reuse_address);
  try {
    to.join("232.255.0.1", "127.0.0.1", "127.0.0.1");
  } catch (const sheaf::uv_error& e) {
    if (e.name() == "ENODEV") SKIP("this machine has no multicast");
    throw;
  }
  udp from(l);
  from.bind(any_port);
  from.set_multicast_interface("127.0.0.1");
  std::vector<std::string> got;
  to.recv_start(into(got));
  from.send("x", address::ip("232.255.0.1", to.sockname().port()));
  until(l, [&] { return got.size() == 1; });
  to.leave("232.255.0.1", "127.0.0.1", "127.0.0.1");
}

TEST_CASE("udp: what is no address of a group is refused", "[runtime][udp]") {
  loop l;
  udp u(l);
  u.bind(any_port);
  CHECK(thrown_by([&] { u.join("no address"); }) == "EINVAL");
  CHECK(thrown_by([&] { u.join(""); }) == "EINVAL");
  CHECK(thrown_by([&] { u.join(std::string("239.0.0.1\0x", 11)); }) == "EINVAL");
  CHECK(thrown_by([&] { u.set_multicast_interface("no address"); }) == "EINVAL");
  CHECK(thrown_by([&] { u.set_ttl(0); }) == "EINVAL");
  CHECK(thrown_by([&] { u.set_multicast_ttl(256); }) == "EINVAL");
  u.set_ttl(64);
  u.set_broadcast(true);
}

TEST_CASE("udp: many at once, each whole and in its order", "[runtime][udp]") {
  loop l;
  udp to(l, udp::reading::many);
  to.bind(any_port);
  udp from(l);
  from.bind(any_port);
  std::vector<std::string> got;
  to.recv_start([&](const udp::datagram& d, std::error_code e) {
    CHECK_FALSE(e);
    CHECK_FALSE(d.truncated);
    CHECK(d.from == from.sockname());
    got.emplace_back(d.bytes);
  });
  constexpr std::size_t count = 50;
  for (std::size_t i = 0; i < count; ++i) {
    from.send(i % 10 == 9 ? "" : std::to_string(i), to.sockname());
  }
  until(l, [&] { return got.size() == count; });
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(got[i] == (i % 10 == 9 ? "" : std::to_string(i)));
  }
}

TEST_CASE("udp: stopped or destroyed in the middle of many, no more come",
          "[runtime][udp]") {
  for (const bool destroyed : {false, true}) {
    loop l;
    std::optional<udp> to(std::in_place, l, udp::reading::many);
    to->bind(any_port);
    udp from(l);
    from.bind(any_port);
    for (int i = 0; i < 10; ++i) CHECK(from.try_send("x", to->sockname()));
    int got = 0;
    to->recv_start([&](const udp::datagram&, std::error_code) {
      if (++got != 3) return;
      destroyed ? to.reset() : to->recv_stop();
    });
    until(l, [&] { return got == 3; });
    test::some_turns(l);
    CHECK(got == 3);
  }
}

TEST_CASE("udp: several by one call, and how many went", "[runtime][udp]") {
  loop l;
  udp to(l);
  to.bind(any_port);
  udp from(l);
  from.bind(any_port);
  std::vector<std::string> got;
  to.recv_start(into(got));
  const address there = to.sockname();
  std::vector<udp::outgoing> all(40, {"x", &there});
  all[0].bytes = "first";
  all[39].bytes = "last";
  CHECK(from.try_send2(all) == 40);
  until(l, [&] { return got.size() == 40; });
  CHECK(got.front() == "first");
  CHECK(got.back() == "last");
  const std::array<udp::outgoing, 1> to_nobody{{{"x"}}};
  CHECK(thrown_by([&] { from.try_send2(to_nobody); }) == "EDESTADDRREQ");
  CHECK(from.try_send2({}) == 0);
  const std::string too_long(70'000, 'x');
  const std::array<udp::outgoing, 2> second_fails{{{"x", &there}, {too_long, &there}}};
  CHECK(from.try_send2(second_fails) == 1);
}

TEST_CASE("udp: connected to one, errors of the way back come to it", "[runtime][udp]") {
  loop l;
  udp u(l);
  const test::descriptor there = test::bound(SOCK_DGRAM);
  const address to = address::ip("127.0.0.1", test::port_of(there.get()));
  CHECK(thrown_by([&] { u.disconnect(); }) == "ENOTCONN");
  CHECK(thrown_by([&] { static_cast<void>(u.peername()); }) != "nothing");
  u.connect(to);
  CHECK(u.peername() == to);
  CHECK(thrown_by([&] { u.connect(to); }) == "EISCONN");
  CHECK(u.try_send("x"));
  u.disconnect();
  CHECK(thrown_by([&] { u.try_send("x"); }) == "EDESTADDRREQ");
  CHECK(u.try_send("x", to));
}

TEST_CASE("udp: what is too long is told to its callback", "[runtime][udp]") {
  loop l;
  udp to(l);
  to.bind(any_port);
  udp from(l);
  event_log log;
  from.send(std::string(70'000, 'x'), to.sockname(),
            [&](std::error_code e) { log.push_back(name_of(e)); });
  from.send("x", to.sockname(),
            [&](std::error_code e) { log.push_back(e ? "?" : "sent"); });
  CHECK(log.empty());  // never from inside the call
  l.run_forever();
  CHECK(log == event_log{"EMSGSIZE", "sent"});
  CHECK(from.send_queue_count() == 0);
  CHECK(from.send_queue_size() == 0);
}

TEST_CASE("udp: sockets that share a port", "[runtime][udp]") {
  loop l;
  udp a(l);
  udp b(l);
  udp c(l);
  a.bind(any_port, udp_bind::reuse_port);
  b.bind(a.sockname(), udp_bind::reuse_port);
  CHECK(a.sockname() == b.sockname());
  CHECK(thrown_by([&] { c.bind(a.sockname()); }) == "EADDRINUSE");
}

TEST_CASE("udp: with a socket from the start, to set options on", "[runtime][udp]") {
  loop l;
  udp without(l);
  CHECK(thrown_by([&] { static_cast<void>(without.fileno()); }) == "EBADF");
  udp with(l, address_family::ipv4);
  CHECK(with.fileno() >= 0);
  with.set_recv_buffer_size(65'536);
  CHECK(with.recv_buffer_size() >= 65'536);
  with.set_send_buffer_size(65'536);
  CHECK(with.send_buffer_size() >= 65'536);
  CHECK(thrown_by([&] { with.set_send_buffer_size(0); }) == "EINVAL");
  CHECK_FALSE(with.using_recvmmsg());
  CHECK_THROWS_AS(with.recv_start(nullptr), sheaf::invalid_state);
  with.recv_start([](const udp::datagram&, std::error_code) {});
  CHECK(thrown_by([&] {
          with.recv_start([](const udp::datagram&, std::error_code) {});
        }) == "EALREADY");
}

TEST_CASE("udp: takes over a socket of the system's", "[runtime][udp]") {
  loop l;
  udp u(l);
  test::descriptor d = test::bound(SOCK_DGRAM);
  const auto port = test::port_of(d.get());
  u.open(d.release());
  CHECK(u.sockname().port() == port);
  test::descriptor other = test::bound(SOCK_DGRAM);
  CHECK(thrown_by([&] { u.open(other.get()); }) == "EBUSY");
}

TEST_CASE("udp: takes over a socket with the options that are asked for",
          "[runtime][udp]") {
  loop l;
  const auto option = [](const udp& u, int name) {
    int on = -1;
    socklen_t size = sizeof on;
    CHECK(::getsockopt(u.fileno(), SOL_SOCKET, name, &on, &size) == 0);
    return on;
  };
  const auto taken = [&](udp& u, auto... how) {
    u.open(test::bound(SOCK_DGRAM).release(), how...);
    return std::pair(option(u, SO_REUSEADDR), option(u, SO_REUSEPORT));
  };
  udp as_libuv_does(l), as_it_is(l), address(l), port(l), neither(l);
  CHECK(taken(as_libuv_does) == std::pair(1, 0));
  CHECK(taken(as_it_is, udp_bind::none) == std::pair(0, 0));
  CHECK(taken(address, udp_bind::reuse_address) == std::pair(1, 0));
  CHECK(taken(port, udp_bind::reuse_port) == std::pair(0, 1));
  const test::descriptor stays = test::bound(SOCK_DGRAM);
  CHECK(thrown_by([&] { neither.open(stays.get(), udp_bind::ipv6_only); }) == "EINVAL");
  CHECK(thrown_by([&] { port.open(stays.get(), udp_bind::none); }) == "EBUSY");
}
