#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/descriptors.hpp"
#include "support/echo.hpp"
#include "support/report_log.hpp"
#include "support/sockets.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/event.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/runtime/prepare.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/server.hpp>

#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::echo;

// UBSan opens a pipe to look at an object of a kind that it meets for the first time, and
// takes a failure for a bad object: there accept4() alone is made to fail.
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define TEST_NEEDS_PIPES
#endif
#endif

namespace {

/// What accept4() fails with; 0: it works.
int accept_fails_with = 0;

}  // namespace

// In place of the C library's.
extern "C" int accept4(int fd, sockaddr* from, socklen_t* size,
                       int flags) noexcept(noexcept(::accept4(fd, from, size, flags))) {
  if (accept_fails_with != 0) {
    errno = accept_fails_with;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_accept4, fd, from, size, flags));
}

namespace {

coro<> greet(stream s) {
  co_await s.write("!");
  const std::string end = co_await s.read();
  static_cast<void>(end);
}

/// Leaves this process `more` descriptors, while it lives.
class few_descriptors {
 public:
  explicit few_descriptors(std::size_t more) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int next = ::dup(0);
    ::close(next);
    rlimit tight = before_;
    tight.rlim_cur = static_cast<rlim_t>(next) + more;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  }
  few_descriptors(const few_descriptors&) = delete;
  few_descriptors& operator=(const few_descriptors&) = delete;
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

/// Whether the peer has sent something since it was last asked.
bool greeted(const test::raw_socket& s) {
  char c;
  return ::recv(s.fd(), &c, 1, MSG_DONTWAIT) == 1;
}

}  // namespace

TEST_CASE("server: out of descriptors it says so, drops nobody, and goes on (STREAM-34)",
          "[api][server][STREAM-34]") {
#ifdef TEST_NEEDS_PIPES
  SKIP("UBSan needs descriptors of its own");
#endif
  const runtime::sigpipe_guard quiet;
  test::report_log reports;
  test::virtual_loop l;  // on the clock of the wall it would say so each second
  reports.listen(l);
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(greet, "127.0.0.1", 0);
    std::vector<test::raw_socket> clients(5);
    const few_descriptors tight(2);
    for (const auto& c : clients) REQUIRE(c.connect(s.port()));
    while (reports.size() == 0) co_await sleep(0s);
    CHECK(s.connections() < clients.size());  // libuv keeps one descriptor for itself
    CHECK(s.is_serving());
    // One that ends makes room for one that waits, at once.
    for (auto& c : clients) {
      while (!greeted(c)) co_await sleep(0s);
      c.close();
    }
    s.close();
    co_await s.wait_closed();
  }());
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].message.find("could not accept a connection") != std::string::npos);
  CHECK(test::said(reports[0].exception) == "accept: EMFILE: too many open files");
}

TEST_CASE("open_connection: out of descriptors is an error of that call",
          "[api][connect]") {
#ifdef TEST_NEEDS_PIPES
  SKIP("UBSan needs descriptors of its own");
#endif
  loop l;
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(greet, "127.0.0.1", 0);
    const auto port = s.port();
    const few_descriptors tight(0);
    const auto how = co_await as_outcome(open_connection("127.0.0.1", port));
    CHECK(test::said(how.error()) == "connect '127.0.0.1:" + std::to_string(port) +
                                         "': EMFILE: too many open files");
    CHECK(s.is_serving());
  }());
}

TEST_CASE("server: when it cannot accept it tries again each second (STREAM-34)",
          "[api][server][STREAM-34]") {
  const int error = GENERATE(EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM);
  test::report_log reports;
  test::virtual_loop l;
  reports.listen(l);
  event served;
  const auto handler = [&](stream) { served.set(); };
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(handler, "127.0.0.1", 0);
    const test::raw_socket client;
    accept_fails_with = error;
    REQUIRE(client.connect(s.port()));
    while (reports.size() == 0) co_await sleep(0s);
    co_await sleep(2500ms);
    CHECK(reports.size() == 3);
    CHECK_FALSE(served.is_set());
    accept_fails_with = 0;
    co_await sleep(400ms);
    CHECK_FALSE(served.is_set());
    co_await served.wait();
    CHECK(l.elapsed_ms() >= 3000);
  }());
  CHECK(reports.size() == 3);
}

