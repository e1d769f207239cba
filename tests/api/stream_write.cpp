#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>

#include <array>
#include <list>
#include <string>
#include <string_view>
#include <vector>

using namespace sheaf;
using test::event_log;
using test::half_connected;
using test::on_polling_loop;
using test::raw_peer;
using test::turns;

namespace {

constexpr std::size_t mib = 1 << 20;

/// Text of which each byte tells its place.
std::string long_text(std::size_t n) {
  std::string text(n, '?');
  for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

std::array<std::string_view, 3> pieces() { return {"four ", "", "five "}; }

/// Reads at the other end until `n` bytes have come.
coro<std::string> receive(raw_peer& peer, std::size_t n) {
  std::string all;
  while (all.size() < n && !peer.at_end()) {
    all += peer.receive(n - all.size());
    co_await turns(1);
  }
  co_return all;
}

coro<> noted_write(stream& s, std::string bytes, event_log& log, std::string name) {
  co_await s.write(std::move(bytes));
  log.push_back(name);
}
coro<> noted_drain(stream& s, event_log& log, std::string name) {
  co_await s.drain();
  log.push_back(name);
}

}  // namespace

TEST_CASE("stream: writes go out in their order, empty ones are nothing (STREAM-20)",
          "[api][stream][STREAM-20]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    co_await s.write("one ");
    s.write_nowait("two ");
    co_await s.write("");
    s.write_nowait({});
    co_await s.write(std::string("three "));
    co_await s.writelines(pieces());
    co_await s.writelines(std::list<std::string>(1, "six"));
    co_await s.writelines(std::vector<std::string>());
    const std::string all = peer.receive();
    CHECK(all == "one two three four five six");
  }());
}

TEST_CASE("stream: write_nowait never blocks; what does not fit waits here (STREAM-20)",
          "[api][stream][STREAM-20]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    const std::string text = long_text(4 * mib);
    s.write_nowait(std::string_view(text).substr(0, mib));
    CHECK(s.write_buffer_size() > 0);
    for (std::size_t at = mib; at < text.size(); at += 4096) {
      s.write_nowait(std::string_view(text).substr(at, 4096));
    }
    s.write_nowait(std::string());
    CHECK(s.write_buffer_size() > 2 * mib);
    const std::string all = co_await receive(peer, text.size());
    CHECK((all == text));
    CHECK(s.write_buffer_size() == 0);
  });
}

TEST_CASE("stream: what a write was given may go when the call returns",
          "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    const std::string text = long_text(2 * mib);
    std::string given = text;
    auto sent = s.write(std::string_view(given));
    given.assign(given.size(), '!');
    auto reader = create_task(receive(peer, text.size()));
    co_await std::move(sent);
    const std::string all = co_await reader;
    CHECK((all == text));
  });
}

TEST_CASE("stream: a write after close() or write_eof() is refused (STREAM-20)",
          "[api][stream][STREAM-20]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    s.write_eof();
    CHECK(test::thrown_by([&] { s.write_nowait("x"); }) ==
          "stream: write after write_eof()");
    s.close();
    CHECK(test::thrown_by([&] { s.write_nowait("x"); }) == "stream: write after close()");
    CHECK(test::thrown_by([&] { s.write_nowait(""); }) == "stream: write after close()");
    co_return;
  }());
}

