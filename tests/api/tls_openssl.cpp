#include "support/catch.hpp"
#include "support/openssl_program.hpp"
#include "support/tls_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/run.hpp>
#include <sheaf/server.hpp>

#include <optional>
#include <string>
#include <system_error>
#include <vector>

// Against the program openssl, which is another implementation's judgement of ours.

using namespace sheaf;
using test::client_context;
using test::openssl_program;
using test::require_openssl_program;
using test::server_context;

namespace {

std::vector<std::string> s_server(std::vector<std::string> more) {
  const auto& c = test::local_certificate();
  std::vector<std::string> all{"s_server", "-accept", "127.0.0.1:0", "-cert",
                               c.file(),   "-key",    c.key_file()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// The port in its line "ACCEPT 127.0.0.1:4433".
coro<std::uint16_t> port_of(stream& output) {
  for (;;) {
    const std::string line = co_await output.readline();
    if (line.empty()) throw std::runtime_error("s_server ended");
    if (line.rfind("ACCEPT ", 0) != 0) continue;
    co_return static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
  }
}

connection_options over(const tls_context& c, tls_options o = test::to_localhost()) {
  return connection_options().tls(c, std::move(o));
}

/// Reads until `text` has come.
coro<> expect(stream& s, std::string text) {
  const std::string until = co_await s.readuntil(text);
  CHECK(until.size() >= text.size());
}

}  // namespace

TEST_CASE("tls: a client of ours and openssl s_server", "[api][tls]") {
  require_openssl_program();
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    INFO(version);
    openssl_program server(s_server({"-rev", version, "-alpn", "h2,http/1.1"}));
    run([](openssl_program& program) -> coro<> {
      stream output = program.output();
      const std::uint16_t port = co_await port_of(output);
      const tls_context c = client_context().alpn({"http/1.1"});
      stream s = co_await open_connection("127.0.0.1", port, over(c));
      CHECK(s.get_extra_info("alpn") == std::optional<std::string>("http/1.1"));
      CHECK(s.get_extra_info("peercert")->rfind("-----BEGIN CERTIFICATE", 0) == 0);
      co_await s.write("stressed\n");
      const std::string line = co_await s.readline();
      CHECK(line == "desserts\n");
      s.close();
      co_await s.wait_closed();
    }(server));
  }
}

TEST_CASE("tls: a client of ours refuses s_server's certificate, and says whose it was",
          "[api][tls]") {
  require_openssl_program();
  openssl_program server(s_server({"-rev"}));
  run([](openssl_program& program) -> coro<> {
    stream output = program.output();
    const std::uint16_t port = co_await port_of(output);
    const outcome<stream> o = co_await as_outcome(
        open_connection("127.0.0.1", port, over(tls_context::client())));
    REQUIRE_FALSE(o.has_value());
    try {
      std::rethrow_exception(o.error());
    } catch (const tls_error& e) {
      CHECK(e.code() == tls_errc::verify_failed);
      CHECK(std::string(e.what()) ==
            "certificate verify failed: unable to get local issuer certificate (peer "
            "127.0.0.1:" +
                std::to_string(port) + ")");
    }
  }(server));
}

TEST_CASE("tls: s_server changes keys in the middle", "[api][tls]") {
  require_openssl_program();
  openssl_program server(s_server({"-tls1_3"}));
  run([](openssl_program& program) -> coro<> {
    stream output = program.output();
    const std::uint16_t port = co_await port_of(output);
    stream s = co_await open_connection("127.0.0.1", port, over(client_context()));
    program.command("one\n");
    co_await expect(s, "one\n");
    program.command("K\n");  // new keys of its own, and ours are asked for
    program.command("two\n");
    co_await expect(s, "two\n");
    co_await s.write("three\n");
    co_await expect(output, "three\n");
    program.command("k\n");
    program.command("four\n");
    co_await expect(s, "four\n");
    program.command("Q\n");  // leaves, and does not say so
    const outcome<std::string> end = co_await as_outcome(s.read());
    REQUIRE_FALSE(end.has_value());
    CHECK_THROWS_AS(std::rethrow_exception(end.error()), tls_error);
  }(server));
}

namespace {

coro<> shout(stream s) {
  const std::string line = co_await s.readline();
  CHECK(s.get_extra_info("alpn") == std::optional<std::string>("h2"));
  CHECK(s.get_extra_info("server_hostname") == std::optional<std::string>("localhost"));
  co_await s.write("you said " + line);
}

std::vector<std::string> s_client(std::uint16_t port, std::vector<std::string> more) {
  std::vector<std::string> all{"s_client",
                               "-connect",
                               "127.0.0.1:" + std::to_string(port),
                               "-CAfile",
                               test::authority().file(),
                               "-verify_return_error",
                               "-verify_hostname",
                               "localhost",
                               "-servername",
                               "localhost",
                               "-alpn",
                               "h2",
                               "-quiet"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("tls: openssl s_client and a server of ours", "[api][tls]") {
  require_openssl_program();
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    INFO(version);
    run([](const char* v) -> coro<> {
      const tls_context c = server_context().alpn({"h2"});
      server srv = co_await start_server(shout, "127.0.0.1", 0, server_options().tls(c));
      openssl_program client(s_client(srv.port(), {v}));
      client.say("hello\n");
      stream output = client.output();
      const std::string all = co_await output.read();  // it ends when we do
      CHECK(all == "you said hello\n");
      CHECK(client.wait() == 0);
    }(version));
  }
}

TEST_CASE("tls: a client that is killed leaves a stream that was cut off", "[api][tls]") {
  require_openssl_program();
  run([]() -> coro<> {
    promise<> line_came;
    promise<std::string> ended;
    const auto listen = [&line_came, &ended](stream s) -> coro<> {
      co_await s.readline();
      line_came.set_value();
      try {
        co_await s.readline();
        ended.set_value("cleanly");
      } catch (const std::system_error& e) {
        // The kernel may reset the connection: then it is no end in any case.
        ended.set_value(e.code() == tls_errc::truncated ? "truncated" : "reset");
      }
    };
    const tls_context c = server_context().alpn({"h2"});
    server srv = co_await start_server(listen, "127.0.0.1", 0, server_options().tls(c));
    openssl_program client(s_client(srv.port(), {}));
    client.say("hello\n");
    co_await line_came.get_future();
    client.kill();
    const std::string how = co_await ended.get_future();
    CHECK((how == "truncated" || how == "reset"));
  }());
}
