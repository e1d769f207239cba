#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut.hpp"
#include "support/descriptors.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"
#include "support/sockets.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/event.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/server.hpp>
#include <sheaf/wait_for.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;

// Under virtual time: its clock jumps while nobody reads or writes.
namespace {

struct still_loop {
  test::report_log reports;
  test::virtual_loop l;
  runtime::sigpipe_guard quiet;  // as run() has it
  still_loop() { reports.listen(l); }
  template <class F>
  void run(F&& f) {
    l.run_until_complete(f());
  }
};

coro<server> serve(detail::connection_handler h) {
  return start_server(std::move(h), "127.0.0.1", 0);
}

/// A connection whose handler has begun.
coro<stream> client_of(server& s, event& begun) {
  begun.clear();
  stream c = co_await open_connection("127.0.0.1", s.port());
  co_await begun.wait();
  co_return c;
}

coro<std::string> rest_of(stream& s) { co_return co_await s.read(); }

}  // namespace

TEST_CASE("shutdown: lets handlers finish, and is over with the last of them",
          "[api][shutdown]") {
  still_loop io;
  event begun;
  const auto handler = [&](stream s) -> coro<> {
    begun.set();
    co_await sleep(300ms);
    co_await s.write("done");
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream a = co_await client_of(s, begun);
    stream b = co_await client_of(s, begun);
    const long long from = io.l.elapsed_ms();
    const shutdown_report r = co_await s.shutdown(5s);
    CHECK(io.l.elapsed_ms() - from == 300);
    CHECK(r.clean());
    CHECK(r.finished == 2);
    CHECK(r.describe() == "2 connections finished, 0 did not");
    CHECK_FALSE(s.is_serving());
    const std::string got = co_await b.read();
    CHECK(got == "done");
  });
  CHECK(io.reports.messages().empty());
}

TEST_CASE("shutdown: takes no more connections from the start", "[api][shutdown]") {
  still_loop io;
  event begun;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    co_await sleep(300ms);
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream a = co_await client_of(s, begun);
    const auto port = s.port();
    const auto t = create_task(s.shutdown(5s));
    co_await sleep(0s);
    const auto refused = co_await as_outcome(open_connection("127.0.0.1", port));
    CHECK(test::said(refused.error()).find("ECONNREFUSED") != std::string::npos);
    const shutdown_report& r = co_await t;
    CHECK(r.finished == 1);
  });
}

TEST_CASE("shutdown: cancels at the deadline what has not ended, and tells why and where",
          "[api][shutdown]") {
  still_loop io;
  event begun;
  std::string told;
  unsigned told_at = 0;
  cancel_why why{};
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    try {
      co_await sleep(1h);
    } catch (const cancelled& c) {
      told = c.reason();
      told_at = c.at().line();
      why = c.why();
      throw;
    }
  };
  unsigned line = 0;
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const long long from = io.l.elapsed_ms();
    line = __LINE__ + 1;
    const shutdown_report r = co_await s.shutdown(200ms);
    CHECK(io.l.elapsed_ms() - from == 200);
    CHECK(r.finished == 0);
    REQUIRE(r.unfinished.size() == 1);
    const unfinished_connection& u = r.unfinished[0];
    CHECK(u.peer == *c.get_extra_info("sockname"));
    CHECK(u.name == "connection 1 from " + u.peer);
    CHECK(u.handler.find("pending waiting for sleep at ") != std::string::npos);
    CHECK(std::string(u.waiting_at.file_name()).find("server_shutdown") !=
          std::string::npos);
    CHECK(u.waiting_at.line() > 0);
    CHECK(u.unsent == 0);
    CHECK(u.end == shutdown_end::cancelled);
    CHECK(u.error == nullptr);
    CHECK(r.all_ended());
    CHECK_FALSE(r.clean());
    CHECK(r.describe().find("ended when it was cancelled; it was task") !=
          std::string::npos);
    CHECK(s.connections() == 0);
  });
  CHECK(told == "server shutdown");
  CHECK(why == cancel_why::shutdown);
  CHECK(told_at == line);
  CHECK(io.reports.messages().empty());
}

TEST_CASE("shutdown: a deadline may be a time of the loop's clock, or past",
          "[api][shutdown]") {
  still_loop io;
  event begun;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    co_await sleep(1h);
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const long long from = io.l.elapsed_ms();
    const shutdown_report r = co_await s.shutdown(io.l.time() + 70ms);
    CHECK(r.unfinished.size() == 1);
    CHECK(io.l.elapsed_ms() - from == 70);
    server t = co_await serve(handler);
    stream d = co_await client_of(t, begun);
    const shutdown_report at_once = co_await t.shutdown(0s);
    CHECK(at_once.unfinished.size() == 1);
    CHECK(io.l.elapsed_ms() - from == 70);
  });
}

