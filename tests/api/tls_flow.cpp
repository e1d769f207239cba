#include "support/catch.hpp"
#include "support/tls_pair.hpp"

#include <openssl/ssl.h>

#include <sheaf/as_outcome.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>

#include <string>

using namespace sheaf;
using namespace std::chrono_literals;
using test::both_ends;
using test::client_context;
using test::plain_pair;
using test::server_context;
using test::tls_pair;
using test::to_localhost;

namespace {

std::string pattern(std::size_t n) {
  std::string s(n, '\0');
  for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i * 2654435761u >> 13);
  return s;
}

SSL* ssl_of(const stream& s) {
  return reinterpret_cast<SSL*>(std::stoull(s.get_extra_info("ssl_object").value()));
}

/// Carries bytes from one stream to another, `n` at a time, and then the end.
coro<> carry(stream& from, stream& to, std::size_t n) {
  for (;;) {
    const std::string bytes = co_await from.read(n);
    if (bytes.empty()) break;
    co_await to.write(bytes);
  }
  to.write_eof();
}

coro<> send_in_pieces(stream& s, const std::string& all, std::size_t piece) {
  for (std::size_t at = 0; at < all.size(); at += piece) {
    co_await s.write(std::string_view(all).substr(at, piece));
  }
  s.write_eof();
}

coro<std::string> read_to_end(stream& s) { co_return co_await s.read(); }

}  // namespace

TEST_CASE("tls: ten megabytes go both ways at once", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    const std::string there = pattern(10'000'000);
    const std::string back = pattern(10'000'001);
    const auto [sent, answered, at_server, at_client] = co_await gather(
        send_in_pieces(p.client, there, 100'000), send_in_pieces(p.server, back, 7'777),
        read_to_end(p.server), read_to_end(p.client));
    CHECK((at_server == there));
    CHECK((at_client == back));
  }());
}

