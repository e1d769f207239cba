#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/echo.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/run.hpp>
#include <sheaf/server.hpp>
#include <sheaf/stream.hpp>

#include <string>

using namespace sheaf;
using namespace std::chrono_literals;
using test::echo;

TEST_CASE("stream: an echo server", "[api][stream]") {
  run([]() -> coro<> {
    server srv = co_await start_server(echo, "127.0.0.1", 0);
    CHECK(srv.sockets().size() == 1);
    stream s = co_await open_connection("127.0.0.1", srv.port());
    co_await s.write("hello\nworld");
    s.write_eof();
    const std::string line = co_await s.readline();
    CHECK(line == "hello\n");
    const std::string rest = co_await s.readline();
    CHECK(rest == "world");
    const std::string end = co_await s.readline();
    CHECK(end.empty());
    CHECK(s.at_eof());
    s.close();
    co_await s.wait_closed();
    srv.close();
    co_await srv.wait_closed();
  }());
}
