#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/wait_for.hpp>

#include <array>
#include <string>
#include <type_traits>

using namespace sheaf;
using namespace std::chrono_literals;
using test::half_connected;
using test::on_polling_loop;
using test::turns;

static_assert(!std::is_copy_constructible_v<stream>);
static_assert(std::is_nothrow_move_constructible_v<stream>);

TEST_CASE("stream: read(n) gives what there is, as soon as there is some (STREAM-1)",
          "[api][stream][STREAM-1]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto first = create_task(s.read(100));
    co_await turns(3);
    CHECK_FALSE(first.done());
    peer.send("abc");
    const std::string some = co_await first;
    CHECK(some == "abc");
    peer.send("defgh");
    const std::string two = co_await s.read(2);
    CHECK(two == "de");
    const std::string rest = co_await s.read(100);
    CHECK(rest == "fgh");
  });
}

TEST_CASE("stream: read(0) is empty at once, and at the end so is read(n) (STREAM-1)",
          "[api][stream][STREAM-1]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    const std::string none = co_await s.read(0);
    CHECK(none.empty());
    peer.send("z");
    peer.close();
    const std::string last = co_await s.read(10);
    CHECK(last == "z");
    for (int i = 0; i < 3; ++i) {
      const std::string nothing = co_await s.read(10);
      CHECK(nothing.empty());
    }
  }());
}

TEST_CASE("stream: read() and read(-1) give all until the end (STREAM-1)",
          "[api][stream][STREAM-1]") {
  for (const bool minus_one : {false, true}) {
    on_polling_loop([minus_one]() -> coro<> {
      auto [s, peer] = half_connected(8);  // more than the limit comes
      auto all = create_task(minus_one ? s.read(static_cast<std::size_t>(-1)) : s.read());
      peer.send("one two ");
      co_await turns(3);
      peer.send("three four five six");
      co_await turns(3);
      CHECK_FALSE(all.done());
      peer.close();
      const std::string text = co_await all;
      CHECK(text == "one two three four five six");
      const std::string after = co_await s.read();
      CHECK(after.empty());
    });
  }
}

TEST_CASE("stream: readline gives lines, then the rest, then nothing (STREAM-2)",
          "[api][stream][STREAM-2]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto first = create_task(s.readline());
    peer.send("on");
    co_await turns(3);
    CHECK_FALSE(first.done());
    peer.send("e\n\nthree\nfo");
    const std::string a = co_await first;
    CHECK(a == "one\n");
    const std::string b = co_await s.readline();
    CHECK(b == "\n");
    const std::string c = co_await s.readline();
    CHECK(c == "three\n");
    peer.send("ur");
    peer.close();
    const std::string d = co_await s.readline();
    CHECK(d == "four");
    const std::string e = co_await s.readline();
    CHECK(e.empty());
  });
}

TEST_CASE("stream: next_line yields lines until the end (STREAM-16)",
          "[api][stream][STREAM-16]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("a\n\nb\nrest");
    peer.close();
    std::string all;
    while (auto line = co_await s.next_line()) all += "<" + *line + ">";
    CHECK(all == "<a\n><\n><b\n><rest>");
    const auto again = co_await s.next_line();
    CHECK_FALSE(again.has_value());
  }());
}

TEST_CASE("stream: readexactly gives n bytes, beyond the limit too (STREAM-9)",
          "[api][stream][STREAM-9]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected(4);
    const std::string none = co_await s.readexactly(0);
    CHECK(none.empty());
    auto ten = create_task(s.readexactly(10));
    for (const char* part : {"012", "345", "6789ab"}) {
      co_await turns(3);
      CHECK_FALSE(ten.done());
      peer.send(part);
    }
    const std::string got = co_await ten;
    CHECK(got == "0123456789");
    const std::string two = co_await s.readexactly(2);
    CHECK(two == "ab");
    CHECK_THROWS_AS(s.readexactly(static_cast<std::size_t>(-1)), std::invalid_argument);
  });
}

TEST_CASE("stream: an end too early for readexactly gives what came (STREAM-10)",
          "[api][stream][STREAM-10]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("abc");
    peer.close();
    std::string partial;
    std::optional<std::size_t> expected;
    try {
      static_cast<void>(co_await s.readexactly(10));
    } catch (const incomplete_read& e) {
      partial = e.partial();
      expected = e.expected();
      CHECK(std::string(e.what()).find("3 bytes read of 10") != std::string::npos);
    }
    CHECK(partial == "abc");
    CHECK(expected == 10u);
    const std::string rest = co_await s.read();
    CHECK(rest.empty());
  }());
}

TEST_CASE("stream: at_eof when the end has come and all was read (STREAM-11)",
          "[api][stream][STREAM-11]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    CHECK_FALSE(s.at_eof());
    peer.send("ab");
    peer.close();
    const std::string a = co_await s.read(1);
    co_await turns(3);  // the end comes meanwhile
    CHECK(a == "a");
    CHECK_FALSE(s.at_eof());
    const std::string b = co_await s.read(5);
    CHECK(b == "b");
    CHECK(s.at_eof());
  });
}