TEST_CASE(
    "tls: a peer that does not read holds up the writer, and what was decrypted is "
    "bounded",
    "[api][tls]") {
  run([]() -> coro<> {
    constexpr std::size_t limit = 10'000;
    both_ends p = plain_pair(limit);
    co_await gather(p.client.start_tls(client_context(), to_localhost()),
                    p.server.start_tls(server_context()));
    const std::string all = pattern(8'000'000);
    auto writing = create_task(send_in_pieces(p.client, all, 50'000));
    std::string got = co_await p.server.readexactly(1);
    while (co_await p.server.read(0), !writing.done()) {
      // Twice the limit, and what one call gave beyond.
      const std::size_t held = p.server.core().buffer().size();
      REQUIRE(held <= 2 * limit + 16'384);
      got += co_await p.server.read(3'000);
    }
    got += co_await p.server.read();
    CHECK((got == all));
    co_await writing;
  }());
}

TEST_CASE("tls: what comes after a reader gave up on much waits with the peer",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair(1'000);
    co_await gather(p.client.start_tls(client_context(), to_localhost()),
                    p.server.start_tls(server_context()));
    const std::string all = pattern(8'000'000);
    auto reading = create_task(
        [](stream& s) -> coro<> { co_await s.readexactly(1'000'000); }(p.server));
    co_await p.client.write(std::string_view(all).substr(0, 50'000));
    while (p.server.core().buffer().size() < 50'000) co_await sleep(0s);
    reading.cancel("enough");
    const outcome<> o = co_await as_outcome(reading);
    CHECK(o.is_cancelled());
    // Nobody reads, and there is far more than the limit.
    const std::string rest = all.substr(50'000);
    auto writing = create_task(send_in_pieces(p.client, rest, 50'000));
    for (int i = 0; i < 20'000 && !writing.done(); ++i) co_await sleep(0s);
    REQUIRE_FALSE(writing.done());
    const std::string got = co_await p.server.read();
    CHECK((got == all));
    co_await writing;
  }());
}

TEST_CASE("tls: a write waits above the high water mark of encrypted bytes",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    const std::string all = pattern(4'000'000);
    auto writing = create_task(send_in_pieces(p.client, all, 4'000'000));
    for (int i = 0; i < 20; ++i) co_await sleep(0s);
    CHECK_FALSE(writing.done());  // nobody reads
    const std::string got = co_await p.server.read();
    CHECK((got == all));
    co_await writing;
  }());
}

TEST_CASE("tls: what is written in the handshake goes after it", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair();
    auto shaking = create_task(p.client.start_tls(client_context(), to_localhost()));
    co_await sleep(0s);
    co_await sleep(0s);
    const std::string all = pattern(200'000);
    p.client.write_nowait(all);
    p.client.write_eof();
    CHECK_FALSE(shaking.done());
    auto full = create_task([](stream& s) -> coro<> { co_await s.drain(); }(p.client));
    co_await sleep(0s);
    CHECK_FALSE(full.done());  // what waits for the handshake counts
    co_await p.server.start_tls(server_context());
    const std::string got = co_await p.server.read();
    CHECK((got == all));
    co_await shaking;
    co_await full;
  }());
}

TEST_CASE("tls: records may come in any pieces", "[api][tls]") {
  for (const std::size_t n : {1u, 2u, 7u, 1000u}) {
    INFO(n << " bytes at a time");
    run([](std::size_t piece) -> coro<> {
      both_ends left = plain_pair();
      both_ends right = plain_pair();
      auto there = create_task(carry(left.server, right.client, piece));
      auto back = create_task(carry(right.client, left.server, piece));
      co_await gather(left.client.start_tls(client_context(), to_localhost()),
                      right.server.start_tls(server_context()));
      const std::string all = pattern(20'000);
      left.client.write_nowait(all);
      left.client.write_eof();
      const std::string got = co_await right.server.read();
      CHECK((got == all));
      right.server.write_nowait(all);
      right.server.close();
      const std::string again = co_await left.client.read();
      CHECK((again == all));
      left.client.close();
      co_await there;
      co_await left.client.wait_closed();
      co_await back;
    }(n));
  }
}

TEST_CASE("tls: new keys in the middle, asked for by either side", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    for (int i = 0; i < 20; ++i) {
      stream& one = i % 2 == 0 ? p.client : p.server;
      stream& other = i % 2 == 0 ? p.server : p.client;
      // The answer to it goes out while the other side reads.
      REQUIRE(SSL_key_update(ssl_of(one), SSL_KEY_UPDATE_REQUESTED) == 1);
      co_await one.write("ping");
      const std::string ping = co_await other.readexactly(4);
      CHECK(ping == "ping");
      co_await other.write("pong");
      const std::string pong = co_await one.readexactly(4);
      CHECK(pong == "pong");
    }
  }());
}

TEST_CASE("tls: renegotiation is refused, and whoever insists on it gives up",
          "[api][tls]") {
  for (const bool server_asks : {true, false}) {
    INFO((server_asks ? "the server asks" : "the client asks"));
    run([](bool from_server) -> coro<> {
      both_ends p = co_await tls_pair(client_context().maximum_version(tls_version::v1_2),
                                      server_context());
      stream& asks = from_server ? p.server : p.client;
      stream& asked = from_server ? p.client : p.server;
      SSL_clear_options(ssl_of(asks), SSL_OP_NO_RENEGOTIATION);
      REQUIRE(SSL_renegotiate(ssl_of(asks)) == 1);
      asks.write_nowait("x");  // which waits for it
      auto reading = create_task([](stream& s) -> coro<> { co_await s.read(1); }(asks));
      auto answering = create_task([](stream& s) -> coro<> { co_await s.read(); }(asked));
      const outcome<> at_asking = co_await as_outcome(reading);
      std::error_code code;
      CHECK(test::end_of(at_asking, code) == "TLS stream broken: no renegotiation");
      static_cast<void>(co_await as_outcome(answering));
    }(server_asks));
  }
}

TEST_CASE("tls: read_some fills a room of many records", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = co_await tls_pair(client_context(), server_context());
    const std::string all = pattern(50'000);
    co_await p.client.write(all);
    std::string got(60'000, '\0');
    std::size_t n = 0;
    while (n < all.size()) {
      n += co_await p.server.read_some({got.data() + n, got.size() - n});
    }
    got.resize(n);
    CHECK((got == all));
    char one = 0;
    co_await p.client.write("yz");
    std::size_t came = co_await p.server.read_some({&one, 1});
    CHECK((came == 1 && one == 'y'));
    came = co_await p.server.read_some({&one, 1});
    CHECK((came == 1 && one == 'z'));
  }());
}

TEST_CASE("tls: a stream goes over to it in the middle, as STARTTLS does", "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair();
    const auto serve = [](stream& s) -> coro<std::string> {
      co_await s.write("220 ready\r\n");
      const std::string asked = co_await s.readline();
      CHECK(asked == "STARTTLS\r\n");
      co_await s.write("220 go ahead\r\n");
      co_await s.start_tls(server_context());
      co_return co_await s.readline();
    };
    auto served = create_task(serve(p.server));
    co_await p.client.readline();
    co_await p.client.write("STARTTLS\r\n");
    const std::string go = co_await p.client.readline();
    CHECK(go == "220 go ahead\r\n");
    co_await p.client.start_tls(client_context(), to_localhost());
    co_await p.client.write("EHLO\r\n");
    const std::string heard = co_await served;
    CHECK(heard == "EHLO\r\n");
  }());
}

TEST_CASE("tls: a handshake that has begun before start_tls() is in the buffer",
          "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair();
    p.client.write_nowait("STARTTLS\r\n");
    auto shaking = create_task(p.client.start_tls(client_context(), to_localhost()));
    const std::string asked = co_await p.server.readline();
    CHECK(asked == "STARTTLS\r\n");
    while (p.server.core().buffer().empty())
      co_await sleep(0s);  // the client's first words
    co_await p.server.start_tls(server_context());
    co_await p.server.write("hello");
    co_await shaking;
    const std::string hello = co_await p.client.readexactly(5);
    CHECK(hello == "hello");
  }());
}

TEST_CASE(
    "tls: text that was slipped in before the handshake is never read as what came "
    "over TLS",
    "[api][tls]") {
  run([]() -> coro<> {
    both_ends p = plain_pair();
    co_await p.client.write("STARTTLS\r\nDELETE everything\r\n");
    const std::string asked = co_await p.server.readline();
    CHECK(asked == "STARTTLS\r\n");
    const outcome<> o = co_await as_outcome(p.server.start_tls(server_context()));
    std::error_code code;
    test::end_of(o, code);
    CHECK(code == tls_errc::handshake_failed);
    CHECK(p.server.core().buffer().empty());
  }());
}
