#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/tls_pair.hpp"

#include <sys/socket.h>

#include <sheaf/as_outcome.hpp>
#include <sheaf/run.hpp>
#include <sheaf/task.hpp>

#include <cerrno>
#include <string>
#include <string_view>

using namespace sheaf;
using namespace std::chrono_literals;
using test::both_ends;
using test::client_context;
using test::plain_pair;
using test::server_context;
using test::tls_pair;
using test::to_localhost;

namespace {

/// What awaiting `c` throws, and its code.
struct thrown {
  std::string text;
  std::error_code code;
};
coro<thrown> thrown_by(coro<> c) {
  const outcome<> o = co_await as_outcome(std::move(c));
  thrown t;
  t.text = test::end_of(o, t.code);
  co_return t;
}

coro<> read_all(stream& s, std::string& into) {
  for (;;) {
    std::string bytes = co_await s.read(1000);
    if (bytes.empty()) co_return;
    into += bytes;
  }
}

/// The socket under a stream, to end it behind TLS's back.
int socket_of(const stream& s) { return std::stoi(s.get_extra_info("socket").value()); }

}  // namespace

// ---- ends ------------------------------------------------------------------------------

TEST_CASE("tls: a connection that ends without close_notify is an error, after its bytes",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    co_await p.server.write("most of it");
    p.server.abort();
    std::string got;
    const thrown t = co_await thrown_by(read_all(p.client, got));
    CHECK(got == "most of it");
    CHECK(t.code == tls_errc::truncated);
    CHECK(t.text == "TLS stream cut off: the connection ended without a close_notify");
    // It stays an error for whoever comes next.
    const thrown again = co_await thrown_by(read_all(p.client, got));
    CHECK(again.code == tls_errc::truncated);
  }());
}

TEST_CASE("tls: suppress_ragged_eofs takes that for an end", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p =
        co_await tls_pair(client_context().suppress_ragged_eofs(), server_context());
    co_await p.server.write("all of it");
    p.server.abort();
    const std::string got = co_await p.client.read();
    CHECK(got == "all of it");
    CHECK(p.client.at_eof());
    p.client.close();
    co_await p.client.wait_closed();
  }());
}

TEST_CASE("tls: what a peer said before it went can be read after a write has failed",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    co_await p.server.write("too much");
    p.server.close();
    p.server.abort();
    while (!p.client.is_closing()) {
      const outcome<> written = co_await as_outcome(
          [](stream& s) -> coro<> { co_await s.write("more"); }(p.client));
      static_cast<void>(written);
    }
    std::string got;
    const thrown t = co_await thrown_by(read_all(p.client, got));
    CHECK(got == "too much");
    CHECK(t.code == std::errc::broken_pipe);
  }());
}

TEST_CASE("tls: write_eof ends one side, and the other goes on", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    co_await p.client.write("question");
    p.client.write_eof();
    p.client.write_eof();
    CHECK_THROWS_AS(p.client.write_nowait("more"), invalid_state);
    const std::string question = co_await p.server.read();
    CHECK(question == "question");
    const std::string answer(300'000, 'a');
    p.server.write_nowait(answer);
    p.server.close();
    const std::string got = co_await p.client.read();
    CHECK(got == answer);
    p.client.close();
    co_await p.client.wait_closed();
    co_await p.server.wait_closed();
  }());
}

TEST_CASE("tls: close sends what was written and TLS's end, then waits for the peer's",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    const std::string much(3'000'000, 'm');
    p.client.write_nowait(much);
    p.client.close();
    auto closed =
        create_task([](stream& s) -> coro<> { co_await s.wait_closed(); }(p.client));
    const std::string got = co_await p.server.read();
    CHECK(got == much);
    CHECK(p.server.at_eof());
    CHECK_FALSE(closed.done());
    p.server.close();
    co_await closed;
    co_await p.server.wait_closed();
  }());
}

TEST_CASE("tls: what the peer still sends after close() is dropped, however much",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    p.client.close();
    co_await p.server.write(std::string(2'000'000, 'x'));  // somebody takes it
    const std::string end = co_await p.server.read();
    CHECK(end.empty());
    p.server.close();
    co_await p.client.wait_closed();
    co_await p.server.wait_closed();
  }());
}

TEST_CASE("tls: a stream that is destroyed closes in the same way", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    co_await p.client.write("last words");
    p.client = stream();
    const std::string got = co_await p.server.read();
    CHECK(got == "last words");
  }());
}

TEST_CASE("tls: close waits no longer than its limit for a peer that says nothing",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context(),
                                    to_localhost().shutdown_timeout(20ms));
    p.client.close();
    co_await p.client.wait_closed();  // the server neither reads nor closes
    const std::string end = co_await p.server.read();
    CHECK(end.empty());
  }());
}

TEST_CASE("tls: abort says nothing and waits for nobody", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    p.client.close();
    p.client.abort();
    co_await p.client.wait_closed();
    p.server.abort();
    CHECK(p.server.is_closing());
    CHECK_FALSE(p.server.get_extra_info("cipher"));
  }());
}