TEST_CASE(
    "server: one that ends makes it try again at once, and says no more (STREAM-34)",
    "[api][server][STREAM-34]") {
  const runtime::sigpipe_guard quiet;
  test::report_log reports;
  test::virtual_loop l;  // on the clock of the wall it would say so each second
  reports.listen(l);
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(greet, "127.0.0.1", 0);
    std::vector<test::raw_socket> clients(3);
    REQUIRE(clients[0].connect(s.port()));
    REQUIRE(clients[1].connect(s.port()));
    while (!greeted(clients[0])) co_await sleep(0s);
    while (!greeted(clients[1])) co_await sleep(0s);
    accept_fails_with = EMFILE;
    REQUIRE(clients[2].connect(s.port()));
    while (reports.size() == 0) co_await sleep(0s);
    clients[0].close();  // makes it try in vain
    while (s.connections() == 2) co_await sleep(0s);
    accept_fails_with = 0;
    CHECK_FALSE(greeted(clients[2]));
    clients[1].close();
    while (!greeted(clients[2])) co_await sleep(0s);
  }());
  CHECK(reports.size() == 1);
}

TEST_CASE("server: a start that fails on one address takes nobody on the others",
          "[api][server]") {
  const runtime::sigpipe_guard quiet;
  loop l;
  l.run_until_complete([&]() -> coro<> {
    const auto later = server_options().start_serving(false);
    const std::vector<std::string> both{"127.0.0.1", "127.0.0.2"};
    server s = co_await start_server(greet, both, 0, later);
    server other = co_await start_server(greet, "127.0.0.2", s.port(), later);
    other.start_serving();
    CHECK(test::thrown_by([&] { s.start_serving(); }).find("EADDRINUSE") !=
          std::string::npos);
    CHECK_FALSE(s.is_serving());
    const test::raw_socket client;
    REQUIRE(client.connect(s.port()));  // it waits in the system's queue
    int turns = 0;
    runtime::prepare each_turn(l, [&turns] { ++turns; });
    each_turn.start();
    co_await sleep(50ms);
    CHECK(turns <
          100);  // the loop slept: nobody asked it again and again about the client
    each_turn.stop();
    other.close();
    s.start_serving();
    while (!greeted(client)) co_await sleep(0s);
  }());
}

TEST_CASE("server: may be closed while it cannot accept", "[api][server]") {
  test::report_log reports;
  test::virtual_loop l;
  reports.listen(l);
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(greet, "127.0.0.1", 0);
    const test::raw_socket client;
    accept_fails_with = EMFILE;
    REQUIRE(client.connect(s.port()));
    while (reports.size() < 1) co_await sleep(0s);
    s.close();
    accept_fails_with = 0;
    co_await s.wait_closed();
    co_await sleep(3s);
  }());
  CHECK(reports.size() == 1);
}

TEST_CASE("server: hundreds of clients at once leave no descriptor behind",
          "[api][server]") {
  constexpr int clients = 300;
  const runtime::sigpipe_guard quiet;
  test::report_log reports;
  loop l;
  reports.listen(l);
  const auto talk = [](std::uint16_t port, int n) -> coro<int> {
    stream c = co_await open_connection("127.0.0.1", port);
    const std::string mine = "client " + std::to_string(n);
    for (int i = 0; i < 5; ++i) {
      co_await c.write(mine);
      const std::string got = co_await c.readexactly(mine.size());
      if (got != mine) co_return 0;
    }
    co_return 1;
  };
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(echo, "127.0.0.1", 0);
    const int first = co_await talk(s.port(), 0);
    CHECK(first == 1);
    while (s.connections() != 0) co_await sleep(0s);
    const std::size_t before = test::open_descriptors();
    std::vector<coro<int>> all;
    for (int i = 0; i < clients; ++i) all.push_back(talk(s.port(), i));
    const std::vector<int> right = co_await gather(std::move(all));
    int sum = 0;
    for (const int r : right) sum += r;
    CHECK(sum == clients);
    while (s.connections() != 0) co_await sleep(0s);
    CHECK(test::open_descriptors() == before);
    const shutdown_report r = co_await s.shutdown(10s);
    CHECK(r.clean());
  }());
  CHECK(reports.messages().empty());
}

TEST_CASE("server: who is gone before it is accepted harms nobody", "[api][server]") {
  const runtime::sigpipe_guard quiet;
  test::report_log reports;
  loop l;
  reports.listen(l);
  l.run_until_complete([&]() -> coro<> {
    server s = co_await start_server(echo, "127.0.0.1", 0,
                                     server_options().start_serving(false));
    s.start_serving();
    for (int i = 0; i < 10; ++i) {
      test::raw_socket c;
      REQUIRE(c.connect(s.port()));
      const linger reset{1, 0};
      ::setsockopt(c.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await c.write("x");
    const std::string got = co_await c.read(1);
    CHECK(got == "x");
  }());
  // A connection that was reset is its handler's error, told like any other.
  for (const std::string& m : reports.messages()) {
    CHECK(m == "the handler of a connection failed");
  }
}
