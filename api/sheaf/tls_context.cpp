#include <sheaf/detail/tls_settings.hpp>
#include <sheaf/tls_context.hpp>

#include <stdexcept>
#include <utility>

namespace sheaf {

namespace {

void require_positive(tls_options::duration d, const char* what) {
  if (d <= tls_options::duration::zero()) {
    throw std::invalid_argument(std::string(what) + ": more than zero");
  }
}

}  // namespace

tls_options& tls_options::handshake_timeout(duration d) & {
  require_positive(d, "handshake_timeout");
  handshake_ = d;
  return *this;
}

tls_options& tls_options::shutdown_timeout(duration d) & {
  require_positive(d, "shutdown_timeout");
  shutdown_ = d;
  return *this;
}

tls_context::tls_context(bool server)
    : settings_(std::make_shared<detail::tls_settings>(server)) {}

tls_context tls_context::client() { return tls_context(false); }

tls_context tls_context::server(const std::string& cert_chain_file,
                                const std::string& key_file) {
  tls_context c(true);
  c.load_cert_chain(cert_chain_file, key_file);
  return c;
}

bool tls_context::is_server() const noexcept { return settings_->is_server(); }

tls_context& tls_context::load_cert_chain(const std::string& cert_chain_file,
                                          const std::string& key_file) {
  settings_->load_cert_chain(cert_chain_file, key_file);
  return *this;
}

tls_context& tls_context::load_verify_locations(const std::string& file) {
  settings_->load_verify_locations(file);
  return *this;
}

tls_context& tls_context::verify(bool on) {
  settings_->verify(on);
  return *this;
}

tls_context& tls_context::client_certificates(sheaf::client_certificates what) {
  settings_->ask_clients(what);
  return *this;
}

tls_context& tls_context::alpn(const std::vector<std::string>& protocols) {
  settings_->alpn(protocols);
  return *this;
}

tls_context& tls_context::minimum_version(tls_version v) {
  settings_->minimum_version(v);
  return *this;
}

tls_context& tls_context::maximum_version(tls_version v) {
  settings_->maximum_version(v);
  return *this;
}

tls_context& tls_context::for_name(const std::string& name, const tls_context& context) {
  settings_->for_name(name, context);
  return *this;
}

tls_context& tls_context::sni_callback(chooser f) {
  settings_->choose_by(std::move(f));
  return *this;
}

tls_context& tls_context::suppress_ragged_eofs(bool on) {
  settings_->suppress_ragged_eofs(on);
  return *this;
}

}  // namespace sheaf
