#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/wait_for.hpp>

#include <array>
#include <optional>
#include <string>

using namespace sheaf;
using namespace std::chrono_literals;
using test::half_connected;
using test::on_polling_loop;
using test::turns;

namespace {

constexpr std::size_t mib = 1 << 20;

/// The system's code of the uv_error in `how`; 0 if it holds none.
template <class T>
int code(const outcome<T>& how) {
  return test::code_thrown_by([&] {
    if (how.error()) std::rethrow_exception(how.error());
  });
}

coro<> write_all(stream& s, std::size_t n) { co_await s.write(std::string(n, 'x')); }

}  // namespace

TEST_CASE(
    "stream: a reset is thrown by the read that waits, and by all later (STREAM-12)",
    "[api][stream][STREAM-12]") {
  on_polling_loop([]() -> coro<> {
    const auto [near, far] = test::connected_tcp();
    stream s = test::tcp_stream_over(near);
    const auto waits = create_task(s.readexactly(5));
    REQUIRE(::send(far, "abc", 3, 0) == 3);
    co_await turns(3);
    test::reset(far);
    const auto first = co_await as_outcome(waits);
    CHECK(code(first) == -ECONNRESET);
    CHECK(s.is_closing());
    CHECK_FALSE(s.at_eof());
    // What had come before is not lost with it.
    const auto line = co_await as_outcome(s.readline());
    CHECK(code(line) == -ECONNRESET);
    const auto all = co_await as_outcome(s.read());
    CHECK(code(all) == -ECONNRESET);
    const std::string came = co_await s.read(10);
    CHECK(came == "abc");
    for (int i = 0; i < 2; ++i) {
      const auto later = co_await as_outcome(s.read(10));
      CHECK(code(later) == -ECONNRESET);
    }
  });
}

TEST_CASE("stream: every kind of read throws the error (STREAM-12)",
          "[api][stream][STREAM-12]") {
  on_polling_loop([]() -> coro<> {
    const auto [near, far] = test::connected_tcp();
    stream s = test::tcp_stream_over(near);
    test::reset(far);
    std::array<char, 4> room;
    CHECK(code(co_await as_outcome(s.read_some(room))) == -ECONNRESET);
    CHECK(code(co_await as_outcome(s.read(1))) == -ECONNRESET);
    CHECK(code(co_await as_outcome(s.read())) == -ECONNRESET);
    CHECK(code(co_await as_outcome(s.readexactly(1))) == -ECONNRESET);
    CHECK(code(co_await as_outcome(s.readline())) == -ECONNRESET);
    CHECK(code(co_await as_outcome(s.next_line())) == -ECONNRESET);
    CHECK(code(co_await as_outcome(s.readuntil("x"))) == -ECONNRESET);
    const std::string nothing = co_await s.read(0);
    CHECK(nothing.empty());
  });
}

TEST_CASE("stream: a reset in mid-write releases the writer, with the error (STREAM-19)",
          "[api][stream][STREAM-19]") {
  on_polling_loop([]() -> coro<> {
    const auto [near, far] = test::connected_tcp();
    stream s = test::tcp_stream_over(near);
    const auto writer = create_task(write_all(s, 64 * mib));
    const auto second = create_task(write_all(s, 1));
    co_await turns(20);
    CHECK_FALSE(writer.done());
    test::reset(far);
    const auto how = co_await as_outcome(writer);
    CHECK(code(how) != 0);
    const auto other = co_await as_outcome(second);
    CHECK(code(other) == code(how));
    CHECK(s.write_buffer_size() == 0);
    const auto drained = co_await as_outcome(s.drain());
    CHECK(code(drained) == code(how));
    CHECK(test::code_thrown_by([&] { s.write_nowait("x"); }) == code(how));
    const auto closed = co_await as_outcome(s.wait_closed());
    CHECK(code(closed) == code(how));
  });
}

TEST_CASE("stream: a loop of writes notices that the peer has gone (STREAM-19)",
          "[api][stream][STREAM-19]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.close();
    int error = 0;
    for (int i = 0; i < 1000 && error == 0; ++i) {
      error = test::code_thrown_by([&] { s.write_nowait("x"); });
      co_await turns(1);
    }
    CHECK(error == -EPIPE);
  });
}

TEST_CASE("stream: what the peer sent before it went is read after a write has failed",
          "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("413 too much\n");
    peer.close();
    CHECK(test::code_thrown_by([&] { s.write_nowait("x"); }) == -EPIPE);
    const std::string answer = co_await s.readline();
    CHECK(answer == "413 too much\n");
    // Then it is no clean end: what was written did not arrive.
    const auto more = co_await as_outcome(s.read(1));
    CHECK(code(more) == -EPIPE);
  });
}

TEST_CASE("stream: close sends what is queued; it is closing at once (STREAM-21)",
          "[api][stream][STREAM-21]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    s.write_nowait(std::string(4 * mib, 'q'));
    CHECK_FALSE(s.is_closing());
    s.close();
    CHECK(s.is_closing());
    s.close();
    const auto closed = create_task(s.wait_closed());
    co_await turns(10);
    CHECK_FALSE(closed.done());
    std::size_t got = 0;
    while (!peer.at_end()) {
      got += peer.receive().size();
      co_await turns(1);
    }
    CHECK(got == 4 * mib);
    co_await closed;
    s.close();
    co_await s.wait_closed();
  });
}

TEST_CASE("stream: a reader finds the end after close (STREAM-21)",
          "[api][stream][STREAM-21]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    auto waits = create_task(s.read(10));
    co_await turns(3);
    s.close();
    const std::string end = co_await waits;
    CHECK(end.empty());
    CHECK(s.at_eof());
    const std::string again = co_await s.readline();
    CHECK(again.empty());
    CHECK_FALSE(s.get_extra_info("socket").has_value());
  });
}

