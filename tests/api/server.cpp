#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/echo.hpp"
#include "support/report_log.hpp"
#include "support/scratch_file.hpp"
#include "support/sockets.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/context_var.hpp>
#include <sheaf/event.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/run.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/server.hpp>
#include <sheaf/stream.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::echo;

static_assert(std::is_nothrow_move_constructible_v<server>);
static_assert(!std::is_copy_constructible_v<server>);

namespace {

/// Waits for the end of what the peer sends.
coro<> until_end(stream s) {
  const std::string all = co_await s.read();
  static_cast<void>(all);
}

coro<std::string> rest_of(stream& s) { co_return co_await s.read(); }

coro<std::string> say(server& to, std::string what) {
  stream s = co_await open_connection("127.0.0.1", to.port());
  co_await s.write(what);
  s.write_eof();
  std::string all = co_await s.read();
  co_return all;
}

/// A loop on the real clock that collects its reports.
struct io_loop {
  test::report_log reports;
  loop l;
  runtime::sigpipe_guard quiet;  // as run() has it
  io_loop() { reports.listen(l); }
  template <class F, class... Args>
  auto run(F&& f, Args&&... args) {
    return l.run_until_complete(std::forward<F>(f)(std::forward<Args>(args)...));
  }
};

coro<server> serve(detail::connection_handler h, server_options o = {}) {
  return start_server(std::move(h), "127.0.0.1", 0, o);
}

}  // namespace

TEST_CASE("server: its handler is called once for each connection, in a task (STREAM-26)",
          "[api][server][STREAM-26]") {
  io_loop io;
  std::vector<std::string> names;
  const auto handler = [&names](stream s) -> coro<> {
    names.push_back(current_task().name() + " at " + *s.get_extra_info("peername"));
    co_await echo(std::move(s));
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    const std::string a = co_await say(s, "one");
    const std::string b = co_await say(s, "two");
    CHECK(a == "one");
    CHECK(b == "two");
  });
  REQUIRE(names.size() == 2);
  CHECK(names[0].rfind("connection 1 from 127.0.0.1:", 0) == 0);
  CHECK(names[1].rfind("connection 2 from 127.0.0.1:", 0) == 0);
  // The name is its peer's.
  for (const std::string& n : names) {
    const auto at = n.find(" at ");
    CHECK(n.substr(at + 4) == n.substr(n.find("from ") + 5, at - n.find("from ") - 5));
  }
  CHECK(io.reports.messages().empty());
}

TEST_CASE("server: port 0 picks one port for all addresses (STREAM-26)",
          "[api][server][STREAM-26]") {
  io_loop io;
  io.run([&]() -> coro<> {
    std::vector<std::string> hosts{"127.0.0.1", "127.0.0.2"};
    server s = co_await start_server(echo, std::move(hosts), 0);
    CHECK(s.port() != 0);
    const std::string port = ":" + std::to_string(s.port());
    CHECK(s.sockets() ==
          std::vector<std::string>{"127.0.0.1" + port, "127.0.0.2" + port});
    stream c = co_await open_connection("127.0.0.2", s.port());
    co_await c.write("x");
    const std::string got = co_await c.read(1);
    CHECK(got == "x");
  });
}

TEST_CASE("server: an empty host is every address, of both families where there are two",
          "[api][server]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await start_server(echo, "", 0);
    REQUIRE_FALSE(s.sockets().empty());
    CHECK(s.sockets().front() == "0.0.0.0:" + std::to_string(s.port()));
    const std::string got = co_await say(s, "x");
    CHECK(got == "x");
  });
}

TEST_CASE("server: without ipv6_only one socket takes both families", "[api][server]") {
  io_loop io;
  bool there = true;
  io.run([&]() -> coro<> {
    const auto both = server_options().ipv6_only(false);
    auto made = co_await as_outcome(start_server(echo, "::", 0, both));
    there = made.has_value();
    if (!there) co_return;
    server s = std::move(made).value();
    CHECK(s.sockets().size() == 1);
    const std::string got = co_await say(s, "x");
    CHECK(got == "x");
  });
  if (!there) SKIP("this machine has no IPv6");
}

