#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/echo.hpp"
#include "support/quiet_run.hpp"
#include "support/report_log.hpp"
#include "support/scratch_file.hpp"
#include "support/sockets.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/server.hpp>

#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <string>

using namespace sheaf;
using namespace std::chrono_literals;
using test::echo;
using test::quiet_run;
namespace fs = std::filesystem;

namespace {

coro<std::string> say(std::string path, std::string what) {
  stream s = co_await open_unix_connection(path);
  co_await s.write(what);
  s.write_eof();
  std::string all = co_await s.read();
  co_return all;
}

/// A socket of another program at `path`, which listens if that is said.
test::raw_socket socket_at(const std::string& path, bool listens,
                           int type = SOCK_STREAM) {
  test::raw_socket s(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  REQUIRE(::bind(s.fd(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  if (listens) s.listen(8);
  return s;
}

}  // namespace

TEST_CASE("server: a local socket serves, and its file goes with it (STREAM-32)",
          "[api][server][STREAM-32]") {
  const test::scratch_file file("server", ".sock");
  const std::string path = file.path();
  quiet_run([&]() -> coro<> {
    server s = co_await start_unix_server(echo, path);
    CHECK(s.sockets() == std::vector<std::string>{path});
    CHECK_THROWS_AS(s.port(), invalid_state);
    const std::string got = co_await say(path, "hello");
    CHECK(got == "hello");
    CHECK(fs::is_socket(path));
    s.close();
    CHECK_FALSE(fs::exists(path));
    co_await s.wait_closed();
  });
}

TEST_CASE("server: a stale socket is replaced, another kind of file an error (STREAM-32)",
          "[api][server][STREAM-32]") {
  const test::scratch_file file("server", ".sock");
  const std::string path = file.path();
  quiet_run([&]() -> coro<> {
    socket_at(path, true).close();  // its owner is gone, the file is left
    REQUIRE(fs::is_socket(path));
    {
      server s = co_await start_unix_server(echo, path);
      const std::string got = co_await say(path, "hello");
      CHECK(got == "hello");
    }
    file.write("precious");
    const auto how = co_await as_outcome(start_unix_server(echo, path));
    CHECK(test::said(how.error()) ==
          "listen '" + path + "': EADDRINUSE: address already in use");
    CHECK(file.text() == "precious");
  });
}

TEST_CASE("server: a socket that is in use is not taken over (STREAM-32)",
          "[api][server][STREAM-32]") {
  const test::scratch_file file("server", ".sock");
  const std::string path = file.path();
  quiet_run([&]() -> coro<> {
    server s = co_await start_unix_server(echo, path);
    const auto how = co_await as_outcome(start_unix_server(echo, path));
    CHECK(test::said(how.error()).find("EADDRINUSE") != std::string::npos);
    const std::string got = co_await say(path, "hello");
    CHECK(got == "hello");
    s.close();
    co_await s.wait_closed();
    const test::raw_socket datagrams = socket_at(path, false, SOCK_DGRAM);
    const auto other = co_await as_outcome(start_unix_server(echo, path));
    CHECK(test::said(other.error()).find("EADDRINUSE") != std::string::npos);
    CHECK(fs::is_socket(path));
  });
}

TEST_CASE("server: a file that is not its own any more is left (STREAM-32)",
          "[api][server][STREAM-32]") {
  const test::scratch_file file("server", ".sock");
  const std::string path = file.path();
  quiet_run([&]() -> coro<> {
    server s = co_await start_unix_server(echo, path);
    fs::remove(path);
    const test::raw_socket another = socket_at(path, true);
    s.close();
    CHECK(fs::is_socket(path));
    server t = co_await start_unix_server(echo, path + "2");
    fs::remove(path + "2");  // nothing is left to remove
    t.close();
    CHECK_FALSE(fs::exists(path + "2"));
  });
}

TEST_CASE("server: a path that is none is told by its error", "[api][server]") {
  quiet_run([&]() -> coro<> {
    const auto nul = co_await as_outcome(start_unix_server(echo, std::string("a\0b", 3)));
    CHECK(test::said(nul.error()).find("EINVAL") != std::string::npos);
    const auto lengthy =
        co_await as_outcome(start_unix_server(echo, std::string(200, 'x')));
    CHECK(test::said(lengthy.error()).find("ENAMETOOLONG") != std::string::npos);
    const auto nowhere = co_await as_outcome(start_unix_server(echo, "/no/such/place"));
    CHECK(test::said(nowhere.error()) ==
          "listen '/no/such/place': ENOENT: no such file or directory");
  });
}

TEST_CASE("server: a local connection goes by its server's path", "[api][server]") {
  const test::scratch_file file("server", ".sock");
  const std::string path = file.path();
  std::string name;
  const auto handler = [&](stream) { name = current_task().name(); };
  quiet_run([&]() -> coro<> {
    server s = co_await start_unix_server(handler, path);
    stream c = co_await open_unix_connection(path);
    const std::string end = co_await c.read();
    CHECK(end.empty());
  });
  CHECK(name == "connection 1 on '" + path + "'");
}