TEST_CASE("stream: what was read ahead can be read after close", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    peer.send("a1\nb2\n");
    const std::string a = co_await s.readline();
    s.close();
    CHECK_FALSE(s.at_eof());
    const std::string b = co_await s.readline();
    CHECK(a + b == "a1\nb2\n");
    CHECK(s.at_eof());
  });
}

TEST_CASE("stream: any number may wait for the end, one may be cancelled (STREAM-21)",
          "[api][stream][STREAM-21]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    const auto a = create_task(s.wait_closed());
    const auto b = create_task(s.wait_closed());
    co_await turns(2);
    a.cancel();
    const auto how = co_await as_outcome(a);
    CHECK(how.is_cancelled());
    CHECK_FALSE(b.done());
    CHECK_FALSE(s.is_closing());  // total: it only stopped to wait
    s.close();
    co_await b;
  });
}

TEST_CASE("stream: abort closes at once and drops what is unsent (STREAM-22)",
          "[api][stream][STREAM-22]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    const auto writer = create_task(write_all(s, 4 * mib));
    auto reader = create_task(s.read(1));
    co_await turns(3);
    s.abort();
    CHECK(s.is_closing());
    co_await s.wait_closed();
    const std::string end = co_await reader;
    CHECK(end.empty());
    const auto how = co_await as_outcome(writer);
    CHECK(code(how) == -ECONNABORTED);
    CHECK(peer.receive().size() < 4 * mib);
    CHECK(peer.at_end());
    s.abort();
    s.close();
  });
}

TEST_CASE("stream: abort gives up a close that waits for its peer (STREAM-22)",
          "[api][stream][STREAM-22]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();  // which never reads
    s.write_nowait(std::string(4 * mib, 'q'));
    s.close();
    CHECK_THROWS_AS(co_await wait_for(s.wait_closed(), 1ms), timeout_error);
    s.abort();
    co_await s.wait_closed();
  });
}

TEST_CASE("stream: destroyed, it sends what was written and closes", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    s.write_nowait(std::string(4 * mib, 'q'));
    s = stream();
    std::size_t got = 0;
    while (!peer.at_end()) {
      got += peer.receive().size();
      co_await turns(1);
    }
    CHECK(got == 4 * mib);
  });
}

TEST_CASE("stream: destroyed or moved while a task waits at it", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [first, peer] = half_connected();
    std::optional<stream> s(std::move(first));
    auto reader = create_task(s->read(10));
    co_await turns(3);
    stream moved = std::move(*s);  // the read is of what it read from
    s.reset();
    peer.send("abc");
    const std::string all = co_await reader;
    CHECK(all == "abc");
    reader = create_task(moved.read(10));
    const auto writer = create_task(write_all(moved, 4 * mib));
    const auto closed = create_task(moved.wait_closed());
    co_await turns(3);
    moved = stream();
    const std::string end = co_await reader;
    CHECK(end.empty());
    while (!peer.at_end()) {
      static_cast<void>(peer.receive());
      co_await turns(1);
    }
    co_await writer;
    co_await closed;
  });
}

TEST_CASE("stream: one that is connected to nothing", "[api][stream]") {
  stream s;
  CHECK(s.at_eof());
  CHECK(s.is_closing());
  s.close();
  s.abort();
  CHECK_THROWS_AS(s.read(1), invalid_state);
  CHECK_THROWS_AS(s.write_nowait("x"), invalid_state);
  CHECK_THROWS_AS(s.wait_closed(), invalid_state);
  CHECK_THROWS_AS(s.get_extra_info("peername"), invalid_state);
}

TEST_CASE("stream: what it tells of itself", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    const auto [near, far] = test::connected_tcp();
    stream s = test::tcp_stream_over(near);
    stream t = test::tcp_stream_over(far);
    CHECK(s.get_extra_info("peername") == t.get_extra_info("sockname"));
    CHECK(s.get_extra_info("sockname") == t.get_extra_info("peername"));
    CHECK(s.get_extra_info("socket") == std::to_string(near));
    CHECK_FALSE(s.get_extra_info("weather").has_value());
    co_return;
  });
}

TEST_CASE("stream: what it cannot tell of itself any more is nothing, and no error",
          "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    const auto [near, far] = test::connected_tcp();
    stream s = test::tcp_stream_over(near);
    test::reset(far);
    const auto end = co_await as_outcome(s.read(1));
    CHECK(code(end) == -ECONNRESET);
    CHECK_FALSE(s.get_extra_info("peername").has_value());  // the system has forgotten it
    CHECK(s.get_extra_info("sockname").has_value());
    s.close();
    CHECK_FALSE(s.get_extra_info("sockname").has_value());
    const auto ends = runtime::make_pipe();
    const stream plain = test::stream_over(ends.reading);
    CHECK_FALSE(plain.get_extra_info("peername").has_value());
    CHECK(plain.get_extra_info("socket") == std::to_string(ends.reading));
    ::close(ends.writing);
  });
}

TEST_CASE("stream: refused in a task of another loop", "[api][stream]") {
  loop one;
  std::optional<stream> s;
  const auto open = [](std::optional<stream>& to) -> coro<> {
    to.emplace(std::move(half_connected().s));
    co_return;
  };
  one.run_until_complete(open(s));
  loop other;
  const auto use = [](stream& of) -> coro<> {
    const auto how = co_await as_outcome(of.wait_closed());
    CHECK(test::said(how.error()).find("another loop") != std::string::npos);
  };
  other.run_until_complete(use(*s));
}