TEST_CASE("server: a plain function is a handler as well", "[api][server]") {
  io_loop io;
  std::vector<stream> kept;
  event taken;
  const auto keep = [&](stream s) {
    kept.push_back(std::move(s));
    taken.set();
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(keep);
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await taken.wait();
    CHECK(s.connections() == 1);  // its stream lives, if its handler does not
    co_await kept[0].write("hello");
    kept[0].close();
    const std::string got = co_await c.read();
    CHECK(got == "hello");
  });
}

TEST_CASE(
    "server: what a handler throws is reported once and closes its connection "
    "(STREAM-27)",
    "[api][server][STREAM-27]") {
  io_loop io;
  std::vector<stream> kept;
  const auto bad = [&](stream s) -> coro<> {
    kept.push_back(std::move(s));  // closed although somebody has it
    const std::string got = co_await kept.back().read(1);
    throw test::failure("no " + got);
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(bad);
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await c.write("x");
    const std::string rest = co_await c.read();
    CHECK(rest.empty());
    s.close();
    co_await s.wait_closed();
  });
  kept.clear();
  REQUIRE(io.reports.size() == 1);
  CHECK(io.reports[0].message == "the handler of a connection failed");
  CHECK(test::said(io.reports[0].exception) == "no x");
  CHECK(io.reports[0].task_name.rfind("connection 1 from 127.0.0.1:", 0) == 0);
  // Where it was made is where the server was, and where it failed is known.
  CHECK(std::string(io.reports[0].created_at.file_name()).find("server.cpp") !=
        std::string::npos);
  CHECK(io.reports[0].waiting_at.line() != 0);
}

TEST_CASE("server: a handler that is no coroutine may throw too (STREAM-27)",
          "[api][server][STREAM-27]") {
  io_loop io;
  int calls = 0;
  const auto bad = [&](stream) -> coro<> { throw test::failure("at once"); };
  const auto plain = [&](stream) { throw test::failure("plain"); };
  const auto late = [&](stream s) -> coro<> {
    return ++calls == 1 ? bad(std::move(s)) : echo(std::move(s));
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(late);
    stream c = co_await open_connection("127.0.0.1", s.port());
    const std::string rest = co_await c.read();
    CHECK(rest.empty());
    const std::string next = co_await say(s, "next");
    CHECK(next == "next");
    server p = co_await serve(plain);
    stream d = co_await open_connection("127.0.0.1", p.port());
    const std::string none = co_await d.read();
    CHECK(none.empty());
    p.close();
    co_await p.wait_closed();
  });
  REQUIRE(io.reports.size() == 2);
  CHECK(test::said(io.reports[0].exception) == "at once");
  CHECK(test::said(io.reports[1].exception) == "plain");
}

TEST_CASE(
    "server: a handler that is cancelled is silent, and its connection closed "
    "(STREAM-27)",
    "[api][server][STREAM-27]") {
  io_loop io;
  std::vector<stream> kept;
  any_task handler;
  event begun;
  const auto sleeper = [&](stream s) -> coro<> {
    kept.push_back(std::move(s));
    handler = current_task();
    begun.set();
    co_await sleep(1h);
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(sleeper);
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await begun.wait();
    handler.cancel("enough");
    const std::string rest = co_await c.read();
    CHECK(rest.empty());
  });
  kept.clear();
  CHECK(io.reports.messages().empty());
}

TEST_CASE("server: close refuses who comes, and those there live on (STREAM-28)",
          "[api][server][STREAM-28]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve(echo);
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await c.write("a");
    const std::string a = co_await c.read(1);
    CHECK(s.is_serving());
    const auto port = s.port();
    s.close();
    CHECK_FALSE(s.is_serving());
    CHECK(s.sockets().empty());
    CHECK_THROWS_AS(s.port(), invalid_state);
    const auto refused = co_await as_outcome(open_connection("127.0.0.1", port));
    CHECK(test::said(refused.error()).find("ECONNREFUSED") != std::string::npos);
    co_await c.write("b");
    const std::string b = co_await c.read(1);
    CHECK(b == "b");
    const auto again = co_await as_outcome(s.serve_forever());
    CHECK(test::said(again.error()) == "serve_forever: the server is closed");
    CHECK_THROWS_AS(s.start_serving(), invalid_state);
    s.close();
  });
}

