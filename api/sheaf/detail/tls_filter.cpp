#include <sheaf/detail/tls_filter.hpp>
#include <sheaf/detail/tls_text.hpp>

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

namespace sheaf::detail {

namespace {

/// Where plain bytes go whose reader has no room of its own: a record's worth a thread.
std::span<char> scratch() noexcept {
  constexpr std::size_t size = SSL3_RT_MAX_PLAIN_LENGTH;
  thread_local const std::unique_ptr<char[]> bytes(new char[size]);
  return {bytes.get(), size};
}

/// How much is encrypted before it is sent: as much as stays in the cache.
constexpr std::size_t step = 65'536;

}  // namespace

/// One call into OpenSSL, or some: what it wrote is sent at the end. The core, and with it
/// the filter, lives as long.
class tls_filter::operation {
 public:
  explicit operation(tls_filter& f) noexcept
      : keep_(stream_ref::share(&f.core_)), filter_(f) {
    ERR_clear_error();  // the queue is the thread's, and may hold what others left
    filter_.wire_.lend();
  }
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;
  ~operation() {
    filter_.flush();
    filter_.wire_.give_back();
    filter_.wire_.keep_rest();
  }

 private:
  stream_ref keep_;
  tls_filter& filter_;
};

// ---- beginning -------------------------------------------------------------------------

tls_filter::tls_filter(stream_core& core, const tls_context& context,
                       const tls_options& options)
    : core_(core),
      context_(context),
      options_(options),
      ssl_(context.settings().make_ssl()) {
  BIO* const bio = wire_.make_bio();
  if (!bio) throw std::bad_alloc();
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), static_cast<tls_choice*>(this));
  if (context.is_server()) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    expect_server(options.server_hostname());
  }
}

tls_filter::~tls_filter() { stop_timer(); }

// An address is looked for among the certificate's addresses, and is no server_name.
void tls_filter::expect_server(const std::string& name) {
  if (name.empty()) {
    if (!context_.settings().verifies()) return;
    throw std::invalid_argument(
        "tls: say whose certificate is expected, tls_options().server_hostname(name)");
  }
  if (name.find('\0') != std::string::npos) {
    throw std::invalid_argument("tls: a NUL in the name of a host");
  }
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1) return;
  SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SSL_set1_host(ssl_.get(), name.c_str()) != 1 ||
      SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) != 1) {
    throw std::invalid_argument("tls: '" + name + "' is no name of a host");
  }
}

void tls_filter::begin(const std::string& came) {
  start_timer(options_.handshake_timeout());
  wire_.feed(came);
  work();
}

bool tls_filter::shake() noexcept {
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    established_now();
    return true;
  }
  if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) fail_by_openssl();
  return false;
}

void tls_filter::established_now() noexcept {
  phase_ = phase::open;
  stop_timer();
  core_.wake_reader();
}

std::exception_ptr tls_filter::closed_too_early() const noexcept {
  return std::make_exception_ptr(
      tls_error(tls_errc::handshake_failed, "TLS handshake: the stream was closed"));
}

// By a client's first words.
const tls_context* tls_filter::choose(const std::string& name) noexcept {
  try {
    chosen_ = context_.settings().chosen_for(name);
  } catch (...) {
    refusal_ = std::current_exception();
  }
  return chosen_ ? &*chosen_ : nullptr;
}

// ---- reading ---------------------------------------------------------------------------

void tls_filter::on_read(std::string_view bytes, std::error_code error) noexcept {
  if (error == runtime::end_of_file()) return on_end();
  if (error && phase_ == phase::closing) return core_.abort();
  if (error) return core_.fail(error, phase_ == phase::open ? "read" : "TLS handshake");
  wire_.feed(bytes);
  work();
}

void tls_filter::resume() noexcept {
  if (phase_ != phase::open) return;
  if (wire_.has_input() || SSL_pending(ssl_.get()) != 0) work();
}

