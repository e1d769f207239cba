// One tls_context on the loops of two threads at once. Under the thread sanitizer, which sees
// what sheaf does with it; OpenSSL itself is built without.
#include "support/catch.hpp"
#include "support/echo.hpp"
#include "support/tls_pair.hpp"
#include "support/tls_visitor.hpp"
#include "support/tsan_blind_spots.hpp"
#include "support/two_threads.hpp"

#include <fcntl.h>

#include <sheaf/open_connection.hpp>
#include <sheaf/run.hpp>
#include <sheaf/server.hpp>
#include <sheaf/task.hpp>
#include <sheaf/to_thread.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

using namespace sheaf;
using test::certificate;
using test::client_context;
using test::on_two_threads;
using test::plan_for;
using test::server_context;

namespace {

tls_context context_for(const std::string& name) {
  const certificate made(plan_for(name, "DNS:" + name), &test::authority());
  return tls_context::server(made.file(), made.key_file()).alpn({"h2"});
}

/// Whether it comes to the certificate of `name`, and hears what it says.
coro<bool> converse(std::uint16_t port, tls_context client, std::string name) {
  const connection_options over =
      connection_options().tls(client, tls_options().server_hostname(name));
  stream s = co_await open_connection("127.0.0.1", port, over);
  const std::string said(20'000, 'x');
  co_await s.write(said);
  const std::string heard = co_await s.readexactly(said.size());
  const auto whose = s.get_extra_info("peercert_subject");
  s.close();
  co_await s.wait_closed();
  co_return heard == said&& whose == "CN=" + name;
}

constexpr int rounds = 20;

/// How many conversations of 3 * rounds went well, three of them at a time.
coro<int> conversations(tls_context server, tls_context client) {
  sheaf::server srv =
      co_await start_server(test::echo, "127.0.0.1", 0, server_options().tls(server));
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto [a, b, c] = co_await gather(converse(srv.port(), client, "localhost"),
                                           converse(srv.port(), client, "one.test"),
                                           converse(srv.port(), client, "two.test"));
    good += a + b + c;
  }
  co_return good;
}

// ---- sessions --------------------------------------------------------------------------

coro<> serve_one(stream s, tls_context server) {
  co_await s.start_tls(server);
  co_await s.write("x");
  co_await s.read();
}

coro<std::string> visits(test::tls_visitor& v, tls_context server, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    const auto ends = runtime::make_socket_pair();
    ::fcntl(ends.first, F_SETFL, 0);  // blocking
    auto served = create_task(serve_one(test::stream_over(ends.second), server));
    const auto go = [&v, fd = ends.first] { return v.visit(fd, "localhost"); };
    all += co_await to_thread(go) + " ";
    static_cast<void>(co_await as_outcome(served));
  }
  co_return all;
}

}  // namespace

TEST_CASE("tls: two loops on two threads use the same contexts at once", "[api][tls]") {
  const tls_context two = context_for("two.test");
  std::atomic<int> chosen = 0;
  const auto choose = [&, two](const std::string& name) -> std::optional<tls_context> {
    ++chosen;
    if (name == "two.test") return two;
    return std::nullopt;
  };
  const tls_context server = server_context()
                                 .alpn({"h2"})
                                 .for_name("one.test", context_for("one.test"))
                                 .sni_callback(choose);
  const tls_context client = client_context().alpn({"h2", "http/1.1"});
  std::array<int, 2> good{};
  on_two_threads([&](std::size_t i) { good[i] = run(conversations(server, client)); });
  CHECK(good == std::array{3 * rounds, 3 * rounds});
  CHECK(chosen == 2 * 2 * rounds);  // for_name() has the third
}

TEST_CASE("tls: a session that one thread's loop gave is resumed by another's",
          "[api][tls]") {
  for (const tls_version v : {tls_version::v1_2, tls_version::v1_3}) {
    INFO("version " << static_cast<int>(v));
    const tls_context server = server_context().maximum_version(v);
    std::array<test::tls_visitor, 2> visitors;
    std::array<std::string, 2> seen;
    on_two_threads([&](std::size_t i) { seen[i] = run(visits(visitors[i], server, 4)); });
    CHECK(seen[0] == "full resumed resumed resumed ");
    CHECK(seen[1] == seen[0]);
    on_two_threads(
        [&](std::size_t i) { seen[i] = run(visits(visitors[1 - i], server, 4)); });
    CHECK(seen[0] == "resumed resumed resumed resumed ");
    CHECK(seen[1] == seen[0]);
  }
}

TEST_CASE("tls: the system's authorities are loaded for two threads that come at once",
          "[api][tls]") {
  const tls_context server = server_context();
  for (int i = 0; i < 5; ++i) {
    const tls_context client = tls_context::client();
    std::array<std::string, 2> ended;
    on_two_threads(
        [&](std::size_t j) { ended[j] = run(test::handshake(client, server)).client; });
    // They do not know ours.
    CHECK(ended[0].find("certificate verify failed") != std::string::npos);
    CHECK(ended[1].find("certificate verify failed") != std::string::npos);
  }
}