TEST_CASE(
    "server: wait_closed waits for the close and for the last connection (STREAM-29)",
    "[api][server][STREAM-29]") {
  io_loop io;
  std::vector<std::string> order;
  const auto handler = [&](stream s) -> coro<> {
    co_await until_end(std::move(s));
    order.push_back("handler");
  };
  const auto waiter = [&](server& s) -> coro<> {
    co_await s.wait_closed();
    order.push_back("closed");
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await open_connection("127.0.0.1", s.port());
    const auto t = create_task(waiter(s));
    co_await c.write("x");
    co_await sleep(0s);
    order.push_back("close");
    s.close();
    CHECK_FALSE(t.done());
    co_await sleep(0s);
    CHECK_FALSE(t.done());
    c.close();
    co_await t;
    co_await s.wait_closed();  // once more
  });
  CHECK(order == std::vector<std::string>{"close", "handler", "closed"});
}

TEST_CASE("server: wait_closed that is cancelled is nobody else's business (STREAM-29)",
          "[api][server][STREAM-29]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve(until_end);
    stream c = co_await open_connection("127.0.0.1", s.port());
    const auto limited = co_await as_outcome(wait_for(s.wait_closed(), 0s));
    CHECK_FALSE(limited.has_value());
    const future<> other = s.wait_closed();
    s.close();
    c.close();
    co_await other;
    co_await s.wait_closed();
  });
}

TEST_CASE("server: serve_forever that is cancelled closes the server (STREAM-30)",
          "[api][server][STREAM-30]") {
  io_loop io;
  std::string told;
  const auto handler = [&](stream) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      told = c.reason();
      CHECK(c.why() == cancel_why::shutdown);
      throw;
    }
  };
  io.run([&]() -> coro<> {
    server s = co_await start_server(handler, "127.0.0.1", 0,
                                     server_options().start_serving(false));
    CHECK_FALSE(s.is_serving());
    const auto refused = co_await as_outcome(open_connection("127.0.0.1", s.port()));
    CHECK_FALSE(refused.has_value());
    const auto t = create_task(s.serve_forever());
    co_await sleep(0s);
    CHECK(s.is_serving());
    const auto twice = co_await as_outcome(s.serve_forever());
    CHECK(test::said(twice.error()) == "serve_forever: another task is in it already");
    stream c = co_await open_connection("127.0.0.1", s.port());
    while (s.connections() == 0) co_await sleep(0s);
    co_await sleep(0s);
    t.cancel("stop");
    const auto how = co_await as_outcome(t);
    REQUIRE(how.is_cancelled());
    CHECK(how.cancellation().reason() == "stop");
    CHECK_FALSE(s.is_serving());
    CHECK(s.connections() == 0);  // nothing of it is left when it returns
  });
  CHECK(told == "server shutdown");
  CHECK(io.reports.messages().empty());
}

TEST_CASE("server: serve_forever returns when another closes, and the last has ended",
          "[api][server]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve(until_end);
    const auto t = create_task(s.serve_forever());
    stream c = co_await open_connection("127.0.0.1", s.port());
    while (s.connections() == 0) co_await sleep(0s);
    s.close();
    co_await sleep(0s);
    CHECK_FALSE(t.done());
    c.close();
    co_await t;
  });
}

TEST_CASE("server: start_serving is idempotent (STREAM-30)", "[api][server][STREAM-30]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve(echo, server_options().start_serving(false));
    s.start_serving();
    s.start_serving();
    CHECK(s.is_serving());
    const std::string got = co_await say(s, "x");
    CHECK(got == "x");
  });
}

