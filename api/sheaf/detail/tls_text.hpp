#pragma once

#include <openssl/ssl.h>

#include <optional>
#include <string>
#include <string_view>

namespace sheaf::detail {

/// The reason of the first error in this thread's queue, which is emptied; "unknown error".
std::string take_openssl_reason();

/// stream::get_extra_info() of what belongs to TLS.
std::optional<std::string> tls_info(SSL* ssl, std::string_view what);

}  // namespace sheaf::detail
