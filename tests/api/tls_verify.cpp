#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/tls_pair.hpp"

#include <sheaf/run.hpp>

#include <stdexcept>
#include <string>

using namespace sheaf;
using test::certificate;
using test::client_context;
using test::handshake;
using test::handshake_ends;
using test::plan_for;
using test::server_context;

namespace {

tls_context server_with(const certificate& c) {
  return tls_context::server(c.file(), c.key_file());
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("tls: a client trusts the authorities it was given", "[api][tls]") {
  const handshake_ends ends = run(handshake(client_context(), server_context()));
  CHECK(ends.client == "ok");
  CHECK(ends.server == "ok");
}

TEST_CASE("tls: an authority nobody named is refused", "[api][tls]") {
  const handshake_ends ends = run(handshake(tls_context::client(), server_context()));
  CHECK(ends.client_code == tls_errc::verify_failed);
  CHECK(has(ends.client,
            "certificate verify failed: unable to get local issuer certificate"));
  // The server hears why, from the client's alert.
  CHECK(ends.server_code == tls_errc::handshake_failed);
  CHECK(has(ends.server, "unknown ca"));
}

TEST_CASE(
    "tls: a certificate that signed itself is refused, and taken where it is trusted",
    "[api][tls]") {
  const certificate own(plan_for("localhost", "DNS:localhost"), nullptr);
  const handshake_ends no = run(handshake(client_context(), server_with(own)));
  CHECK(no.client_code == tls_errc::verify_failed);
  CHECK(has(no.client, "certificate verify failed: self"));
  const handshake_ends yes = run(handshake(
      tls_context::client().load_verify_locations(own.file()), server_with(own)));
  CHECK(yes.client == "ok");
}

TEST_CASE("tls: another host's certificate is refused", "[api][tls]") {
  const certificate other(plan_for("example.org", "DNS:example.org"), &test::authority());
  const handshake_ends ends = run(handshake(client_context(), server_with(other)));
  CHECK(ends.client_code == tls_errc::verify_failed);
  CHECK(has(ends.client,
            "certificate verify failed: hostname mismatch, it is not valid for "
            "'localhost'"));
}

TEST_CASE("tls: an address is looked for among the certificate's addresses",
          "[api][tls]") {
  tls_options to_address;
  to_address.server_hostname("127.0.0.1");
  CHECK(run(handshake(client_context(), server_context(), to_address)).client == "ok");
  to_address.server_hostname("127.0.0.2");
  const handshake_ends no =
      run(handshake(client_context(), server_context(), to_address));
  CHECK(no.client_code == tls_errc::verify_failed);
  CHECK(has(no.client, "IP address mismatch, it is not valid for '127.0.0.2'"));
}

TEST_CASE("tls: a certificate is good only in its time", "[api][tls]") {
  certificate::plan p = plan_for("localhost", "DNS:localhost");
  p.until = -60;
  const certificate expired(p, &test::authority());
  const handshake_ends late = run(handshake(client_context(), server_with(expired)));
  CHECK(late.client_code == tls_errc::verify_failed);
  CHECK(has(late.client, "certificate verify failed: certificate has expired"));
  CHECK(has(late.server, "certificate expired"));

  p.from = 60;
  p.until = 3600;
  const certificate early(p, &test::authority());
  CHECK(
      has(run(handshake(client_context(), server_with(early))).client, "not yet valid"));
}

TEST_CASE("tls: verify(false) takes anything", "[api][tls]") {
  const certificate own(plan_for("example.org", ""), nullptr);
  const tls_context careless = tls_context::client().verify(false);
  CHECK(run(handshake(careless, server_with(own))).client == "ok");
  CHECK(run(handshake(careless, server_with(own), tls_options())).client == "ok");
}

TEST_CASE("tls: a client that verifies must say whom it expects", "[api][tls]") {
  const handshake_ends ends =
      run(handshake(client_context(), server_context(), tls_options()));
  CHECK(has(ends.client, "server_hostname(name)"));
  tls_options cut_short;
  cut_short.server_hostname(std::string("localhost\0.evil.test", 20));
  CHECK(has(run(handshake(client_context(), server_context(), cut_short)).client, "NUL"));
}

TEST_CASE("tls: without a list of its own a client trusts the system's authorities",
          "[api][tls]") {
  const test::environment trusted("SSL_CERT_FILE", test::authority().file().c_str());
  CHECK(run(handshake(tls_context::client(), server_context())).client == "ok");
  // And with one, not: the authority of the system is none of this client's.
  const certificate other(plan_for("other", ""), nullptr);
  const tls_context narrow = tls_context::client().load_verify_locations(other.file());
  CHECK(run(handshake(narrow, server_context())).client_code == tls_errc::verify_failed);
}

// ---- clients' certificates -------------------------------------------------------------

TEST_CASE("tls: a server may require a certificate of its clients", "[api][tls]") {
  const tls_context server = server_context()
                                 .load_verify_locations(test::authority().file())
                                 .client_certificates(client_certificates::required);
  const handshake_ends none = run(handshake(client_context(), server));
  CHECK(none.server_code == tls_errc::handshake_failed);
  CHECK(has(none.server, "peer did not return a certificate"));
  CHECK(none.client_code == tls_errc::broken);  // in TLS 1.3 it learns later
  CHECK(has(none.client, "certificate required"));

  const certificate good(plan_for("a client", ""), &test::authority());
  const tls_context with = client_context().load_cert_chain(good.file(), good.key_file());
  CHECK(run(handshake(with, server)).server == "ok");

  const certificate bad(plan_for("a stranger", ""), nullptr);
  const tls_context strange =
      client_context().load_cert_chain(bad.file(), bad.key_file());
  const handshake_ends refused = run(handshake(strange, server));
  CHECK(refused.server_code == tls_errc::verify_failed);
  CHECK(has(refused.server, "certificate verify failed: self"));
}

TEST_CASE("tls: an optional certificate may be missing but not bad", "[api][tls]") {
  const tls_context server = server_context()
                                 .load_verify_locations(test::authority().file())
                                 .client_certificates(client_certificates::optional);
  CHECK(run(handshake(client_context(), server)).server == "ok");
  const certificate bad(plan_for("a stranger", ""), nullptr);
  const tls_context strange =
      client_context().load_cert_chain(bad.file(), bad.key_file());
  CHECK(run(handshake(strange, server)).server_code == tls_errc::verify_failed);
}

TEST_CASE("tls: a server that asks for certificates says whose", "[api][tls]") {
  const tls_context server =
      server_context().client_certificates(client_certificates::required);
  CHECK(has(run(handshake(client_context(), server)).server, "load_verify_locations()"));
}

// ---- configuration ---------------------------------------------------------------------

TEST_CASE("tls: what OpenSSL does not take is an error at once, with its file",
          "[api][tls]") {
  const certificate& good = test::local_certificate();
  const certificate other(plan_for("other", ""), nullptr);
  const auto code_of = [](auto&& f) {
    try {
      f();
    } catch (const tls_error& e) {
      return std::make_pair(e.code(), std::string(e.what()));
    }
    return std::make_pair(std::error_code(), std::string("nothing"));
  };
  const auto [missing, missing_text] =
      code_of([] { tls_context::server("/no/such.pem", "/no/such.key"); });
  CHECK(missing == tls_errc::bad_configuration);
  CHECK(missing_text == "load_cert_chain '/no/such.pem': No such file or directory");
  const auto [crossed, crossed_text] =
      code_of([&] { tls_context::server(good.file(), other.key_file()); });
  CHECK(crossed == tls_errc::bad_configuration);
  CHECK(has(crossed_text, "key values mismatch"));
  const auto [empty, empty_text] =
      code_of([] { tls_context::client().load_verify_locations("/dev/null"); });
  CHECK(empty == tls_errc::bad_configuration);
  CHECK(has(empty_text, "load_verify_locations '/dev/null'"));

  CHECK_THROWS_AS(server_context().verify(true), invalid_state);
  CHECK_THROWS_AS(client_context().client_certificates(client_certificates::optional),
                  invalid_state);
  CHECK_THROWS_AS(client_context().for_name("a", server_context()), invalid_state);
  CHECK_THROWS_AS(server_context().for_name("a", client_context()), invalid_state);
  CHECK_THROWS_AS(client_context().alpn({""}), std::invalid_argument);
  CHECK_THROWS_AS(tls_options().handshake_timeout({}), std::invalid_argument);
  CHECK_THROWS_AS(tls_options().shutdown_timeout(std::chrono::seconds(-1)),
                  std::invalid_argument);
}

TEST_CASE("tls: errors have a category of their own", "[api][tls]") {
  const std::error_code e = tls_errc::timed_out;
  CHECK(std::string(e.category().name()) == "tls");
  CHECK(e == std::errc::timed_out);
  CHECK(e.message() == "TLS handshake timed out");
  const tls_error copy = tls_error(tls_errc::truncated, "text");
  CHECK(std::string(copy.what()) == "text");
}

// ---- versions --------------------------------------------------------------------------

TEST_CASE("tls: versions that do not meet are a failed handshake", "[api][tls]") {
  const tls_context old = client_context().maximum_version(tls_version::v1_2);
  const tls_context modern = server_context().minimum_version(tls_version::v1_3);
  const handshake_ends ends = run(handshake(old, modern));
  CHECK(ends.client_code == tls_errc::handshake_failed);
  CHECK(has(ends.client, "alert protocol version"));
  CHECK(ends.server_code == tls_errc::handshake_failed);
  CHECK(has(ends.server, "unsupported protocol"));
  CHECK(run(handshake(old, server_context())).client == "ok");
}
