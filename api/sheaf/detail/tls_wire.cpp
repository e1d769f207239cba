#include <sheaf/detail/tls_wire.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace sheaf::detail {

namespace {

/// What a connection at rest does not keep.
std::string& spare() noexcept {
  thread_local std::string memory;
  return memory;
}

constexpr std::size_t kept_by_a_thread = 256 * 1024;

}  // namespace

// ---- OpenSSL's side --------------------------------------------------------------------

int tls_wire::on_read(BIO* b, char* to, int size) noexcept {
  auto& self = *static_cast<tls_wire*>(BIO_get_data(b));
  BIO_clear_retry_flags(b);
  if (self.in_.empty()) {
    BIO_set_retry_read(b);
    return -1;
  }
  const std::size_t n = std::min(self.in_.size(), static_cast<std::size_t>(size));
  std::memcpy(to, self.in_.data(), n);
  self.in_.remove_prefix(n);
  return static_cast<int>(n);
}

int tls_wire::on_write(BIO* b, const char* from, int size) noexcept {
  try {
    auto& self = *static_cast<tls_wire*>(BIO_get_data(b));
    self.out_.append(from, static_cast<std::size_t>(size));
    return size;
  } catch (...) {
    return -1;
  }
}

long tls_wire::on_control(BIO*, int what, long, void*) noexcept {
  return what == BIO_CTRL_FLUSH ? 1 : 0;
}

int tls_wire::on_create(BIO* b) noexcept {
  BIO_set_init(b, 1);
  return 1;
}

BIO_METHOD* tls_wire::make_method() noexcept {
  BIO_METHOD* const m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sheaf");
  if (!m) return nullptr;
  BIO_meth_set_read(m, on_read);
  BIO_meth_set_write(m, on_write);
  BIO_meth_set_ctrl(m, on_control);
  BIO_meth_set_create(m, on_create);
  return m;
}

BIO* tls_wire::make_bio() noexcept {
  static BIO_METHOD* const method = make_method();  // for the life of the program
  BIO* const b = method ? BIO_new(method) : nullptr;
  if (b) BIO_set_data(b, this);
  return b;
}

// ---- our side --------------------------------------------------------------------------

void tls_wire::feed(std::string_view bytes) {
  if (in_.empty()) {
    in_ = bytes;
    return;
  }
  kept_.append(bytes);
  in_ = kept_;
}

void tls_wire::keep_rest() {
  if (in_.empty()) return drop_input();
  if (in_.size() == kept_.size()) return;
  kept_ = std::string(in_);
  in_ = kept_;
}

void tls_wire::drop_input() noexcept {
  in_ = {};
  if (kept_.capacity() != 0) kept_ = std::string();
}

void tls_wire::lend() noexcept {
  out_.swap(spare());
  out_.clear();
}

void tls_wire::give_back() noexcept {
  if (out_.capacity() <= kept_by_a_thread) {
    out_.clear();
    out_.swap(spare());
  }
  out_ = std::string();
}

}  // namespace sheaf::detail
