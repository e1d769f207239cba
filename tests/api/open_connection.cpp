#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut.hpp"
#include "support/descriptors.hpp"
#include "support/echo.hpp"
#include "support/quiet_run.hpp"
#include "support/report_log.hpp"
#include "support/sockets.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/resolve.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/server.hpp>
#include <sheaf/wait_for.hpp>

#include <chrono>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::echo;
using test::quiet_run;

namespace {

address local(std::uint16_t port) { return address::ip("127.0.0.1", port); }

coro<std::string> echoed(stream& s, std::string what) {
  co_await s.write(what);
  std::string got = co_await s.readexactly(what.size());
  co_return got;
}

/// libuv keeps a descriptor back from a loop's first socket on.
coro<std::size_t> descriptors_now() {
  const auto none = co_await as_outcome(open_connection(local(test::free_port())));
  static_cast<void>(none);
  co_return test::open_descriptors();
}

/// Where a connection is neither made nor refused: the queue of who listens is full.
class black_hole {
 public:
  black_hole() : port_(listening_.bind()) {
    listening_.listen(0);
    REQUIRE(waiting_.connect(port_));
  }
  std::uint16_t port() const noexcept { return port_; }

 private:
  test::raw_socket listening_;
  std::uint16_t port_;
  test::raw_socket waiting_;
};

}  // namespace

TEST_CASE("open_connection: connects, and sends small writes at once", "[api][connect]") {
  quiet_run([]() -> coro<> {
    server s = co_await start_server(echo, "127.0.0.1", 0);
    stream c = co_await open_connection("localhost", s.port());
    const std::string got = co_await echoed(c, "hello");
    CHECK(got == "hello");
    int on = 0;
    socklen_t size = sizeof on;
    ::getsockopt(std::stoi(*c.get_extra_info("socket")), 6, 1, &on,
                 &size);  // TCP_NODELAY
    CHECK(on != 0);
  });
}

TEST_CASE("open_connection: tries all addresses in turn (STREAM-33)",
          "[api][connect][STREAM-33]") {
  quiet_run([]() -> coro<> {
    server s = co_await start_server(echo, "127.0.0.1", 0);
    std::vector<address> to{local(test::free_port()), local(test::free_port()),
                            local(s.port())};
    // Without a limit of time: the next is tried because the last has failed.
    const auto patient = connection_options().happy_eyeballs_delay(1h);
    const std::size_t before = co_await descriptors_now();
    {
      stream c = co_await open_connection(std::move(to), patient);
      const std::string got = co_await echoed(c, "x");
      CHECK(got == "x");
      CHECK(test::open_descriptors() ==
            before + 2);  // both ends of the one that was made
    }
    while (s.connections() != 0) co_await sleep(0s);
    CHECK(test::open_descriptors() == before);
  });
}

TEST_CASE("open_connection: one address that fails is the error (STREAM-33)",
          "[api][connect][STREAM-33]") {
  quiet_run([]() -> coro<> {
    const std::uint16_t port = test::free_port();
    const std::size_t before = co_await descriptors_now();
    const auto how = co_await as_outcome(open_connection("127.0.0.1", port));
    CHECK(test::said(how.error()) == "connect '127.0.0.1:" + std::to_string(port) +
                                         "': ECONNREFUSED: connection refused");
    CHECK(test::open_descriptors() == before);
  });
}

TEST_CASE("open_connection: if all addresses fail one error names them all (STREAM-33)",
          "[api][connect][STREAM-33]") {
  quiet_run([]() -> coro<> {
    const std::uint16_t a = test::free_port();
    const std::uint16_t b = test::free_port();
    const std::size_t before = co_await descriptors_now();
    std::vector<address> both{local(a), local(b)};
    const auto how = co_await as_outcome(open_connection(std::move(both)));
    REQUIRE_THROWS_AS(how.value(), connect_error);
    CHECK(test::open_descriptors() == before);
    try {
      how.value();
    } catch (const connect_error& e) {
      CHECK(e.code() == std::errc::connection_refused);
      REQUIRE(e.errors().size() == 2);
      const std::string all = e.what();
      CHECK(all.find(std::to_string(a) + "': ECONNREFUSED") != std::string::npos);
      CHECK(all.find(std::to_string(b) + "': ECONNREFUSED") != std::string::npos);
    }
  });
}

TEST_CASE("open_connection: an address that does not answer is overtaken, not waited for",
          "[api][connect]") {
  const black_hole hole;
  quiet_run([&]() -> coro<> {
    server s = co_await start_server(echo, "127.0.0.1", 0);
    const std::size_t before = co_await descriptors_now();
    const auto began = std::chrono::steady_clock::now();
    {
      const auto soon = connection_options().happy_eyeballs_delay(20ms);
      std::vector<address> to{local(hole.port()), local(s.port())};
      stream c = co_await open_connection(std::move(to), soon);
      CHECK(std::chrono::steady_clock::now() - began >= 20ms);
      CHECK(c.get_extra_info("peername") == "127.0.0.1:" + std::to_string(s.port()));
      const std::string got = co_await echoed(c, "x");
      CHECK(got == "x");
      CHECK(test::open_descriptors() == before + 2);  // the overtaken try is closed
    }
  });
}

TEST_CASE("open_connection: waits 250 ms for an address, if nothing else is said",
          "[api][connect]") {
  CHECK(connection_options().delay_ns() == 250'000'000);
}

