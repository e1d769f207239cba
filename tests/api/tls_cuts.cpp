#include "support/catch.hpp"
#include "support/cut_io.hpp"
#include "support/tls_pair.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>

#include <string>

using namespace sheaf;
using test::both_ends;
using test::plain_pair;
using test::to_localhost;
namespace cut = test::cut;

namespace {

// Made once: reading certificates is no part of what is cut.
const tls_context& client() {
  static const tls_context c = test::client_context();
  return c;
}
const tls_context& server() {
  static const tls_context c = test::server_context();
  return c;
}

coro<> ask(cut::lives& l, stream& s) {
  const cut::witness w(l);
  co_await s.start_tls(client(), to_localhost());
  co_await s.write(std::string(100'000, 'q'));
  s.write_eof();
  co_await s.read();
  s.close();
  co_await s.wait_closed();
}

coro<> answer(cut::lives& l, stream& s) {
  const cut::witness w(l);
  co_await s.start_tls(server());
  const std::string asked = co_await s.read();
  co_await s.write(asked);
  s.close();
  co_await s.wait_closed();
}

coro<> talk(cut::lives& l) {
  const cut::witness w(l);
  both_ends p = plain_pair();
  co_await gather(ask(l, p.client), answer(l, p.server));
}

/// The peer reads, and goes.
coro<> go(cut::lives& l, stream& s) {
  const cut::witness w(l);
  co_await s.readexactly(200);
  s.abort();
}
coro<> shake(cut::lives& l, stream& s) {
  const cut::witness w(l);
  const outcome<> o = co_await as_outcome(s.start_tls(client(), to_localhost()));
  if (o.is_cancelled()) std::rethrow_exception(o.error());
  CHECK_FALSE(o.has_value());
}
coro<> alone(cut::lives& l) {
  both_ends p = plain_pair();
  co_await gather(shake(l, p.client), go(l, p.server));
}

/// Leaves while the peer's end has not come.
coro<> leave(cut::lives& l, stream& one, stream& other) {
  const cut::witness w(l);
  co_await gather(one.start_tls(client(), to_localhost()), other.start_tls(server()));
  one = stream();
  co_await other.read();
}
coro<> left(cut::lives& l) {
  both_ends p = plain_pair();
  co_await leave(l, p.client, p.server);
}

}  // namespace

TEST_CASE("tls: a conversation is cut off at every batch", "[api][tls]") {
  const runtime::sigpipe_guard no_signal;  // as run() has it: the other side may be gone
  cut::io_everywhere(talk);
}

TEST_CASE("tls: a handshake that nobody answers is cut off at every batch",
          "[api][tls]") {
  const runtime::sigpipe_guard no_signal;
  cut::io_everywhere(alone);
}

TEST_CASE("tls: a stream that waits for its peer's end is cut off at every batch",
          "[api][tls]") {
  const runtime::sigpipe_guard no_signal;
  cut::io_everywhere(left);
}
