#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/run.hpp>

#include <string>
#include <vector>

using namespace sheaf;
using test::half_connected;
using test::on_polling_loop;
using test::turns;

namespace {

using strings = std::vector<std::string>;

/// A list made by a call: g++ 12 makes none from braces in a coroutine.
template <class... Ts>
strings list(Ts... each) {
  return {each...};
}

/// How many bytes the limit_overrun that `how` holds lets one consume; -1 if it holds none.
template <class T>
long consumed(const outcome<T>& how) {
  try {
    if (how.error()) std::rethrow_exception(how.error());
  } catch (const limit_overrun& e) {
    return static_cast<long>(e.consumed());
  } catch (...) {
  }
  return -1;
}

coro<std::string> all_of(stream& s, test::raw_peer& peer) {
  peer.close();
  std::string rest = co_await s.read();
  co_return rest;
}

}  // namespace

TEST_CASE("readline: a line over the limit that is complete is dropped (STREAM-3)",
          "[api][stream][STREAM-3]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected(4);
    peer.send("12345\nnext\n1234\n");
    const auto how = co_await as_outcome(s.readline());
    CHECK(consumed(how) == 5);
    const std::string next = co_await s.readline();
    CHECK(next == "next\n");
    const std::string exact = co_await s.readline();  // the newline does not count
    CHECK(exact == "1234\n");
  }());
}

TEST_CASE("readline: of a line over the limit without an end all is dropped (STREAM-3)",
          "[api][stream][STREAM-3]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected(4);
    peer.send("123456789");
    const auto how = co_await as_outcome(s.readline());
    CHECK(consumed(how) == 9);
    peer.send("tail\nnext\n");
    const std::string tail = co_await s.readline();
    CHECK(tail == "tail\n");
    const std::string next = co_await s.readline();
    CHECK(next == "next\n");
  }());
}

TEST_CASE("readline: a limit that is reached while it waits (STREAM-3)",
          "[api][stream][STREAM-3]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected(4);
    const auto line = create_task(s.readline());
    peer.send("1234");
    co_await turns(3);
    CHECK_FALSE(line.done());
    peer.send("5");
    const auto how = co_await as_outcome(line);
    CHECK(consumed(how) == 5);
  });
}

TEST_CASE("readuntil: separators of any length, across the borders of pieces (STREAM-4)",
          "[api][stream][STREAM-4]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto record = create_task(s.readuntil("=END="));
    for (const char* piece : {"abc", "=", "EN", "D", "=rest"}) {
      co_await turns(3);
      CHECK_FALSE(record.done());
      peer.send(piece);
    }
    const std::string got = co_await record;
    CHECK(got == "abc=END=");
    const std::string rest = co_await all_of(s, peer);
    CHECK(rest == "rest");
  });
}

TEST_CASE("readuntil: a false start is no separator (STREAM-4)",
          "[api][stream][STREAM-4]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto record = create_task(s.readuntil("aab"));
    co_await turns(3);
    peer.send("xaa");
    co_await turns(3);
    peer.send("aab-aab");
    const std::string got = co_await record;
    CHECK(got == "xaaaab");
    const std::string next = co_await s.readuntil("aab");
    CHECK(next == "-aab");
  });
}

TEST_CASE("readuntil: the end before the separator (STREAM-5)",
          "[api][stream][STREAM-5]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("no end");
    peer.close();
    std::string partial;
    try {
      static_cast<void>(co_await s.readuntil());
    } catch (const incomplete_read& e) {
      partial = e.partial();
      CHECK_FALSE(e.expected().has_value());
      CHECK(std::string(e.what()).find("6 bytes") != std::string::npos);
    }
    CHECK(partial == "no end");
    CHECK(s.at_eof());
  }());
}

TEST_CASE(
    "readuntil: beyond the limit it says how much to read, and leaves it (STREAM-6)",
    "[api][stream][STREAM-6]") {
  SECTION("the separator has come") {
    run([]() -> coro<> {
      auto [s, peer] = half_connected(3);
      peer.send("some|rest");
      const auto how = co_await as_outcome(s.readuntil("|"));
      CHECK(consumed(how) == 4);
      const std::string some = co_await s.readexactly(4);
      CHECK(some == "some");
      const std::string bar = co_await s.readuntil("|");
      CHECK(bar == "|");
      const std::string rest = co_await all_of(s, peer);
      CHECK(rest == "rest");
    }());
  }
  SECTION("it has not") {
    run([]() -> coro<> {
      auto [s, peer] = half_connected(3);
      peer.send("some data=");  // and perhaps the first half of it
      const auto how = co_await as_outcome(s.readuntil("=="));
      CHECK(consumed(how) == 9);
      const std::string all = co_await all_of(s, peer);
      CHECK(all == "some data=");
    }());
  }
}

TEST_CASE("readuntil: of several separators the one that ends first wins (STREAM-7)",
          "[api][stream][STREAM-7]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("a\r\nb--long--c\rd");
    const strings ends = list("\n", "\r\n", "--long--", "\r");
    std::string got = co_await s.readuntil(ends);
    CHECK(got == "a\r");
    got = co_await s.readuntil(ends);
    CHECK(got == "\n");
    got = co_await s.readuntil(ends);
    CHECK(got == "b--long--");
    got = co_await s.readuntil(ends);
    CHECK(got == "c\r");
  }());
}

TEST_CASE("readuntil: where several end the shortest counts for the limit (STREAM-7)",
          "[api][stream][STREAM-7]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected(3);
    peer.send("abc\r\n");
    const auto how = co_await as_outcome(s.readuntil(list("\r\n", "\n")));
    CHECK(consumed(how) == 4);  // of "\n"
    const std::string got = co_await s.readuntil("\r\n");
    CHECK(got == "abc\r\n");
  }());
}

TEST_CASE(
    "readuntil: an empty separator, and a limit of 0, are argument errors (STREAM-8)",
    "[api][stream][STREAM-8]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    CHECK_THROWS_AS(s.readuntil(""), std::invalid_argument);
    CHECK_THROWS_AS(s.readuntil(strings()), std::invalid_argument);
    CHECK_THROWS_AS(s.readuntil(list("a", "")), std::invalid_argument);
    CHECK_THROWS_AS(connection_options().limit(0), std::invalid_argument);
    peer.send("still fine\n");
    const std::string line = co_await s.readline();
    CHECK(line == "still fine\n");
  }());
}

TEST_CASE("readuntil: many small records of one large piece cost their own length",
          "[api][stream]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    std::string text;
    for (int i = 0; i < 2000; ++i) text += std::to_string(i) + "\n";
    peer.send(text);
    peer.close();
    int i = 0;
    bool right = true;
    while (auto line = co_await s.next_line()) {
      right = right && *line == std::to_string(i++) + "\n";
    }
    CHECK(right);
    CHECK(i == 2000);
  }());
}
