#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/echo.hpp"
#include "support/report_log.hpp"
#include "support/scratch_file.hpp"
#include "support/tls_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/run.hpp>
#include <sheaf/server.hpp>
#include <sheaf/sleep.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::client_context;
using test::echo;
using test::server_context;
using test::to_localhost;

namespace {

coro<std::string> answer_to(stream& s, std::string words) {
  co_await s.write(words);
  s.write_eof();
  co_return co_await s.read();
}

// Shown in docs/tour.md.
coro<std::string> over_tls(tls_context for_server, tls_context trusted) {
  server srv =
      co_await start_server(echo, "localhost", 0, server_options().tls(for_server));

  // The certificate must be one for localhost.
  stream s = co_await open_connection("localhost", srv.port(),
                                      connection_options().tls(trusted));
  co_await s.write("hello\n");
  co_return co_await s.readline();
}

}  // namespace

TEST_CASE("tls: a server and a client", "[api][tls]") {
  CHECK(run(over_tls(server_context(), client_context())) == "hello\n");
}

TEST_CASE("tls: open_connection expects the host that it was asked for", "[api][tls]") {
  run([]() -> coro<> {
    const tls_context c = server_context();
    server srv = co_await start_server(echo, "127.0.0.1", 0, server_options().tls(c));
    const connection_options over = connection_options().tls(client_context());
    stream by_name = co_await open_connection("localhost", srv.port(), over);
    CHECK(by_name.get_extra_info("tls_version") == std::optional<std::string>("TLSv1.3"));
    CHECK(by_name.get_extra_info("cipher").has_value());
    const std::string heard = co_await answer_to(by_name, "by name");
    CHECK(heard == "by name");
    stream by_address =
        co_await open_connection(address::ip("127.0.0.1", srv.port()), over);
    const std::string again = co_await answer_to(by_address, "by address");
    CHECK(again == "by address");
    // A list of addresses names nobody.
    const std::vector<address> list{address::ip("127.0.0.1", srv.port())};
    const auto nobody = co_await as_outcome(open_connection(list, over));
    CHECK(test::said(nobody.error()).find("server_hostname") != std::string::npos);
  }());
}

TEST_CASE("tls: a path has servers over it too", "[api][tls]") {
  run([]() -> coro<> {
    const test::scratch_file at("tls", ".sock");
    const tls_context c = server_context();
    server srv =
        co_await start_unix_server(echo, at.path().string(), server_options().tls(c));
    const connection_options over =
        connection_options().tls(client_context(), to_localhost());
    stream s = co_await open_unix_connection(at.path().string(), over);
    const std::string heard = co_await answer_to(s, "hello");
    CHECK(heard == "hello");
  }());
}

TEST_CASE("tls: a peer that speaks no TLS is reported, and the server goes on",
          "[api][tls]") {
  test::report_log reports;
  loop l;
  reports.listen(l);
  int called = 0;
  const auto counted = [&called](stream s) {
    ++called;
    return echo(std::move(s));
  };
  const auto program = [](auto& handler) -> coro<> {
    const tls_context c = server_context();
    server srv = co_await start_server(handler, "127.0.0.1", 0, server_options().tls(c));
    stream plain = co_await open_connection("127.0.0.1", srv.port());
    co_await plain.write("GET / HTTP/1.1\r\n\r\n");
    static_cast<void>(co_await as_outcome(plain.read()));  // an alert, and the end
    const connection_options over = connection_options().tls(client_context());
    stream s = co_await open_connection("localhost", srv.port(), over);
    const std::string heard = co_await answer_to(s, "hello");
    CHECK(heard == "hello");
  };
  l.run_until_complete(program(counted));
  CHECK(called == 1);
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].message == "a TLS handshake failed; the server goes on");
  CHECK(test::said(reports[0].exception)
            .find("TLS handshake failed: http request (peer 127.0.0.1:") == 0);
}

TEST_CASE("tls: a server that shuts down ends handshakes", "[api][tls]") {
  run([]() -> coro<> {
    const tls_context c = server_context();
    server srv = co_await start_server(echo, "127.0.0.1", 0, server_options().tls(c));
    stream silent = co_await open_connection("127.0.0.1", srv.port());
    while (srv.connections() == 0) co_await sleep(0s);
    static_cast<void>(co_await srv.shutdown(0s));
    static_cast<void>(co_await as_outcome(silent.read()));
    CHECK(srv.connections() == 0);
  }());
}

TEST_CASE("tls: a context is for its own side", "[api][tls]") {
  run([]() -> coro<> {
    const auto wrong_server = co_await as_outcome(
        start_server(echo, "127.0.0.1", 0, server_options().tls(client_context())));
    CHECK(test::said(wrong_server.error()).find("a client's") != std::string::npos);
    const auto wrong_client = co_await as_outcome(
        open_connection("127.0.0.1", 9, connection_options().tls(server_context())));
    CHECK(test::said(wrong_client.error()).find("a server's") != std::string::npos);
  }());
}
