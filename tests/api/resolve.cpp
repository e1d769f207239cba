#include "support/busy_pool.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut_io.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/resolve.hpp>
#include <sheaf/run.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace sheaf;
using test::said;

// Loopback names and addresses in text: nobody outside is asked.

TEST_CASE("resolve: an address in text is itself", "[api][resolve]") {
  run([]() -> coro<> {
    const std::vector<address> v4 = co_await resolve("127.0.0.1", 80);
    CHECK(v4 == std::vector{address::ip("127.0.0.1", 80)});
    const std::vector<address> v6 = co_await resolve("::1", 443);
    CHECK(v6 == std::vector{address::ip("::1", 443)});
    CHECK(v6[0].to_string() == "[::1]:443");
    const std::vector<address> named = co_await resolve("127.0.0.1", "http");
    CHECK(named == v4);
    const std::vector<address> numbered = co_await resolve("127.0.0.1", "80");
    CHECK(numbered == v4);
  }());
}

TEST_CASE("resolve: an address keeps its zone", "[api][resolve]") {
  run([]() -> coro<> {
    const std::vector<address> zoned =
        co_await resolve("fe80::1%lo", 7, address_hints().numeric_host());
    REQUIRE(zoned.size() == 1);
    CHECK(zoned[0] == address::ip("fe80::1%lo", 7));
    CHECK_FALSE(zoned[0] == address::ip("fe80::1", 7));
    CHECK(zoned[0].to_string() == "[fe80::1%lo]:7");
    CHECK(address::ip(zoned[0].host(), 7) == zoned[0]);
  }());
}

TEST_CASE("resolve: a name of this machine, each address once", "[api][resolve]") {
  run([]() -> coro<> {
    const std::vector<address> all = co_await resolve("localhost", 1);
    REQUIRE_FALSE(all.empty());
    CHECK(std::ranges::find(all, address::ip("127.0.0.1", 1)) != all.end());
    for (const address& a : all) CHECK(std::ranges::count(all, a) == 1);
    const std::vector<address> v4 = co_await resolve(
        "localhost", 1, address_hints().only(address_hints::family::ipv4));
    for (const address& a : v4) CHECK_FALSE(a.is_ipv6());
  }());
}

TEST_CASE("resolve: no host is the loopback, or any address to bind to",
          "[api][resolve]") {
  run([]() -> coro<> {
    const auto only4 = address_hints().only(address_hints::family::ipv4);
    const std::vector<address> own = co_await resolve("", 9, only4);
    CHECK(own == std::vector{address::ip("127.0.0.1", 9)});
    const std::vector<address> any =
        co_await resolve("", 9, address_hints(only4).passive());
    CHECK(any == std::vector{address::ip("0.0.0.0", 9)});
  }());
}

TEST_CASE("resolve: what is not found is an EAI error with its name", "[api][resolve]") {
  run([]() -> coro<> {
    const auto none =
        co_await as_outcome(resolve("no.such.host", 80, address_hints().numeric_host()));
    CHECK(said(none.error()) ==
          "resolve 'no.such.host': EAI_NONAME: unknown node or service");
    const auto service = co_await as_outcome(resolve("127.0.0.1", "no-such-service"));
    CHECK(said(service.error()).find("EAI_SERVICE") != std::string::npos);
    const auto nul = co_await as_outcome(resolve(std::string("a\0b", 3), 1));
    CHECK(said(nul.error()).find("EINVAL") != std::string::npos);
    const auto neither = co_await as_outcome(resolve("", ""));
    CHECK(said(neither.error()).find("EINVAL") != std::string::npos);
  }());
}

TEST_CASE("reverse_resolve: the name of an address, and of its port", "[api][resolve]") {
  run([]() -> coro<> {
    const host_name name = co_await reverse_resolve(address::ip("127.0.0.1", 80));
    CHECK_FALSE(name.host.empty());
    CHECK(name.service == "http");
    const name_flags figures = name_flags::numeric_host | name_flags::numeric_service;
    const host_name text = co_await reverse_resolve(address::ip("::1", 80), figures);
    CHECK(text.host == "::1");
    CHECK(text.service == "80");
  }());
}

TEST_CASE(
    "resolve: a name takes a thread of libuv's, and does not hold the loop (THREAD-13)",
    "[api][resolve][THREAD-13]") {
  loop l;
  test::busy_pool busy(l);
  const auto asked = l.create_task(resolve("localhost", 80));
  bool ran = false;
  l.call_soon([&ran] { ran = true; });
  for (int i = 0; i < 3; ++i) l.turn();
  CHECK(ran);
  CHECK_FALSE(asked.done());  // no thread is free
  busy.free();
  while (!asked.done()) l.turn();
  CHECK_FALSE(asked.result().empty());
}

TEST_CASE("resolve: cancelled it ends at once, begun or not: total", "[api][resolve]") {
  loop l;
  test::busy_pool busy(l);
  const auto queued = l.create_task(resolve("localhost", 80));
  const auto back = l.create_task(reverse_resolve(address::ip("127.0.0.1", 80)));
  l.turn();
  CHECK(queued.cancel());
  CHECK(back.cancel());
  while (!queued.done() || !back.done()) l.turn();  // although no thread is free
  CHECK(queued.cancelled());
  CHECK(back.cancelled());
}

TEST_CASE("resolve: cut anywhere", "[api][resolve]") {
  test::cut::io_everywhere([](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const std::vector<address> all = co_await resolve("localhost", 80);
    const host_name name = co_await reverse_resolve(all.at(0));
    CHECK_FALSE(name.host.empty());
  });
}