TEST_CASE("tls: a loop may end while a stream waits for its peer's end", "[api][tls]") {
  stream kept;
  run([](stream& keep) -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    p.client.close();
    keep = std::move(p.server);
  }(kept));
}

TEST_CASE("tls: a broken record is an error that both sides hear of", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    const std::string_view forged("\x17\x03\x03\x00\x20 this is no record of any key!!!",
                                  37);
    REQUIRE(::send(socket_of(p.client), forged.data(), forged.size(), 0) == 37);
    std::string got;
    const thrown at_server = co_await thrown_by(read_all(p.server, got));
    CHECK(at_server.code == tls_errc::broken);
    CHECK(at_server.text.find("bad record mac") != std::string::npos);
    const thrown at_client = co_await thrown_by(read_all(p.client, got));
    CHECK(at_client.code == tls_errc::broken);
    CHECK(at_client.text.find("alert bad record mac") != std::string::npos);
    CHECK(got.empty());
    CHECK_THROWS_AS(p.server.write_nowait("x"), tls_error);
  }());
}

// ---- handshakes that come to nothing ---------------------------------------------------

namespace {

coro<thrown> handshake_with(std::string_view words, bool then_ends, tls_context c,
                            tls_options o) {
  both_ends p = plain_pair();
  p.server.write_nowait(words);
  if (then_ends) p.server.write_eof();
  const thrown t = co_await thrown_by(p.client.start_tls(c, o));
  CHECK(p.client.is_closing());
  co_return t;
}

}  // namespace

TEST_CASE("tls: garbage is no handshake", "[api][tls]") {
  const thrown banner =
      run(handshake_with("220 mail ready\r\n", false, client_context(), to_localhost()));
  CHECK(banner.code == tls_errc::handshake_failed);
  CHECK(banner.text == "TLS handshake failed: wrong version number");
  const thrown http =
      run(handshake_with("GET / HTTP/1.1\r\n\r\n", false, server_context(), {}));
  CHECK(http.code == tls_errc::handshake_failed);
  CHECK(http.text == "TLS handshake failed: http request");
  const thrown zeros =
      run(handshake_with(std::string(100'000, '\0'), false, server_context(), {}));
  CHECK(zeros.code == tls_errc::handshake_failed);
}

TEST_CASE("tls: a peer that goes in the handshake is told", "[api][tls]") {
  const thrown t = run(handshake_with("", true, client_context(), to_localhost()));
  CHECK(t.code == tls_errc::handshake_failed);
  CHECK(t.text == "TLS handshake failed: the peer closed the connection");
  const thrown half =
      run(handshake_with({"\x16\x03\x01\x02", 4}, true, server_context(), {}));
  CHECK(half.code == tls_errc::handshake_failed);
}

TEST_CASE("tls: a peer that says nothing costs no more than the handshake's limit",
          "[api][tls]") {
  const thrown t = run(handshake_with("", false, client_context(),
                                      to_localhost().handshake_timeout(20ms)));
  CHECK(t.code == tls_errc::timed_out);
  CHECK(t.code == std::errc::timed_out);
  CHECK(t.text == "TLS handshake took longer than 20 ms");
}

TEST_CASE("tls: a cancelled handshake closes the stream", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair();
    auto shaking = create_task(p.client.start_tls(client_context(), to_localhost()));
    const std::string hello = co_await p.server.read(1);  // it has begun
    CHECK(hello == "\x16");
    shaking.cancel("enough");
    const outcome<> o = co_await as_outcome(shaking);
    CHECK(o.is_cancelled());
    CHECK(p.client.is_closing());
    // The peer sees the end after what was sent.
    co_await p.server.read();
    CHECK(p.server.at_eof());
  }());
}

TEST_CASE("tls: close() in the handshake ends it", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair();
    auto shaking = create_task(p.client.start_tls(client_context(), to_localhost()));
    co_await p.server.read(1);
    p.client.close();
    const outcome<> o = co_await as_outcome(shaking);
    std::error_code code;
    CHECK(test::end_of(o, code) == "TLS handshake: the stream was closed");
    CHECK(code == tls_errc::handshake_failed);
  }());
}

TEST_CASE("tls: start_tls is for a plain stream that nobody reads", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    const thrown twice =
        co_await thrown_by(p.client.start_tls(client_context(), to_localhost()));
    CHECK(twice.text.find("over TLS already") != std::string::npos);
    CHECK_FALSE(p.client.is_closing());
    both_ends q = plain_pair();
    auto reader = create_task([](stream& s) -> coro<> { co_await s.read(1); }(q.client));
    co_await sleep(0s);
    const thrown read =
        co_await thrown_by(q.client.start_tls(client_context(), to_localhost()));
    CHECK(read.text.find("another task reads") != std::string::npos);
    q.server.write_nowait("x");
    co_await reader;
    q.client.close();
    const thrown closed =
        co_await thrown_by(q.client.start_tls(client_context(), to_localhost()));
    CHECK(closed.text.find("closed") != std::string::npos);
  }());
}