void tls_filter::work() noexcept {
  const operation sends_at_the_end(*this);
  if (phase_ == phase::shaking && !shake()) return;
  if (phase_ == phase::closing) return discard();
  give_out();
  if (!waiting_.empty() && !failure_) encrypt(std::exchange(waiting_, {}));
  if (end_wanted_ && waiting_.empty() && !failure_) send_end();
  if (!core_.gone()) core_.note_queued();
}

// A reader who leaves may leave more than the limit behind, so that nothing is given out and
// nothing else would stop what comes.
void tls_filter::give_out() noexcept {
  while (!peer_ended_ && !failure_ && core_.wants_more()) {
    std::span<char> room = core_.room();
    if (room.empty()) room = scratch();
    const std::size_t n = decrypt(room);
    if (n == 0) break;
    core_.deliver({room.data(), n});
  }
  if (peer_ended_) return give_end();
  if (!failure_ && !core_.wants_more()) core_.pause_reading();
}

void tls_filter::give_end() noexcept {
  if (!std::exchange(gave_end_, true)) core_.deliver_end();
}

// A room of many records is filled with as many as have come.
std::size_t tls_filter::decrypt(std::span<char> room) noexcept {
  std::size_t all = 0;
  while (all < room.size()) {
    std::size_t n = 0;
    const int got = SSL_read_ex(ssl_.get(), room.data() + all, room.size() - all, &n);
    if (got == 1) {
      all += n;
      continue;
    }
    const int why = SSL_get_error(ssl_.get(), got);
    if (why == SSL_ERROR_ZERO_RETURN) {
      peer_ended_ = true;
    } else if (why != SSL_ERROR_WANT_READ) {
      fail_by_openssl();
    }
    break;
  }
  return all;
}

// The connection's end is no proof that all has come: anybody on the way can forge it.
void tls_filter::on_end() noexcept {
  if (phase_ == phase::closing) return core_.close_handle();
  if (phase_ == phase::shaking) {
    return fail(tls_errc::handshake_failed,
                "TLS handshake failed: the peer closed the connection");
  }
  if (gave_end_) return;
  const tls_context& c = chosen_ ? *chosen_ : context_;
  if (c.settings().suppresses_ragged_eofs()) return give_end();
  fail(tls_errc::truncated,
       "TLS stream cut off: the connection ended without a close_notify");
}

// ---- writing ---------------------------------------------------------------------------

void tls_filter::write(std::string_view plain) {
  if (phase_ == phase::shaking || !waiting_.empty()) {
    waiting_.append(plain);
    return core_.note_queued();
  }
  const operation sends_at_the_end(*this);
  encrypt(plain);
}

// In the middle of a message of the peer's that changes keys OpenSSL wants to read first.
void tls_filter::encrypt(std::string_view plain) {
  while (!plain.empty()) {
    std::size_t n = 0;
    const int done =
        SSL_write_ex(ssl_.get(), plain.data(), std::min(step, plain.size()), &n);
    if (done != 1) {
      if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ)
        return fail_by_openssl();
      waiting_ = plain;
      return;
    }
    plain.remove_prefix(n);
    flush();
  }
}

// A broken connection is the stream's error, which whoever writes next gets. Readers first
// get what the peer sent before it went, maybe the alert that says why.
void tls_filter::flush() noexcept {
  if (!wire_.out().empty() && !core_.gone()) {
    try {
      core_.send(wire_.out());
    } catch (const uv_error& e) {
      core_.fail_write(e.code(), "write");
      if (phase_ == phase::shaking) core_.fail(e.code(), "write");
    } catch (const invalid_state&) {  // the loop is closed
    }
  }
  wire_.clear_out();
}

void tls_filter::write_eof() {
  if (phase_ == phase::shaking || !waiting_.empty()) {
    end_wanted_ = true;
    return;
  }
  const operation sends_at_the_end(*this);
  send_end();
}

void tls_filter::send_end() noexcept {
  end_wanted_ = false;
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) SSL_shutdown(ssl_.get());
  flush();
}

// ---- ending ----------------------------------------------------------------------------