TEST_CASE("stream: drain does not wait below the high water mark (STREAM-17)",
          "[api][stream][STREAM-17]") {
  run([]() -> coro<> {
    auto [s, peer] = half_connected();
    CHECK(s.high_water() == 65'536);
    CHECK(s.low_water() == 16'384);
    CHECK(s.drain().await_ready());
    s.set_write_buffer_limits(8 * mib, 0);
    s.write_nowait(long_text(4 * mib));
    CHECK(s.write_buffer_size() > mib);
    CHECK(s.drain().await_ready());
    co_return;
  }());
}

TEST_CASE("stream: a slow peer suspends writers, and all go on in order (STREAM-17)",
          "[api][stream][STREAM-17]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    event_log log;
    auto a = create_task(noted_write(s, long_text(mib), log, "a"));
    auto b = create_task(noted_drain(s, log, "b"));
    auto c = create_task(noted_write(s, long_text(mib), log, "c"));
    auto d = create_task(noted_drain(s, log, "d"));
    co_await turns(20);
    CHECK(log.empty());
    CHECK(s.write_buffer_size() > s.high_water());
    bool low = true;
    std::size_t got = 0;
    while (log.empty()) {
      got += peer.receive(65'536).size();
      low = s.write_buffer_size() <= s.low_water();
      co_await turns(1);
    }
    CHECK(low);  // none goes on before the low water mark
    got += (co_await receive(peer, 2 * mib - got)).size();
    CHECK(got == 2 * mib);
    co_await gather(a, b, c, d);
    CHECK(log == event_log{"a", "b", "c", "d"});
  });
}

TEST_CASE("stream: a write that was cancelled is sent all the same (STREAM-36)",
          "[api][stream][STREAM-36]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    event_log log;
    const std::string text = long_text(mib);
    auto cut = create_task(noted_write(s, text, log, "cut"));
    co_await turns(3);
    CHECK(cut.cancel());
    const auto how = co_await as_outcome(cut);
    CHECK(how.is_cancelled());
    s.write_nowait(" and on");
    const std::string all = co_await receive(peer, text.size() + 7);
    CHECK((all == text + " and on"));
    co_await s.drain();
  });
}

TEST_CASE("stream: high must be at least low; lowering it pauses at once (STREAM-18)",
          "[api][stream][STREAM-18]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    CHECK_THROWS_AS(s.set_write_buffer_limits(10, 11), std::invalid_argument);
    CHECK(s.high_water() == 65'536);
    s.set_write_buffer_limits(8 * mib, mib);
    s.write_nowait(long_text(4 * mib));
    CHECK(s.drain().await_ready());
    s.set_write_buffer_limits(1000, 0);
    CHECK_FALSE(s.drain().await_ready());
    event_log log;
    const auto waits = create_task(noted_drain(s, log, "released"));
    co_await turns(3);
    CHECK(log.empty());
    s.set_write_buffer_limits(8 * mib, 8 * mib);  // raising the low one releases
    co_await waits;
    CHECK(s.write_buffer_size() > mib);
  });
}

TEST_CASE("stream: write_eof ends the sending side after what is queued (STREAM-23)",
          "[api][stream][STREAM-23]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    const std::string text = long_text(mib);
    s.write_nowait(text);
    s.write_nowait("the end");
    s.write_eof();
    s.write_eof();
    const std::string all = co_await receive(peer, 2 * mib);
    CHECK((all == text + "the end"));
    CHECK(peer.at_end());
    peer.send("answer");  // reading goes on
    const std::string answer = co_await s.read(10);
    CHECK(answer == "answer");
    s.close();
    s.write_eof();
    co_await s.wait_closed();
    s.write_eof();
  });
}

TEST_CASE("stream: write_eof at once when nothing is queued (STREAM-23)",
          "[api][stream][STREAM-23]") {
  on_polling_loop([]() -> coro<> {
    auto [s, peer] = half_connected();
    s.write_eof();
    co_await turns(3);
    static_cast<void>(peer.receive());
    CHECK(peer.at_end());
  });
}

TEST_CASE("stream: write_eof of a pipe closes it", "[api][stream]") {
  on_polling_loop([]() -> coro<> {
    const auto ends = runtime::make_pipe();
    stream in = test::stream_over(ends.reading);
    stream out = test::stream_over(ends.writing);
    co_await out.write("all");
    out.write_eof();
    co_await out.wait_closed();
    const std::string all = co_await in.read();
    CHECK(all == "all");
  });
}
