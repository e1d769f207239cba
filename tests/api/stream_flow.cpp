#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>

#include <array>
#include <string>
#include <vector>

using namespace sheaf;
using test::connected_streams;
using test::half_connected;
using test::on_polling_loop;
using test::turns;

namespace {

constexpr std::size_t mib = 1 << 20;

/// How much the system holds for the peer at the reading end.
std::size_t unread(stream& s) {
  int n = 0;
  REQUIRE(::ioctl(s.core().handle().fileno(), FIONREAD, &n) == 0);
  return static_cast<std::size_t>(n);
}

std::size_t buffered(stream& s) { return s.core().buffer().size(); }

}  // namespace

TEST_CASE(
    "stream: more than twice the limit pauses the reading, the limit resumes it "
    "(STREAM-15)",
    "[api][stream][STREAM-15]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected(100);
    peer.send(std::string(1, 'x'));
    static_cast<void>(co_await s.read(1));  // it reads from here on
    peer.send(std::string(200, 'x'));
    co_await turns(3);
    CHECK(buffered(s) == 200);  // twice the limit is not more
    peer.send("y");
    co_await turns(3);
    CHECK(buffered(s) == 201);
    peer.send("waits");
    co_await turns(3);
    CHECK(buffered(s) == 201);
    CHECK(unread(s) == 5);
    static_cast<void>(co_await s.readexactly(100));
    co_await turns(3);
    CHECK(buffered(s) == 101);
    CHECK(unread(s) == 5);
    static_cast<void>(co_await s.readexactly(1));  // down to the limit
    co_await turns(3);
    CHECK(buffered(s) == 105);
    CHECK(unread(s) == 0);
  });
}

TEST_CASE("stream: a read that needs more resumes the reading (STREAM-15)",
          "[api][stream][STREAM-15]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected(10);
    peer.send("_");
    static_cast<void>(co_await s.read(1));
    peer.send(std::string(50, 'a'));
    co_await turns(3);
    peer.send(std::string(50, 'b'));
    co_await turns(3);
    CHECK(buffered(s) == 50);
    CHECK(unread(s) == 50);
    const std::string all = co_await s.readexactly(100);
    CHECK(all == std::string(50, 'a') + std::string(50, 'b'));
  });
}

TEST_CASE("stream: nothing is read before the first read", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("abc");
    co_await turns(5);
    CHECK(unread(s) == 3);
    CHECK(buffered(s) == 0);
    const std::string all = co_await s.read(10);
    CHECK(all == "abc");
  });
}

TEST_CASE("stream: pausing and resuming again and again loses nothing (STREAM-25)",
          "[api][stream][STREAM-25]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected(16);
    s.core().stop_reading();
    s.core().stop_reading();
    std::string sent;
    std::string got;
    for (int i = 0; i < 200; ++i) {
      const std::string piece = std::to_string(i * i) + std::string(40, '.');
      peer.send(piece);
      sent += piece;
      got += co_await s.read(i % 50 + 1);
      s.core().stop_reading();
      s.core().start_reading();
      s.core().start_reading();
    }
    peer.close();
    got += co_await s.read();
    CHECK(got == sent);
  });
}

TEST_CASE(
    "stream: a slow reader stops its producer, through both streams (STREAM-15, "
    "STREAM-17)",
    "[api][stream][STREAM-15][STREAM-17]") {
  on_polling_loop([]() -> coro<> {
    auto [near, far] = connected_streams(4096);
    std::size_t written = 0;
    const auto produce = [](stream& s, std::size_t& n) -> coro<> {
      const std::string piece(4096, 'p');
      while (n < 8 * mib) {
        co_await s.write(piece);
        n += piece.size();
      }
      s.write_eof();
    };
    auto producer = create_task(produce(far, written));
    static_cast<void>(co_await near.readexactly(1));
    std::size_t before = 0;
    do {
      before = written;
      co_await turns(10);
    } while (written != before);  // until nothing moves any more
    CHECK_FALSE(producer.done());
    CHECK(written < 2 * mib);  // the system's buffers, the marks and the limit
    CHECK(buffered(near) <= 3 * 4096 + 65'536);
    std::size_t got = 1;
    for (;;) {
      const std::string some = co_await near.read(100'000);
      if (some.empty()) break;
      got += some.size();
    }
    CHECK(got == 8 * mib);
    co_await producer;
  });
}

namespace {

coro<> echo(stream s, std::size_t room_size) {
  std::vector<char> room(room_size);
  for (;;) {
    const std::size_t n = co_await s.read_some(room);
    if (n == 0) co_return;
    co_await s.write(std::string_view(room.data(), n));
  }
}

coro<> send_all(stream& s, const std::string& text) {
  for (std::size_t at = 0; at < text.size(); at += 30'011) {
    co_await s.write(std::string_view(text).substr(at, 30'011));
  }
  s.write_eof();
}

}  // namespace

TEST_CASE("stream: an echo of much with all sizes of buffers", "[api][stream]") {
  for (const std::size_t size : {std::size_t(1'000), std::size_t(65'536)}) {
    run([](std::size_t room) -> coro<> {
      auto [near, far] = connected_streams();
      auto server = create_task(echo(std::move(far), room));
      std::string text(8 * mib + 17, '?');
      for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] = static_cast<char>(i * 31 >> 3);
      }
      auto [sent, all] = co_await gather(send_all(near, text), near.read());
      CHECK((all == text));
      co_await server;
    }(size));
  }
}

TEST_CASE("stream: the end comes once, and the other side stays open (STREAM-24)",
          "[api][stream][STREAM-24]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    int closed = 0;
    s.core().on_closed([&closed] { ++closed; });
    peer.send("data");
    peer.shut_down();
    const std::string all = co_await s.read();
    CHECK(all == "data");
    for (int i = 0; i < 3; ++i) {
      const std::string none = co_await s.read(1);
      CHECK(none.empty());
    }
    co_await s.write("still");
    CHECK(peer.receive() == "still");
    CHECK_FALSE(s.is_closing());
    CHECK(closed == 0);
    s.close();
    co_await s.wait_closed();
    s.abort();
    co_await turns(3);
    CHECK(closed == 1);
  });
}