TEST_CASE("shutdown: a handler may clean up within the grace", "[api][shutdown]") {
  still_loop io;
  test::event_log log;
  event begun;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    const int none = co_await test::reluctant(log, "it", 3'600'000ms, 400ms);
    static_cast<void>(none);
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const long long from = io.l.elapsed_ms();
    const shutdown_report r = co_await s.shutdown(100ms);
    CHECK(io.l.elapsed_ms() - from == 500);
    REQUIRE(r.unfinished.size() == 1);
    CHECK(r.unfinished[0].end == shutdown_end::cancelled);
  });
  CHECK(log.size() == 1);
}

TEST_CASE("shutdown: an error of a handler that was cancelled is in the report",
          "[api][shutdown]") {
  still_loop io;
  event begun;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    try {
      co_await sleep(1h);
    } catch (const cancelled&) {
      throw test::failure("could not save");
    }
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const shutdown_report r = co_await s.shutdown(100ms);
    REQUIRE(r.unfinished.size() == 1);
    CHECK(test::said(r.unfinished[0].error) == "could not save");
    CHECK(r.describe().find("could not save") != std::string::npos);
  });
  CHECK(io.reports.size() == 1);  // and reported, once
}

TEST_CASE("shutdown: one that swallows its cancellation loses its connection",
          "[api][shutdown]") {
  const runtime::sigpipe_guard quiet;
  test::report_log reports;
  loop l;  // a pending read keeps a virtual clock from jumping
  reports.listen(l);
  event begun;
  std::string read = "nothing";
  std::string wrote;
  const auto handler = [&](stream s) -> coro<> {
    begun.set();
    const auto how = co_await as_outcome(test::nothing(3'600'000ms));
    CHECK(how.is_cancelled());
    const auto got = co_await as_outcome(rest_of(s));
    read = got.has_value() ? "end:" + got.value() : test::said(got.error());
    wrote = test::thrown_by([&] { s.write_nowait("x"); });
  };
  l.run_until_complete([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const auto quick = shutdown_options().grace(20ms);
    const shutdown_report r = co_await s.shutdown(10ms, quick);
    REQUIRE(r.unfinished.size() == 1);
    CHECK(r.unfinished[0].end == shutdown_end::aborted);
    CHECK(r.all_ended());
    const auto rest = co_await as_outcome(rest_of(c));
    CHECK((!rest.has_value() || rest.value().empty()));
  }());
  CHECK((read == "end:" || read.rfind("cancelled", 0) == 0));
  CHECK(wrote.find("its server closed: ECONNABORTED") != std::string::npos);
  CHECK(reports.messages().empty());
}

TEST_CASE("shutdown: one that swallows every cancellation is left, and named",
          "[api][shutdown]") {
  still_loop io;
  event begun;
  event enough;
  int swallowed = 0;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    while (!enough.is_set() && swallowed < 10) {
      try {
        co_await enough.wait();
      } catch (const cancelled&) {
        ++swallowed;
      }
    }
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const long long from = io.l.elapsed_ms();
    const shutdown_report r = co_await s.shutdown(100ms);
    CHECK(io.l.elapsed_ms() - from == 1100);  // the grace is a second
    REQUIRE(r.unfinished.size() == 1);
    CHECK(r.unfinished[0].end == shutdown_end::still_running);
    CHECK_FALSE(r.all_ended());
    CHECK(r.describe().find("is still running: it swallows its cancellation") !=
          std::string::npos);
    CHECK(swallowed == 2);
    CHECK(s.connections() == 1);
    const std::string rest = co_await c.read();  // its connection is gone
    CHECK(rest.empty());
    enough.set();
    co_await s.wait_closed();
  });
}

TEST_CASE("shutdown: bytes that the peer does not take are counted, then dropped",
          "[api][shutdown]") {
  const runtime::sigpipe_guard quiet;
  test::report_log reports;
  loop l;
  reports.listen(l);
  const std::string much(std::size_t{32} << 20, 'x');
  event ended;
  const auto handler = [&](stream s) {
    s.write_nowait(much);
    ended.set();
  };
  l.run_until_complete([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await open_connection("127.0.0.1", s.port());
    co_await ended.wait();
    const shutdown_report r = co_await s.shutdown(20ms);
    REQUIRE(r.unfinished.size() == 1);
    const unfinished_connection& u = r.unfinished[0];
    CHECK(u.unsent > 0);
    CHECK(u.unsent < much.size());
    CHECK(u.handler.empty());
    CHECK(u.end == shutdown_end::aborted);
    CHECK(r.describe().find(std::to_string(u.unsent) + " bytes were not sent") !=
          std::string::npos);
    const auto rest = co_await as_outcome(rest_of(c));
    if (rest.has_value()) CHECK(rest.value().size() < much.size());
  }());
  CHECK(reports.messages().empty());
}