TEST_CASE("server: close_clients ends each connection after what was written (STREAM-31)",
          "[api][server][STREAM-31]") {
  io_loop io;
  std::string seen = "nothing";
  const auto handler = [&](stream s) -> coro<> {
    co_await s.write("last words");
    seen = co_await s.read();
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await open_connection("127.0.0.1", s.port());
    const std::string first = co_await c.readexactly(4);
    s.close_clients();
    const std::string rest = co_await c.read();
    CHECK(first + rest == "last words");
    s.close();
    co_await s.wait_closed();
  });
  CHECK(seen.empty());  // the handler found the end
}

TEST_CASE("server: abort_clients ends each connection at once (STREAM-31)",
          "[api][server][STREAM-31]") {
  io_loop io;
  bool woke = false;
  const std::string much(std::size_t{16} << 20, 'x');
  const auto handler = [&](stream s) -> coro<> {
    const auto how = co_await as_outcome(test::nothing(0ms));
    static_cast<void>(how);
    s.write_nowait(much);
    const std::string end = co_await s.read();
    woke = end.empty();
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await open_connection("127.0.0.1", s.port());
    const std::string first = co_await c.readexactly(1);
    s.abort_clients();
    const auto rest = co_await as_outcome(rest_of(c));  // cut short, or reset
    if (rest.has_value()) CHECK(rest.value().size() < much.size());
    s.close();
    co_await s.wait_closed();
  });
  CHECK(woke);
}

TEST_CASE(
    "server: a write to a stream that the server closed is an error of the connection "
    "(STREAM-20)",
    "[api][server][STREAM-20]") {
  io_loop io;
  const auto how = GENERATE(&server::close_clients, &server::abort_clients);
  event begun;
  event closed;
  const auto handler = [&](stream s) -> coro<> {
    const std::string one = co_await s.read(1);
    begun.set();
    co_await closed.wait();
    const std::string rest = co_await s.read();  // what had come before
    CHECK(one + rest == "abc");
    CHECK(test::thrown_by([&] { s.write_nowait("x"); }) ==
          "write to a stream that its server closed: ECONNABORTED: software caused "
          "connection abort");
    CHECK_THROWS_AS(s.write_nowait(rest), uv_error);
    s.close();  // from here on the mistake is its own
    CHECK(test::thrown_by([&] { s.write_nowait("x"); }) == "stream: write after close()");
  };
  const auto closes_first = [&](stream s) -> coro<> {
    s.close();
    begun.set();
    co_await closed.wait();
    CHECK(test::thrown_by([&] { s.write_nowait("x"); }) == "stream: write after close()");
  };
  const auto ends_first = [&](stream s) -> coro<> {
    s.write_eof();
    begun.set();
    co_await closed.wait();
    CHECK(test::thrown_by([&] { s.write_nowait("x"); }) ==
          "stream: write after write_eof()");
  };
  const auto serve_one = [&](auto& h) -> coro<> {
    begun.clear();
    closed.clear();
    server s = co_await serve(std::ref(h));
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await c.write("abc");
    co_await begun.wait();
    (s.*how)();
    closed.set();
    s.close();
    co_await s.wait_closed();
  };
  io.run(serve_one, handler);
  io.run(serve_one, closes_first);
  io.run(serve_one, ends_first);
  CHECK(io.reports.messages().empty());
}

TEST_CASE("server: destroying it asks its handlers to stop", "[api][server]") {
  io_loop io;
  std::string told;
  event ended;
  const auto handler = [&](stream) -> coro<> {
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      told = c.reason();
      ended.set();
      throw;
    }
  };
  io.run([&]() -> coro<> {
    std::optional<server> s(co_await serve(handler));
    stream c = co_await open_connection("127.0.0.1", s->port());
    while (s->connections() == 0) co_await sleep(0s);
    co_await sleep(0s);
    s.reset();
    co_await ended.wait();
    const std::string rest = co_await c.read();
    CHECK(rest.empty());
  });
  CHECK(told == "its server was destroyed");
}

TEST_CASE("server: handlers run in the context of start_server", "[api][server]") {
  io_loop io;
  static context_var<int> level(0);
  int seen = -1;
  const auto handler = [&](stream) -> coro<> {
    seen = level.get();
    level.set(9);
    co_return;
  };
  io.run([&]() -> coro<> {
    level.set(7);
    server s = co_await serve(handler);
    const std::string none = co_await say(s, "");
    CHECK(none.empty());
    CHECK(level.get() == 7);
  });
  CHECK(seen == 7);
}