TEST_CASE("open_connection: families take turns, beginning with the first's",
          "[api][connect]") {
  quiet_run([]() -> coro<> {
    std::vector<address> to;
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 3; ++i) ports.push_back(test::free_port());
    const auto v6 = [&](int i) { return address::ip("::1", ports[std::size_t(i)]); };
    const auto v4 = [&](int i) { return local(ports[std::size_t(i)]); };
    for (int i = 0; i < 3; ++i) to.push_back(v6(i));
    for (int i = 0; i < 2; ++i) to.push_back(v4(i));
    const auto order = [&](connection_options o) -> coro<std::string> {
      std::string all;
      const auto how =
          co_await as_outcome(open_connection(to, o.happy_eyeballs_delay(1h)));
      try {
        how.value();
      } catch (const connect_error& e) {
        for (const uv_error& each : e.errors()) {
          all += std::string(each.what()).find('[') == std::string::npos ? '4' : '6';
        }
      }
      co_return all;
    };
    const std::string mixed = co_await order(connection_options());
    CHECK(mixed == "64646");
    const std::string plain = co_await order(connection_options().interleave(false));
    CHECK(plain == "66644");
  });
}

TEST_CASE("open_connection: a local address is the one it connects from",
          "[api][connect]") {
  quiet_run([]() -> coro<> {
    server s = co_await start_server(echo, "127.0.0.1", 0);
    const auto from = connection_options().local_address(address::ip("127.0.0.9", 0));
    stream c = co_await open_connection("127.0.0.1", s.port(), from);
    CHECK(c.get_extra_info("sockname")->rfind("127.0.0.9:", 0) == 0);
    std::vector<address> other{address::ip("::1", s.port())};
    const auto none = co_await as_outcome(open_connection(std::move(other), from));
    CHECK_THROWS_AS(none.value(), std::invalid_argument);
    const auto nobodys = connection_options().local_address(address::ip("192.0.2.1", 0));
    const auto refused =
        co_await as_outcome(open_connection("127.0.0.1", s.port(), nobodys));
    CHECK(test::said(refused.error()).find("EADDRNOTAVAIL") != std::string::npos);
  });
}

TEST_CASE("open_connection: what is no port, host or address is told by its type",
          "[api][connect]") {
  quiet_run([]() -> coro<> {
    const auto unknown = co_await as_outcome(open_connection("no.such.host.invalid", 80));
    REQUIRE_THROWS_AS(unknown.value(), uv_error);
    CHECK(test::said(unknown.error()).find("resolve") != std::string::npos);
    const auto none = co_await as_outcome(open_connection(std::vector<address>()));
    CHECK_THROWS_AS(none.value(), std::invalid_argument);
  });
  CHECK_THROWS_AS(open_connection("localhost", 70'000).valid(), std::out_of_range);
  CHECK_THROWS_AS(connection_options().limit(0), std::invalid_argument);
}

TEST_CASE("open_connection: cancelled it leaves no socket (total)", "[api][connect]") {
  const black_hole hole;
  quiet_run([&]() -> coro<> {
    const std::size_t before = co_await descriptors_now();
    auto t = create_task(open_connection("127.0.0.1", hole.port()));
    while (test::open_descriptors() == before) co_await sleep(0s);
    t.cancel("enough");
    const auto how = co_await as_outcome(std::move(t));
    CHECK(how.is_cancelled());
    CHECK(test::open_descriptors() == before);
    // With several tries under way.
    const auto at_once = connection_options().happy_eyeballs_delay(0s);
    std::vector<address> to{local(hole.port()), local(hole.port()), local(hole.port())};
    auto three = create_task(open_connection(std::move(to), at_once));
    while (test::open_descriptors() != before + 3) co_await sleep(0s);
    three.cancel("enough");
    const auto all = co_await as_outcome(std::move(three));
    CHECK(all.is_cancelled());
    CHECK(test::open_descriptors() == before);
  });
}

TEST_CASE("open_connection: may be cut off anywhere", "[api][connect]") {
  const std::size_t before = test::open_descriptors();
  const auto scenario = [](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const test::raw_socket listening;
    const std::uint16_t port = listening.bind();
    listening.listen(8);
    std::vector<address> to{local(test::free_port()), local(port)};
    stream c = co_await open_connection(std::move(to));
    co_await c.write("x");
    CHECK(c.get_extra_info("peername").has_value());
  };
  test::cut::everywhere(scenario);
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("open_unix_connection: tells what is wrong with a path", "[api][connect]") {
  quiet_run([]() -> coro<> {
    const auto none = co_await as_outcome(open_unix_connection("/no/such/socket"));
    CHECK(test::said(none.error()) ==
          "connect '/no/such/socket': ENOENT: no such file or directory");
    const auto nul = co_await as_outcome(open_unix_connection(std::string("a\0b", 3)));
    CHECK(test::said(nul.error()).find("EINVAL") != std::string::npos);
    const auto empty = co_await as_outcome(open_unix_connection(""));
    CHECK(test::said(empty.error()).find("EINVAL") != std::string::npos);
    const auto lengthy = co_await as_outcome(open_unix_connection(std::string(200, 'x')));
    CHECK(test::said(lengthy.error()).find("ENAMETOOLONG") != std::string::npos);
  });
}
