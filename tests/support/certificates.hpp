#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "catch.hpp"
#include "scratch_file.hpp"

#include <cstdio>
#include <memory>
#include <string>

// Certificates made for a test, with keys on P-256, in files that are gone when it ends.
namespace test {

struct free_openssl {
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(X509_EXTENSION* p) const noexcept { X509_EXTENSION_free(p); }
  void operator()(std::FILE* p) const noexcept { std::fclose(p); }
};
template <class T>
using openssl_ptr = std::unique_ptr<T, free_openssl>;

/// A certificate with its key. Signed by another, or by itself.
class certificate {
 public:
  /// What one is made of: a name, and how long it is good for, in seconds from now.
  struct plan {
    explicit plan(std::string n) : common_name(std::move(n)) {}
    std::string common_name;
    std::string alternatives;  // "DNS:localhost,IP:127.0.0.1"
    bool authority = false;
    long from = -3600;
    long until = 3600;
  };

  certificate(const plan& p, const certificate* signer)
      : key_(EVP_EC_gen("P-256")), x509_(X509_new()) {
    static long serial = 0;
    X509* const c = x509_.get();
    REQUIRE((key_ && c));
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c), p.from);
    X509_gmtime_adj(X509_getm_notAfter(c), p.until);
    X509_set_pubkey(c, key_.get());
    add_name(p.common_name);
    X509* const by = signer ? signer->x509_.get() : c;
    X509_set_issuer_name(c, X509_get_subject_name(by));
    add(by, NID_basic_constraints, p.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (p.authority) add(by, NID_key_usage, "critical,keyCertSign,cRLSign");
    add(by, NID_subject_key_identifier, "hash");
    if (signer) add(by, NID_authority_key_identifier, "keyid");
    if (!p.alternatives.empty()) add(by, NID_subject_alt_name, p.alternatives);
    REQUIRE(X509_sign(c, signer ? signer->key_.get() : key_.get(), EVP_sha256()) != 0);
    write();
  }

  std::string file() const { return certificate_file_.path().string(); }
  std::string key_file() const { return key_file_.path().string(); }

 private:
  void add_name(const std::string& name) {
    X509_NAME* const n = X509_get_subject_name(x509_.get());
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
  }
  void add(X509* issuer, int what, const std::string& value) {
    X509V3_CTX about;
    X509V3_set_ctx(&about, issuer, x509_.get(), nullptr, nullptr, 0);
    const openssl_ptr<X509_EXTENSION> e(
        X509V3_EXT_conf_nid(nullptr, &about, what, value.c_str()));
    REQUIRE(e);
    X509_add_ext(x509_.get(), e.get(), -1);
  }
  void write() {
    const openssl_ptr<std::FILE> c(std::fopen(file().c_str(), "w"));
    const openssl_ptr<std::FILE> k(std::fopen(key_file().c_str(), "w"));
    REQUIRE((c && k));
    PEM_write_X509(c.get(), x509_.get());
    PEM_write_PrivateKey(k.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }

  openssl_ptr<EVP_PKEY> key_;
  openssl_ptr<X509> x509_;
  scratch_file certificate_file_{"certificate", ".pem"};
  scratch_file key_file_{"key", ".pem"};
};

/// An authority.
inline const certificate& authority() {
  static const certificate made = [] {
    certificate::plan p("sheaf test authority");
    p.authority = true;
    return certificate(p, nullptr);
  }();
  return made;
}

/// One of that authority's for these names: "DNS:localhost,IP:127.0.0.1".
inline certificate::plan plan_for(std::string common_name, std::string alternatives) {
  certificate::plan p(std::move(common_name));
  p.alternatives = std::move(alternatives);
  return p;
}

/// One for localhost.
inline const certificate& local_certificate() {
  static const certificate made(plan_for("localhost", "DNS:localhost,IP:127.0.0.1"),
                                &authority());
  return made;
}

}  // namespace test
