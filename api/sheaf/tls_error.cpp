#include <sheaf/tls_error.hpp>

namespace sheaf {

namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }

  std::string message(int code) const override {
    switch (static_cast<tls_errc>(code)) {
      case tls_errc::handshake_failed:
        return "TLS handshake failed";
      case tls_errc::verify_failed:
        return "certificate verify failed";
      case tls_errc::timed_out:
        return "TLS handshake timed out";
      case tls_errc::truncated:
        return "TLS stream cut off";
      case tls_errc::broken:
        return "TLS stream broken";
      case tls_errc::bad_configuration:
        return "TLS configuration refused";
    }
    return "unknown TLS error";
  }

  std::error_condition default_error_condition(int code) const noexcept override {
    if (code == static_cast<int>(tls_errc::timed_out)) {
      return std::make_error_condition(std::errc::timed_out);
    }
    return {code, *this};
  }
};

}  // namespace

const std::error_category& tls_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(tls_errc e) noexcept {
  return {static_cast<int>(e), tls_category()};
}

}  // namespace sheaf
