#include "support/catch.hpp"
#include "support/tls_pair.hpp"
#include "support/tls_visitor.hpp"

#include <fcntl.h>

#include <sheaf/run.hpp>
#include <sheaf/task.hpp>
#include <sheaf/to_thread.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace sheaf;
using test::both_ends;
using test::certificate;
using test::client_context;
using test::handshake;
using test::handshake_ends;
using test::plan_for;
using test::server_context;
using test::tls_pair;

namespace {

using text = std::optional<std::string>;

struct agreed {
  text client;
  text server;
};

coro<agreed> info_of(std::string what, tls_context client, tls_context server) {
  const both_ends p = co_await tls_pair(client, server);
  agreed a;
  a.client = p.client.get_extra_info(what);
  a.server = p.server.get_extra_info(what);
  co_return a;
}

tls_options to(std::string name) {
  tls_options o;
  o.server_hostname(std::move(name));
  return o;
}

coro<std::string> subject_at(tls_context server, std::string name,
                             tls_context client = client_context().verify(false)) {
  const both_ends p = co_await tls_pair(client, server, to(name));
  co_return p.client.get_extra_info("peercert_subject").value_or("none");
}

const certificate& certificate_of(const std::string& name) {
  static const certificate one(plan_for("one.test", "DNS:one.test"), &test::authority());
  static const certificate two(plan_for("*.two.test", "DNS:*.two.test"),
                               &test::authority());
  return name == "one" ? one : two;
}

tls_context context_of(const std::string& name) {
  return tls_context::server(certificate_of(name).file(),
                             certificate_of(name).key_file());
}

}  // namespace

// ---- ALPN ------------------------------------------------------------------------------

TEST_CASE("tls: the server's best protocol that the client speaks is agreed on",
          "[api][tls]") {
  const tls_context client = client_context().alpn({"http/1.1", "h2"});
  const tls_context server = server_context().alpn({"h2", "http/1.1"});
  const agreed both = run(info_of("alpn", client, server));
  CHECK(both.client == text("h2"));
  CHECK(both.server == text("h2"));
  CHECK_FALSE(run(info_of("alpn", client, server_context())).client);
  CHECK_FALSE(run(info_of("alpn", client_context(), server)).server);
}

TEST_CASE("tls: with no protocol in common the handshake fails", "[api][tls]") {
  const handshake_ends ends =
      run(handshake(client_context().alpn({"h3"}), server_context().alpn({"h2"})));
  CHECK(ends.client_code == tls_errc::handshake_failed);
  CHECK(ends.client.find("no application protocol") != std::string::npos);
}

// ---- SNI -------------------------------------------------------------------------------

TEST_CASE("tls: a server shows the certificate of the name it is asked for",
          "[api][tls]") {
  const tls_context server = server_context()
                                 .for_name("One.test", context_of("one"))
                                 .for_name("*.two.test", context_of("two"));
  CHECK(run(subject_at(server, "one.test")) == "CN=one.test");
  CHECK(run(subject_at(server, "ONE.TEST")) == "CN=one.test");
  CHECK(run(subject_at(server, "a.two.test")) == "CN=*.two.test");
  CHECK(run(subject_at(server, "a.b.two.test")) == "CN=localhost");
  CHECK(run(subject_at(server, "three.test")) == "CN=localhost");
  CHECK(run(subject_at(server, "")) == "CN=localhost");
  // And a client that verifies is content with it.
  CHECK(run(subject_at(server, "one.test", client_context())) == "CN=one.test");
}

TEST_CASE("tls: the context of a name brings its protocols and its versions",
          "[api][tls]") {
  const tls_context one =
      context_of("one").alpn({"h2"}).maximum_version(tls_version::v1_2);
  const tls_context server =
      server_context().alpn({"http/1.1"}).for_name("one.test", one);
  const tls_context client = client_context().alpn({"h2", "http/1.1"});
  const auto seen = [](tls_context c, tls_context s) -> coro<std::string> {
    const both_ends p = co_await tls_pair(c, s, to("one.test"));
    CHECK(p.server.get_extra_info("server_hostname") == text("one.test"));
    co_return p.client.get_extra_info("alpn").value_or("none") + " " +
        p.client.get_extra_info("tls_version").value_or("none");
  };
  CHECK(run(seen(client, server)) == "h2 TLSv1.2");
}

