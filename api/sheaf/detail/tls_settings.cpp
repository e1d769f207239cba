#include <sheaf/detail/tls_settings.hpp>
#include <sheaf/detail/tls_text.hpp>
#include <sheaf/runtime/error.hpp>

#include <openssl/err.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stdexcept>

namespace sheaf::detail {

namespace {

void require(bool good, const std::string& what) {
  if (good) return;
  throw tls_error(tls_errc::bad_configuration, what + ": " + take_openssl_reason());
}

/// A session is resumed only in the context that made it, so that one made without a client's
/// certificate opens no context that requires one.
void set_session_id(SSL_CTX* c) {
  static std::atomic<std::uint64_t> last{0};
  const std::uint64_t id = ++last;
  SSL_CTX_set_session_id_context(c, reinterpret_cast<const unsigned char*>(&id),
                                 sizeof id);
}

std::string lower(std::string_view s) {
  std::string out(s);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  return out;
}

/// The name in a client's server_name extension (RFC 6066); empty if there is none.
std::string asked_name(SSL* ssl) {
  const unsigned char* p = nullptr;
  std::size_t n = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1) return {};
  if (n < 5 || p[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = static_cast<std::size_t>(p[3]) << 8 | p[4];
  if (length > n - 5) return {};
  return lower({reinterpret_cast<const char*>(p) + 5, length});
}

int number_of(tls_version v) {
  return v == tls_version::v1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

}  // namespace

tls_settings::tls_settings(bool server)
    : context_(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method())),
      server_(server),
      verify_(!server) {
  require(context_ != nullptr, "tls_context");
  SSL_CTX* const c = context_.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // A connection at rest gives its 34 KiB of records back.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Servers resume by tickets, which need no memory here.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  set_session_id(c);
  verify(verify_);
}

void tls_settings::load_cert_chain(const std::string& certificates,
                                   const std::string& key) {
  ERR_clear_error();
  SSL_CTX* const c = context_.get();
  require(SSL_CTX_use_certificate_chain_file(c, certificates.c_str()) == 1,
          "load_cert_chain '" + certificates + "'");
  require(SSL_CTX_use_PrivateKey_file(c, key.c_str(), SSL_FILETYPE_PEM) == 1,
          "load_cert_chain '" + key + "'");
}

void tls_settings::load_verify_locations(const std::string& file) {
  ERR_clear_error();
  SSL_CTX* const c = context_.get();
  require(SSL_CTX_load_verify_file(c, file.c_str()) == 1,
          "load_verify_locations '" + file + "'");
  own_authorities_ = true;
  // What is in the file is trusted, also if it is no root.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c), X509_V_FLAG_PARTIAL_CHAIN);
  if (server_) SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(file.c_str()));
}

void tls_settings::verify(bool on) {
  if (server_ && on) {
    throw invalid_state("tls_context: a server verifies with client_certificates()");
  }
  verify_ = on;
  SSL_CTX_set_verify(context_.get(), on ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
}

void tls_settings::ask_clients(client_certificates what) {
  require_server("client_certificates()");
  verify_ = what != client_certificates::none;
  int mode = verify_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
  if (what == client_certificates::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context_.get(), mode, nullptr);
}

void tls_settings::alpn(const std::vector<std::string>& protocols) {
  std::string all;
  for (const std::string& p : protocols) {
    if (p.empty() || p.size() > 255) {
      throw std::invalid_argument("alpn: a protocol's name has 1 to 255 bytes");
    }
    all += static_cast<char>(p.size());
    all += p;
  }
  protocols_ = std::move(all);
  if (server_) {
    SSL_CTX_set_alpn_select_cb(context_.get(),
                               protocols_.empty() ? nullptr : on_protocols, this);
    return;
  }
  // 0 is success here.
  require(SSL_CTX_set_alpn_protos(
              context_.get(), reinterpret_cast<const unsigned char*>(protocols_.data()),
              static_cast<unsigned>(protocols_.size())) == 0,
          "alpn");
}

int tls_settings::on_protocols(SSL*, const unsigned char** out, unsigned char* out_size,
                               const unsigned char* in, unsigned in_size,
                               void* self) noexcept {
  const std::string& ours = static_cast<const tls_settings*>(self)->protocols_;
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(
      &chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
      static_cast<unsigned>(ours.size()), in, in_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_settings::minimum_version(tls_version v) {
  require(SSL_CTX_set_min_proto_version(context_.get(), number_of(v)) == 1,
          "minimum_version");
}

void tls_settings::maximum_version(tls_version v) {
  require(SSL_CTX_set_max_proto_version(context_.get(), number_of(v)) == 1,
          "maximum_version");
}

// ---- by name ---------------------------------------------------------------------------

void tls_settings::require_server(const char* what) const {
  if (!server_)
    throw invalid_state(std::string("tls_context: ") + what + " is a server's");
}

void tls_settings::for_name(const std::string& name, const tls_context& context) {
  require_server("for_name()");
  context.settings().require_server("for_name()'s context");
  names_.insert_or_assign(lower(name), context);
  SSL_CTX_set_client_hello_cb(context_.get(), on_client_hello, nullptr);
}

void tls_settings::choose_by(tls_context::chooser f) {
  require_server("sni_callback()");
  chooser_ = std::move(f);
  SSL_CTX_set_client_hello_cb(context_.get(), on_client_hello, nullptr);
}

std::optional<tls_context> tls_settings::chosen_for(const std::string& name) const {
  auto found = names_.find(name);
  if (const auto dot = name.find('.');
      found == names_.end() && dot != std::string::npos) {
    std::string wildcard(1, '*');
    wildcard.append(name, dot);
    found = names_.find(wildcard);
  }
  if (found != names_.end()) return found->second;
  if (chooser_) return chooser_(name);
  return {};
}

// Called before OpenSSL looks for a session to resume, unlike the server_name callback: a
// session of one name must not let a client into another (CVE-2025-23419).
int tls_settings::on_client_hello(SSL* ssl, int* alert, void*) noexcept {
  auto* const choice = static_cast<tls_choice*>(SSL_get_app_data(ssl));
  const tls_context* const other = choice->choose(asked_name(ssl));
  if (choice->refused()) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }
  if (other) other->settings().take_over(ssl);
  return SSL_CLIENT_HELLO_SUCCESS;
}

// SSL_set_SSL_CTX takes over the certificates and the authorities alone, and the session's
// name if it was the old context's.
void tls_settings::take_over(SSL* ssl) const noexcept {
  SSL_set_SSL_CTX(ssl, context_.get());
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context_.get()), nullptr);
  SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(context_.get()));
  SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(context_.get()));
  X509_VERIFY_PARAM_set_flags(
      SSL_get0_param(ssl),
      X509_VERIFY_PARAM_get_flags(SSL_CTX_get0_param(context_.get())));
}

// ---- use -------------------------------------------------------------------------------

void tls_settings::load_authorities() {
  if (own_authorities_ || !verify_) return;
  if (server_) {
    throw invalid_state(
        "tls_context: client_certificates() needs load_verify_locations(), which says "
        "whose certificates are taken");
  }
  require(SSL_CTX_set_default_verify_paths(context_.get()) == 1,
          "the system's authorities");
}

ssl_ptr tls_settings::make_ssl() {
  ERR_clear_error();
  std::call_once(authorities_, [this] { load_authorities(); });
  ssl_ptr ssl(SSL_new(context_.get()));
  require(ssl != nullptr, "tls");
  return ssl;
}

}  // namespace sheaf::detail
