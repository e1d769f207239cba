#pragma once

#include <openssl/ssl.h>
#include <unistd.h>

#include <string>

namespace test {

/// A client of OpenSSL's own, which blocks its thread. It takes a session from each visit and
/// offers it at the next.
class tls_visitor {
 public:
  tls_visitor() : context_(SSL_CTX_new(TLS_client_method())) {}
  tls_visitor(const tls_visitor&) = delete;
  tls_visitor& operator=(const tls_visitor&) = delete;
  ~tls_visitor() {
    SSL_SESSION_free(session_);
    SSL_CTX_free(context_);
  }

  /// "full", "resumed" or "refused". A server that is content writes a byte. Closes the socket.
  std::string visit(int socket, const char* name) {
    SSL* const ssl = SSL_new(context_);
    SSL_set_fd(ssl, socket);
    SSL_set_tlsext_host_name(ssl, name);
    if (session_) SSL_set_session(ssl, session_);
    char byte = 0;
    std::string how = "refused";
    if (SSL_connect(ssl) == 1 && SSL_read(ssl, &byte, 1) == 1) {
      how = SSL_session_reused(ssl) ? "resumed" : "full";
      SSL_SESSION_free(session_);
      session_ = SSL_get1_session(ssl);
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ::close(socket);
    return how;
  }

 private:
  SSL_CTX* context_;
  SSL_SESSION* session_ = nullptr;
};

}  // namespace test