TEST_CASE("tls: the context of a name brings its trust and what it takes for an end",
          "[api][tls]") {
  // No root, and trusted all the same, since it is in the file.
  const certificate known(plan_for("a client", ""), &test::authority());
  const tls_context one = context_of("one")
                              .load_verify_locations(known.file())
                              .client_certificates(client_certificates::required)
                              .suppress_ragged_eofs();
  const tls_context server = server_context().for_name("one.test", one);
  const tls_context client =
      client_context().load_cert_chain(known.file(), known.key_file());
  const handshake_ends ends = run(handshake(client, server, to("one.test")));
  CHECK(ends.server == "ok");
  const auto cut_off = [](tls_context c, tls_context s) -> coro<> {
    both_ends p = co_await tls_pair(c, s, to("one.test"));
    co_await p.client.write("all of it");
    // Nothing may be left that the client has not read, such as tickets: the system then makes
    // its end a reset, of which libuv tells since 1.52.
    co_await p.server.write(".");
    const std::string read = co_await p.client.readexactly(1);
    CHECK(read == ".");
    p.client.abort();
    const std::string got = co_await p.server.read();
    CHECK(got == "all of it");
  };
  run(cut_off(client, server));
}

TEST_CASE("tls: a function may choose by name, or refuse", "[api][tls]") {
  std::string asked;
  const tls_context server = server_context().sni_callback(
      [&asked](const std::string& name) -> std::optional<tls_context> {
        asked += name + ";";
        if (name == "one.test") return context_of("one");
        if (name == "bad.test") throw std::runtime_error("no such name here");
        return std::nullopt;
      });
  CHECK(run(subject_at(server, "one.test")) == "CN=one.test");
  CHECK(run(subject_at(server, "two.test")) == "CN=localhost");
  CHECK(run(subject_at(server, "")) == "CN=localhost");
  CHECK(asked == "one.test;two.test;;");
  const handshake_ends refused =
      run(handshake(client_context().verify(false), server, to("bad.test")));
  CHECK(refused.server == "no such name here");
  CHECK(refused.client.find("unrecognized name") != std::string::npos);
}

// ---- sessions --------------------------------------------------------------------------

namespace {

coro<> serve_one(stream s, tls_context server) {
  co_await s.start_tls(server);
  co_await s.write("x");
  co_await s.read();
}

coro<std::string> visits(tls_context server, std::vector<const char*> names) {
  test::tls_visitor v;
  std::string all;
  for (const char* name : names) {
    const auto ends = runtime::make_socket_pair();
    ::fcntl(ends.first, F_SETFL, 0);  // blocking
    auto served = create_task(serve_one(test::stream_over(ends.second), server));
    const auto go = [&v, name, fd = ends.first] { return v.visit(fd, name); };
    all += co_await to_thread(go) + " ";
    static_cast<void>(co_await as_outcome(served));
  }
  co_return all;
}

}  // namespace

TEST_CASE("tls: a session is resumed by a ticket, in the context that made it alone",
          "[api][tls]") {
  for (const tls_version v : {tls_version::v1_2, tls_version::v1_3}) {
    INFO("version " << static_cast<int>(v));
    const tls_context open = server_context().maximum_version(v);
    CHECK(run(visits(open, {"a.test", "a.test"})) == "full resumed ");

    // One of the open name must not open the one that asks for certificates.
    const tls_context closed = context_of("one")
                                   .maximum_version(v)
                                   .load_verify_locations(test::authority().file())
                                   .client_certificates(client_certificates::required);
    const tls_context both =
        server_context().maximum_version(v).for_name("one.test", closed);
    CHECK(run(visits(both, {"a.test", "a.test", "one.test"})) == "full resumed refused ");
  }
}
