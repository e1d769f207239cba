#pragma once

#include <sheaf/tls_context.hpp>

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sheaf::detail {

struct free_ssl {
  void operator()(SSL* s) const noexcept { SSL_free(s); }
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
};
using ssl_ptr = std::unique_ptr<SSL, free_ssl>;

/// What a handshake chooses in: OpenSSL's callbacks ask the SSL's app data for it.
class tls_choice {
 public:
  /// The context for the name a client asks for, in lower case; null: as it is.
  virtual const tls_context* choose(const std::string& name) noexcept = 0;
  virtual bool refused() const noexcept = 0;

 protected:
  ~tls_choice() = default;
};

/// An SSL_CTX, and what it does not hold itself.
class tls_settings {
 public:
  explicit tls_settings(bool server);
  tls_settings(const tls_settings&) = delete;
  tls_settings& operator=(const tls_settings&) = delete;

  bool is_server() const noexcept { return server_; }
  bool verifies() const noexcept { return verify_; }
  bool suppresses_ragged_eofs() const noexcept { return ragged_; }
  void suppress_ragged_eofs(bool on) noexcept { ragged_ = on; }

  void load_cert_chain(const std::string& certificates, const std::string& key);
  void load_verify_locations(const std::string& file);
  void verify(bool on);
  void ask_clients(client_certificates what);
  void alpn(const std::vector<std::string>& protocols);
  void minimum_version(tls_version v);
  void maximum_version(tls_version v);
  void for_name(const std::string& name, const tls_context& context);
  void choose_by(tls_context::chooser f);

  /// A fresh SSL; the system's authorities are loaded for the first if none were named.
  ssl_ptr make_ssl();
  /// What for_name() and the chooser say; nothing: this one.
  std::optional<tls_context> chosen_for(const std::string& name) const;
  /// Makes an SSL that has seen no more than a client's first words one of this context.
  void take_over(SSL* ssl) const noexcept;

 private:
  static int on_client_hello(SSL* ssl, int* alert, void*) noexcept;
  static int on_protocols(SSL*, const unsigned char** out, unsigned char* out_size,
                          const unsigned char* in, unsigned in_size, void* self) noexcept;
  void require_server(const char* what) const;
  void load_authorities();

  std::unique_ptr<SSL_CTX, free_ssl> context_;
  bool server_;
  bool verify_;
  bool own_authorities_ = false;
  bool ragged_ = false;
  std::once_flag authorities_;
  std::string protocols_;  // as they are sent: each after its length
  std::unordered_map<std::string, tls_context> names_;
  tls_context::chooser chooser_;
};

}  // namespace sheaf::detail
