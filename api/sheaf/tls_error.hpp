#pragma once

#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

namespace sheaf {

/// What went wrong with TLS, for programs; tls_error::what() says more.
enum class tls_errc {
  handshake_failed = 1,  ///< the peer speaks no TLS, or no version or cipher of ours
  verify_failed,         ///< the peer's certificate was not accepted
  timed_out,             ///< the handshake took too long
  truncated,         ///< the connection ended without TLS's own end: bytes may be missing
  broken,            ///< what came is no TLS any more, or the peer said that ours is not
  bad_configuration  ///< a certificate or key that OpenSSL does not take
};

/// The category of tls_errc. `timed_out` is equivalent to std::errc::timed_out.
const std::error_category& tls_category() noexcept;
std::error_code make_error_code(tls_errc e) noexcept;

/// TLS failed: asyncio's ssl.SSLError. code() is a tls_errc; what() is one line, with the
/// reason in OpenSSL's words and the peer: "certificate verify failed: self-signed
/// certificate (peer 127.0.0.1:4433)".
class tls_error : public std::system_error {
 public:
  tls_error(tls_errc code, const std::string& text)
      : system_error(make_error_code(code)), text_(text) {}
  const char* what() const noexcept override { return text_.what(); }

 private:
  std::runtime_error text_;  // copies without throwing
};

}  // namespace sheaf

template <>
struct std::is_error_code_enum<sheaf::tls_errc> : std::true_type {};
