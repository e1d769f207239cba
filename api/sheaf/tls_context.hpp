#pragma once

#include <sheaf/tls_error.hpp>
#include <sheaf/tls_options.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf {

namespace detail {
class tls_settings;
}

enum class tls_version { v1_2, v1_3 };

/// Whether a server asks its clients for certificates.
enum class client_certificates {
  none,
  optional,  ///< a client may have none; one that it has must be good
  required
};

/// Keys, certificates and rules of TLS: asyncio's ssl.SSLContext.
///
///     tls_context trusted = tls_context::client();
///     connection_options over_tls;
///     over_tls.tls(trusted);
///     stream s = co_await open_connection("example.org", 443, over_tls);
///
/// Ownership: a handle; copies are the same context. Failure: setters throw tls_error
/// (bad_configuration) with OpenSSL's reason, std::invalid_argument for a list that no
/// handshake could carry. Thread: set it up before its first connection; then any number of
/// loops on any threads may use it. Cost: reading certificates takes time, so make one
/// and keep it. Source: OpenSSL 3; renegotiation and versions before 1.2 are refused.
class tls_context {
 public:
  /// Verifies the server's certificate and its name, against the system's authorities.
  static tls_context client();
  /// Shows the certificate of a PEM file, with those between it and the authority's.
  static tls_context server(const std::string& cert_chain_file,
                            const std::string& key_file);

  /// One's own certificate, also a client's.
  tls_context& load_cert_chain(const std::string& cert_chain_file,
                               const std::string& key_file);
  /// The authorities of a PEM file are trusted, instead of the system's. Several add up.
  tls_context& load_verify_locations(const std::string& file);
  /// Off: a client takes any certificate, of anybody. For tests; what is sent can be read
  /// and changed by whoever sits between.
  tls_context& verify(bool on);
  /// Of a server: it needs load_verify_locations(). The default is none.
  tls_context& client_certificates(sheaf::client_certificates what);

  /// The protocols one speaks, the best first; get_extra_info("alpn") tells which was
  /// agreed on. A server with a list refuses a client whose list has none of it.
  tls_context& alpn(const std::vector<std::string>& protocols);
  /// 1.2 if nothing is said.
  tls_context& minimum_version(tls_version v);
  tls_context& maximum_version(tls_version v);

  /// Of a server: another context for clients that ask for this name: "example.org", or
  /// "*.example.org" for names one level below.
  tls_context& for_name(const std::string& name, const tls_context& context);
  /// Of a server: chooses by the name a client asks for, in lower case, empty if it asks
  /// for none; nothing: this one. Called in the handshake, after for_name() found none. What
  /// it throws fails the handshake.
  using chooser = std::function<std::optional<tls_context>(const std::string& name)>;
  tls_context& sni_callback(chooser f);

  /// Takes the end of the connection for the end of the stream, even if TLS's own end did
  /// not come, so that nobody knows whether something is missing. Off.
  tls_context& suppress_ragged_eofs(bool on = true);

  bool is_server() const noexcept;

  /// For the library.
  detail::tls_settings& settings() const noexcept { return *settings_; }

 private:
  explicit tls_context(bool server);

  std::shared_ptr<detail::tls_settings> settings_;
};

/// What the options of connections and servers say about TLS.
struct tls_wish {
  tls_context context;
  tls_options options;
};

}  // namespace sheaf
