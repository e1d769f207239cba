#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut.hpp"
#include "support/stream_pair.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/wait_for.hpp>

#include <array>
#include <filesystem>
#include <string>

using namespace sheaf;
using test::connected_streams;
using test::half_connected;
using test::polling_loop;
using test::turns;
using test::cut::lives;
using test::cut::witness;

namespace {

constexpr std::size_t much = 600'000;  // more than the system takes at once

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

/// Cuts a scenario everywhere; no descriptor is left open.
void everywhere(const test::cut::scenario& s) {
  const runtime::sigpipe_guard no_signal;
  static_cast<void>(polling_loop());  // the first loop opens what libuv keeps
  const auto before = open_descriptors();
  test::cut::everywhere(s);
  CHECK(open_descriptors() == before);
}

coro<> write_lines(lives& l, stream s) {
  const witness w(l);
  s.set_write_buffer_limits(100, 10);
  for (int i = 0; i < 3; ++i) co_await s.write("a line\n");
  co_await s.write(std::string(much, 'x') + "\n");
  s.write_eof();
  const std::string answer = co_await s.read();
  CHECK(answer == "thanks");
}

coro<> read_lines(lives& l, stream s) {
  const witness w(l);
  std::array<char, 9> room;
  const std::size_t n = co_await s.read_some(room);
  std::string all(room.data(), n);
  all += co_await s.readline();
  all += co_await s.readexactly(2);
  all += co_await s.readuntil("\n");
  co_await test::batches(3);
  all += co_await s.read();
  CHECK(all.size() == 3 * 7 + much + 1);
  co_await s.write("thanks");
  s.close();
  co_await s.wait_closed();
}

}  // namespace

TEST_CASE("stream: reads and writes may be cut off at any batch", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto [near, far] = connected_streams();
    co_await gather(write_lines(l, std::move(near)), read_lines(l, std::move(far)));
  });
}

TEST_CASE("stream: may be cut off with a close that is still sending", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto [near, far] = connected_streams();
    near.write_nowait(std::string(much, 'x'));
    near.close();
    auto waits = create_task(near.wait_closed());
    near = stream();  // it goes on by itself
    const std::string all = co_await far.read();
    CHECK(all.size() == much);
    co_await waits;
  });
}

TEST_CASE("stream: may be cut off with an abort", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto [near, far] = connected_streams();
    const auto writes = [](lives& all, stream& s) -> coro<> {
      const witness v(all);
      co_await s.write(std::string(much, 'x'));
    };
    auto writer = create_task(writes(l, near));
    auto reader = create_task(near.read());
    co_await test::batches(2);
    near.abort();
    co_await test::batches(1);
    const auto how = co_await as_outcome(writer);
    CHECK_FALSE(how.has_value());
    static_cast<void>(co_await reader);
    static_cast<void>(co_await far.read());
  });
}

TEST_CASE("stream: may be cut off with time limits on its waits", "[api][cut]") {
  everywhere([](lives& l) -> coro<> {
    const witness w(l);
    auto [near, far] = connected_streams();
    bool late = false;
    try {
      static_cast<void>(co_await wait_for(near.readline(), test::milliseconds(0)));
    } catch (const timeout_error&) {
      late = true;
    }
    CHECK(late);
    far.write_nowait("now\n");
    const std::string line = co_await wait_for(near.readline(), std::nullopt);
    CHECK(line == "now\n");
  });
}

namespace {

enum class kind { read, read_some, exactly, line, until };

coro<std::string> one_read(stream& s, kind k) {
  if (k == kind::read) co_return co_await s.read(3);
  if (k == kind::exactly) co_return co_await s.readexactly(5);
  if (k == kind::line) co_return co_await s.readline();
  if (k == kind::until) co_return co_await s.readuntil("==");
  std::array<char, 4> room;
  const std::size_t n = co_await s.read_some(room);
  co_return std::string(room.data(), n);
}

coro<> read_on(stream& s, kind k, std::string& all) {
  for (int i = 0; i < 8; ++i) {
    const std::string piece = co_await one_read(s, k);
    all += piece;
  }
}

coro<> send_pieces(test::raw_peer& peer) {
  for (const char* piece :
       {"a==b\nc", "=", "=defghij\n", "k", "l==m\n", "n==\n==\n==\n"}) {
    peer.send(piece);
    co_await turns(2);
  }
}

/// A reader is cancelled after `n` batches, and another one reads the rest.
coro<bool> cut_reader(kind k, int n) {
  auto [s, peer] = half_connected();
  std::string all;
  const auto cut = create_task(read_on(s, k, all));
  const auto sender = create_task(send_pieces(peer));
  co_await turns(n);
  const bool was_cut = cut.cancel();
  static_cast<void>(co_await as_outcome(cut));
  co_await sender;
  peer.close();
  all += co_await s.read();
  INFO("after " << n << " batches");
  CHECK(all == "a==b\nc==defghij\nkl==m\nn==\n==\n==\n");
  co_return was_cut;
}

}  // namespace

TEST_CASE("stream: a reader cut off at any batch loses no byte (STREAM-13, STREAM-36)",
          "[api][cut][STREAM-13][STREAM-36]") {
  for (const kind k :
       {kind::read, kind::read_some, kind::exactly, kind::line, kind::until}) {
    int n = 0;
    for (bool was_cut = true; was_cut && n < 100; ++n) {
      polling_loop l;
      was_cut = l.run_until_complete(cut_reader(k, n));
    }
    CHECK(n > 5);
  }
}

TEST_CASE("stream: a loop destroyed with open streams, readers and writes in flight",
          "[api][stream]") {
  static_cast<void>(polling_loop());
  const auto before = open_descriptors();
  std::optional<stream> kept;
  std::optional<test::raw_peer> peer;
  {
    polling_loop l;
    l.set_exception_handler([](const exception_context&) {});
    l.run_until_complete(
        [](std::optional<stream>& s, std::optional<test::raw_peer>& p) -> coro<> {
          auto [open, other] = half_connected();
          open.write_nowait(std::string(much, 'x'));
          auto [closing, third] = half_connected();
          closing.write_nowait(std::string(much, 'x'));
          closing.close();
          s.emplace(std::move(open));
          p.emplace(std::move(other));
          co_return;
        }(kept, peer));
    const auto reader = l.create_task(kept->read());
    const auto writer = l.create_task(kept->drain());
    const auto closer = l.create_task(kept->wait_closed());
    for (int i = 0; i < 3; ++i) l.turn();
    CHECK_FALSE(reader.done());
  }
  // Nothing of it moves any more, and nothing crashes.
  CHECK_FALSE(kept->at_eof());
  CHECK(kept->is_closing());
  CHECK(test::code_thrown_by([&] { kept->write_nowait("x"); }) == -ECANCELED);
  kept->close();
  kept.reset();
  peer.reset();
  CHECK(open_descriptors() == before);
}
