#include "support/catch.hpp"
#include "support/tls_pair.hpp"

#include <sheaf/run.hpp>

#include <string>

using namespace sheaf;
using namespace std::chrono_literals;
using test::both_ends;
using test::client_context;
using test::server_context;
using test::tls_pair;

TEST_CASE("tls: bytes go both ways, and end cleanly", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    co_await p.client.write("hello\nworld");
    p.client.write_eof();
    const std::string line = co_await p.server.readline();
    CHECK(line == "hello\n");
    const std::string rest = co_await p.server.read();
    CHECK(rest == "world");
    co_await p.server.write("and back");
    p.server.close();
    const std::string back = co_await p.client.read();
    CHECK(back == "and back");
    CHECK(p.client.at_eof());
    p.client.close();
    co_await p.client.wait_closed();
    co_await p.server.wait_closed();
  }());
}