TEST_CASE("server: handlers inherit no deadline from who starts it", "[api][server]") {
  io_loop io;
  bool under_one = true;
  const auto handler = [&](stream) -> coro<> {
    under_one = current_deadline().has_value();
    co_return;
  };
  const auto start_and_use = [&]() -> coro<> {
    server s = co_await serve(handler);
    const std::string none = co_await say(s, "");
    CHECK(none.empty());
    CHECK(current_deadline().has_value());
  };
  io.run([&]() -> coro<> { co_await timeout::run(1h, start_and_use); });
  CHECK_FALSE(under_one);
}

TEST_CASE("server: a dump names each connection's task", "[api][server]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve(until_end);
    stream c = co_await open_connection("127.0.0.1", s.port());
    while (s.connections() == 0) co_await sleep(0s);
    co_await sleep(0s);
    const std::string line = all_tasks().back().describe();
    CHECK(line.find("'connection 1 from " + *c.get_extra_info("sockname") + "'") !=
          std::string::npos);
    CHECK(line.find("waiting for stream at ") != std::string::npos);
  });
}

TEST_CASE("server: a trace names each connection's task", "[api][server]") {
  const test::scratch_file file("server");
  const auto once = []() -> coro<> {
    server s = co_await serve(echo);
    const std::string got = co_await say(s, "x");
    CHECK(got == "x");
  };
  sheaf::run(once(), run_options().trace(file.path()));
  CHECK(file.text().find("connection 1 from 127.0.0.1:") != std::string::npos);
}

TEST_CASE("server: an address in use is an error at start (STREAM-33)",
          "[api][server][STREAM-33]") {
  io_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve(echo);
    const auto again = co_await as_outcome(start_server(echo, "127.0.0.1", s.port()));
    CHECK(test::said(again.error()) == "listen '127.0.0.1:" + std::to_string(s.port()) +
                                           "': EADDRINUSE: address already in use");
    const std::string got = co_await say(s, "x");
    CHECK(got == "x");
  });
}

TEST_CASE("server: reuse_port lets several servers share a port", "[api][server]") {
  io_loop io;
  int here = 0;
  int there = 0;
  const auto first = [&](stream) { ++here; };
  const auto second = [&](stream) { ++there; };
  io.run([&]() -> coro<> {
    const auto share = server_options().reuse_port();
    server a = co_await serve(first, share);
    server b = co_await start_server(second, "127.0.0.1", a.port(), share);
    for (int i = 0; i < 64; ++i) {
      stream c = co_await open_connection("127.0.0.1", a.port());
      const std::string end = co_await c.read();
    }
  });
  CHECK(here + there == 64);
  CHECK(here > 0);  // each of 64 goes to one of two: all to one in 1 of 2^63 runs
  CHECK(there > 0);
}

TEST_CASE("server: what cannot be listened on is told by its type", "[api][server]") {
  io_loop io;
  io.run([&]() -> coro<> {
    const auto nowhere = co_await as_outcome(start_server(echo, "192.0.2.1", 0));
    CHECK(test::said(nowhere.error()).find("EADDRNOTAVAIL") != std::string::npos);
    const auto nobody =
        co_await as_outcome(start_server(echo, "no.such.host.invalid", 0));
    CHECK_THROWS_AS(nobody.value(), uv_error);
    const auto none =
        co_await as_outcome(start_server(echo, std::vector<std::string>(), 0));
    CHECK_THROWS_AS(none.value(), std::invalid_argument);
  });
  CHECK_THROWS_AS(port_number(65536), std::out_of_range);
  CHECK_THROWS_AS(port_number(-1), std::out_of_range);
  CHECK_THROWS_AS(port_number(4'294'967'376L), std::out_of_range);
  CHECK(port_number(65535).value() == 65535);
  CHECK_THROWS_AS(server_options().backlog(0), std::invalid_argument);
  CHECK_THROWS_AS(server_options().limit(0), std::invalid_argument);
}