TEST_CASE("shutdown: of a server without connections, or twice, is over at once",
          "[api][shutdown]") {
  still_loop io;
  io.run([&]() -> coro<> {
    server s = co_await serve([](stream) {});
    const shutdown_report a = co_await s.shutdown(1h);
    const shutdown_report b = co_await s.shutdown(1h);
    CHECK((a.clean() && b.clean()));
    CHECK(a.finished + b.finished == 0);
    CHECK(io.l.elapsed_ms() == 0);
  });
}

TEST_CASE("shutdown: who is connected is served, accepted or not", "[api][shutdown]") {
  test::report_log reports;
  loop l;
  reports.listen(l);
  const std::vector<test::raw_socket> clients(3);
  const auto greet = [](stream s) { s.write_nowait("!"); };
  l.run_until_complete([&]() -> coro<> {
    server s = co_await serve(greet);
    for (const auto& c : clients) REQUIRE(c.connect(s.port()));
    const shutdown_report r = co_await s.shutdown(5s);
    CHECK(r.finished == 3);
  }());
  for (const auto& c : clients) {
    char greeting = 0;
    CHECK(::recv(c.fd(), &greeting, 1, 0) == 1);
    CHECK(greeting == '!');
  }
  CHECK(reports.messages().empty());
}

TEST_CASE("server: may outlive its loop", "[api][server]") {
  std::optional<server> kept;
  std::optional<stream> client;
  {
    test::virtual_loop l;
    event begun;
    const auto handler = [&](stream) -> coro<> {
      begun.set();
      co_await sleep(1h);
    };
    l.run_until_complete([&]() -> coro<> {
      kept.emplace(co_await serve(handler));
      client.emplace(co_await client_of(*kept, begun));
    }());
  }
  CHECK(kept->connections() == 0);
  kept->close();
  kept.reset();
}

TEST_CASE("shutdown: in a handler of its own is an error with advice",
          "[api][shutdown]") {
  still_loop io;
  server* the_server = nullptr;
  std::string said;
  const auto handler = [&](stream) -> coro<> {
    const auto how = co_await as_outcome(the_server->shutdown(1s));
    said = test::said(how.error());
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    the_server = &s;
    stream c = co_await open_connection("127.0.0.1", s.port());
    const std::string end = co_await c.read();
    CHECK(s.is_serving());
  });
  CHECK(said.find("make it a task of its own") != std::string::npos);
}

TEST_CASE(
    "shutdown: cancelled it leaves the server closed and the handlers alone (partial)",
    "[api][shutdown]") {
  still_loop io;
  event begun;
  bool finished = false;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    co_await sleep(500ms);
    finished = true;
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    stream c = co_await client_of(s, begun);
    const auto how = co_await as_outcome(wait_for(s.shutdown(1h), 100ms));
    CHECK_THROWS_AS(how.value(), timeout_error);
    CHECK_FALSE(s.is_serving());
    CHECK(s.connections() == 1);
    co_await s.wait_closed();
    CHECK(finished);
  });
}

TEST_CASE("shutdown: serve_forever returns with it", "[api][shutdown]") {
  still_loop io;
  event begun;
  const auto handler = [&](stream) -> coro<> {
    begun.set();
    co_await sleep(1h);
  };
  io.run([&]() -> coro<> {
    server s = co_await serve(handler);
    const auto serving = create_task(s.serve_forever());
    stream c = co_await client_of(s, begun);
    const shutdown_report r = co_await s.shutdown(1s);
    CHECK(r.unfinished.size() == 1);
    co_await serving;
  });
}

TEST_CASE("server: serving and its shutdown may be cut off anywhere", "[api][shutdown]") {
  const std::size_t before = test::open_descriptors();
  const auto scenario = [](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const auto handler = [&l](stream s) -> coro<> {
      const test::cut::witness inner(l);
      const std::string got = co_await s.read(1);
      co_await s.write(got);
      co_await sleep(1h);
    };
    server s = co_await serve(handler);
    const address to = address::ip("127.0.0.1", s.port());
    stream c = co_await open_connection(to);
    co_await c.write("x");
    const std::string got = co_await c.read(1);
    CHECK(got == "x");
    c.close();
    const shutdown_report r = co_await s.shutdown(0s);
    CHECK(r.unfinished.size() == 1);
  };
  test::cut::everywhere(scenario);
  CHECK(test::open_descriptors() == before);
}