TEST_CASE("stream: read_some puts what comes where the caller wants it",
          "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    std::array<char, 4> room{};
    auto waiting = create_task(s.read_some(room));
    co_await turns(3);
    peer.send("abcdef");
    std::size_t n = co_await waiting;
    CHECK(std::string_view(room.data(), n) == "abcd");
    n = co_await s.read_some(room);
    CHECK(std::string_view(room.data(), n) == "ef");
    n = co_await s.read_some({});
    CHECK(n == 0);
    peer.send("wxyz12");
    const std::string one = co_await s.read(1);
    n = co_await s.read_some(room);  // from the buffer
    CHECK(one + std::string(room.data(), n) == "wxyz1");
    peer.close();
    n = co_await s.read_some(room);
    CHECK(std::string_view(room.data(), n) == "2");
    n = co_await s.read_some(room);
    CHECK(n == 0);
  });
}

namespace {

coro<> cancel_when(stream& told, any_task victim) {
  static_cast<void>(co_await told.read(1));
  CHECK(victim.cancel("cut"));
}

enum class when { waiting, woken };

// "woken": what the read waited for has come in this very batch, before the request.
template <class Read>
coro<> cancel_read(Read read, when w) {
  auto [s, peer] = half_connected();
  auto [told, teller] = half_connected();
  const auto cut = create_task(read(s));
  const auto canceller = create_task(cancel_when(told, cut));
  co_await turns(3);
  teller.send("!");  // first, so that its reader runs first
  if (w == when::woken) peer.send("ab\n");
  co_await canceller;
  const auto how = co_await as_outcome(cut);
  CHECK(how.is_cancelled());
  if (w == when::waiting) peer.send("ab\n");
  peer.send("cd\n");
  peer.close();
  const std::string all = co_await s.read();
  CHECK(all == "ab\ncd\n");
}

template <class Read>
void cancelled_it_consumes_nothing(Read read) {
  for (const when w : {when::waiting, when::woken}) {
    INFO((w == when::woken ? "woken" : "waiting"));
    on_polling_loop([=] { return cancel_read(read, w); });
  }
}

coro<std::size_t> read_inside(stream& s) {
  std::array<char, 16> room{};
  co_return co_await s.read_some(room);
}

}  // namespace

TEST_CASE(
    "stream: cancelling a read is total: nothing is consumed (STREAM-13, STREAM-36)",
    "[api][stream][STREAM-13][STREAM-36]") {
  SECTION("read(n)") {
    cancelled_it_consumes_nothing([](stream& s) { return s.read(2); });
  }
  SECTION("readexactly") {
    cancelled_it_consumes_nothing([](stream& s) { return s.readexactly(3); });
  }
  SECTION("readline") {
    cancelled_it_consumes_nothing([](stream& s) { return s.readline(); });
  }
  SECTION("next_line") {
    cancelled_it_consumes_nothing([](stream& s) { return s.next_line(); });
  }
  SECTION("readuntil") {
    cancelled_it_consumes_nothing([](stream& s) { return s.readuntil("b\n"); });
  }
  SECTION("read_some: what is in the caller's memory already is given back") {
    cancelled_it_consumes_nothing([](stream& s) { return read_inside(s); });
  }
}

TEST_CASE("stream: an error does not touch a reader that was cancelled (STREAM-13)",
          "[api][stream][STREAM-13]") {
  on_polling_loop([]() -> coro<> {
    const auto [near, far] = test::connected_tcp();
    stream s = test::tcp_stream_over(near);
    const auto cut = create_task(s.read(1));
    co_await turns(3);
    cut.cancel();
    const auto how = co_await as_outcome(cut);
    CHECK(how.is_cancelled());
    test::reset(far);
    const auto next = co_await as_outcome(s.read(1));
    CHECK_FALSE(next.has_value());
    CHECK_FALSE(next.is_cancelled());
  });
}

TEST_CASE("stream: a second read while another one waits is an error (STREAM-14)",
          "[api][stream][STREAM-14]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto first = create_task(s.readexactly(4));
    co_await turns(3);
    const auto second = co_await as_outcome(s.read(1));
    CHECK(test::said(second.error()).find("another task reads") != std::string::npos);
    // Nor does it take what the first is counting on.
    peer.send("abc");
    co_await turns(3);
    const auto third = co_await as_outcome(s.read(1));
    CHECK(test::said(third.error()).find("another task reads") != std::string::npos);
    peer.send("d");
    const std::string all = co_await first;
    CHECK(all == "abcd");
  });
}

namespace {

coro<> read_when(stream& told, stream& s, std::string& error) {
  static_cast<void>(co_await told.read(1));
  const auto how = co_await as_outcome(s.read(10));
  error = test::said(how.error());
}

}  // namespace

TEST_CASE("stream: nobody takes what a reader was woken for", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto [told, teller] = half_connected();
    std::string error;
    auto first = create_task(s.read(10));
    const auto thief = create_task(read_when(told, s, error));
    co_await turns(3);
    teller.send("!");
    peer.send("mine");
    co_await thief;
    CHECK(error.find("another task reads") != std::string::npos);
    const std::string all = co_await first;
    CHECK(all == "mine");
  });
}

TEST_CASE("stream: a read may be limited, gathered and made a task", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [a, peer_a] = half_connected();
    auto [b, peer_b] = half_connected();
    CHECK_THROWS_AS(co_await wait_for(a.read(1), 1ms), timeout_error);
    auto both = gather(a.readline(), b.readexactly(2));
    peer_a.send("x\n");
    peer_b.send("yz");
    const auto [x, y] = co_await both;
    CHECK(x == "x\n");
    CHECK(y == "yz");
    auto late = create_task(a.read(1));
    a = stream();  // what the task reads from lives on in it
    const std::string end = co_await late;
    CHECK(end.empty());
  });
}