// The peer's end is waited for, while what it still sends is dropped: a socket that is closed
// with unread bytes resets the connection, and the peer may lose what was sent last.
bool tls_filter::close() noexcept {
  if (phase_ == phase::shaking) return false;
  phase_ = phase::closing;
  const operation sends_at_the_end(*this);
  if (!send_last() || gave_end_) return false;
  if (core_.gone()) return true;
  discard();
  if (!peer_ended_) wait_for_peer();
  return true;
}

// Whether it could be said. Where only this end is left to be sent, and the peer has gone, no
// byte of the program's is lost, so that it is no error.
bool tls_filter::send_last() noexcept {
  const bool nothing_else = core_.queued() == 0;
  end_wanted_ = false;
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) SSL_shutdown(ssl_.get());
  if (nothing_else && !core_.gone()) {
    std::error_code gone;
    const std::size_t n = core_.handle().try_write(wire_.out(), gone);
    if (gone) wire_.clear_out();
    if (gone) return false;
    wire_.sent(n);
  }
  flush();
  return true;
}

void tls_filter::discard() noexcept {
  while (!peer_ended_ && decrypt(scratch()) != 0) {
  }
  if (peer_ended_) core_.close_handle();
}

// Reads and waits on its own: nobody else may hold the core any more. The timer does, until
// the peer has ended or the loop is closed.
void tls_filter::wait_for_peer() noexcept {
  core_.read_on();
  if (!core_.gone()) limit_close();
}

// A slow peer may take as long as it likes, while it takes something.
void tls_filter::limit_close() noexcept {
  unsent_ = core_.queued();
  start_timer(options_.shutdown_timeout());
}

void tls_filter::start_timer(tls_options::duration d) {
  auto& l = static_cast<loop&>(*core_.loop().facade());
  timer_ = l.call_later(d, [this, keep = stream_ref::share(&core_)] { on_time(); });
}

void tls_filter::stop_timer() noexcept { timer_.cancel(); }

void tls_filter::on_time() noexcept {
  if (core_.gone()) return;
  if (phase_ == phase::closing) {
    return core_.queued() < unsent_ ? limit_close() : core_.abort();
  }
  const auto ms =
      std::chrono::ceil<std::chrono::milliseconds>(options_.handshake_timeout());
  fail(tls_errc::timed_out,
       "TLS handshake took longer than " + std::to_string(ms.count()) + " ms");
}

// ---- failing ---------------------------------------------------------------------------

void tls_filter::fail(tls_errc code, const std::string& text) noexcept {
  if (phase_ == phase::closing) return core_.close_handle();
  if (failure_) return;
  stop_timer();
  failure_ =
      refusal_ ? refusal_ : std::make_exception_ptr(tls_error(code, text + peer()));
  core_.fail(make_error_code(code), "TLS");
}

// The peer gets the alert that OpenSSL has for it.
void tls_filter::fail_by_openssl() noexcept {
  const bool unverified =
      ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  std::string reason = take_openssl_reason();
  flush();
  if (unverified) {
    const long why = SSL_get_verify_result(ssl_.get());
    if (why != X509_V_OK)
      reason += std::string(": ") + X509_verify_cert_error_string(why);
    if (why == X509_V_ERR_HOSTNAME_MISMATCH || why == X509_V_ERR_IP_ADDRESS_MISMATCH) {
      reason += ", it is not valid for '" + options_.server_hostname() + "'";
    }
    return fail(tls_errc::verify_failed, reason);
  }
  if (phase_ == phase::shaking) {
    return fail(tls_errc::handshake_failed, "TLS handshake failed: " + reason);
  }
  fail(tls_errc::broken, "TLS stream broken: " + reason);
}

std::string tls_filter::peer() const {
  try {
    if (const auto* const t = std::get_if<runtime::tcp>(&core_.raw())) {
      return " (peer " + t->peername().to_string() + ")";
    }
  } catch (const uv_error&) {  // it has gone
  }
  return {};
}

std::optional<std::string> tls_filter::info(std::string_view what) const {
  if (phase_ == phase::shaking) return {};
  return tls_info(ssl_.get(), what);
}

}  // namespace sheaf::detail
