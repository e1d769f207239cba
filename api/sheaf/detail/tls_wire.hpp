#pragma once

#include <openssl/bio.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace sheaf::detail {

/// OpenSSL's side of the wire: it reads what came, without a copy of it, and writes into a
/// string. Both sides of one SSL.
class tls_wire {
 public:
  tls_wire() = default;
  tls_wire(const tls_wire&) = delete;
  tls_wire& operator=(const tls_wire&) = delete;

  /// A BIO over this, which must outlive it; the caller owns it. Null without memory.
  BIO* make_bio() noexcept;

  /// Adds what came; valid until keep_rest().
  void feed(std::string_view bytes);
  /// Keeps what OpenSSL has not read yet.
  void keep_rest();
  bool has_input() const noexcept { return !in_.empty(); }
  void drop_input() noexcept;

  /// What OpenSSL has written; the memory is lent by the thread between lend and give_back.
  std::string_view out() const noexcept { return out_; }
  void sent(std::size_t n) noexcept { out_.erase(0, n); }
  void clear_out() noexcept { out_.clear(); }
  void lend() noexcept;
  void give_back() noexcept;

 private:
  static int on_read(BIO* b, char* to, int size) noexcept;
  static int on_write(BIO* b, const char* from, int size) noexcept;
  static long on_control(BIO*, int what, long, void*) noexcept;
  static int on_create(BIO* b) noexcept;
  static BIO_METHOD* make_method() noexcept;

  std::string_view in_;
  std::string kept_;  // what in_ looks at, unless that is the caller's
  std::string out_;
};

}  // namespace sheaf::detail
