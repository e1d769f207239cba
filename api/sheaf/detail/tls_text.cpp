#include <sheaf/detail/tls_text.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <system_error>

namespace sheaf::detail {

namespace {

struct free_bio {
  void operator()(BIO* b) const noexcept { BIO_free(b); }
};
struct free_certificate {
  void operator()(X509* c) const noexcept { X509_free(c); }
};
using bio_ptr = std::unique_ptr<BIO, free_bio>;
using certificate_ptr = std::unique_ptr<X509, free_certificate>;

std::string text_in(BIO* b) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(b, &data);
  return n > 0 ? std::string(data, static_cast<std::size_t>(n)) : std::string();
}

std::string pem_of(X509* c) {
  const bio_ptr b(BIO_new(BIO_s_mem()));
  if (b) PEM_write_bio_X509(b.get(), c);
  return text_in(b.get());
}

std::string subject_of(X509* c) {
  const bio_ptr b(BIO_new(BIO_s_mem()));
  if (b) X509_NAME_print_ex(b.get(), X509_get_subject_name(c), 0, XN_FLAG_RFC2253);
  return text_in(b.get());
}

std::optional<std::string> peer_certificate(SSL* ssl, std::string (*as)(X509*)) {
  const certificate_ptr c(SSL_get1_peer_certificate(ssl));
  if (!c) return {};
  return as(c.get());
}

std::optional<std::string> protocol_of(SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &name, &length);
  if (length == 0) return {};
  return std::string(reinterpret_cast<const char*>(name), length);
}

std::optional<std::string> text_or_nothing(const char* s) {
  if (!s) return {};
  return s;
}

}  // namespace

std::string take_openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) {
    return std::generic_category().message(ERR_GET_REASON(code));
  }
  const char* const reason = ERR_reason_error_string(code);
  return reason ? reason : "error " + std::to_string(ERR_GET_REASON(code));
}

std::optional<std::string> tls_info(SSL* ssl, std::string_view what) {
  if (what == "ssl_object") return std::to_string(reinterpret_cast<std::uintptr_t>(ssl));
  if (what == "tls_version") return text_or_nothing(SSL_get_version(ssl));
  if (what == "cipher") return text_or_nothing(SSL_get_cipher_name(ssl));
  if (what == "alpn") return protocol_of(ssl);
  if (what == "peercert") return peer_certificate(ssl, pem_of);
  if (what == "peercert_subject") return peer_certificate(ssl, subject_of);
  if (what == "server_hostname") {
    return text_or_nothing(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  }
  return {};
}

}  // namespace sheaf::detail
