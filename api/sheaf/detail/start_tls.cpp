#include <sheaf/detail/start_tls.hpp>
#include <sheaf/detail/tls_filter.hpp>

#include <memory>
#include <stdexcept>
#include <utility>

namespace sheaf::detail {

namespace {

/// Waits for the end of the handshake, as the stream's reader.
class handshake_wait final : public read_wait {
 public:
  handshake_wait(stream_core& c, tls_filter& f) noexcept : read_wait(c), filter_(f) {}
  bool await_ready() { return ready_if(filter_.established()); }
  void await_resume() {
    resumed();
    core().throw_error();
    if (!filter_.established()) std::rethrow_exception(filter_.closed_too_early());
  }

 private:
  bool satisfied() noexcept override { return filter_.established(); }

  tls_filter& filter_;
};

/// Neither plain nor over TLS a stream is of no use.
class closes_unless_done {
 public:
  explicit closes_unless_done(stream_core& c) noexcept : core_(c) {}
  closes_unless_done(const closes_unless_done&) = delete;
  closes_unless_done& operator=(const closes_unless_done&) = delete;
  ~closes_unless_done() {
    if (!done_) core_.abort();
  }
  void done() noexcept { done_ = true; }

 private:
  stream_core& core_;
  bool done_ = false;
};

void require_plain(const stream_core& c) {
  c.require_no_reader();
  if (c.filter()) throw invalid_state("start_tls: the stream is over TLS already");
  if (c.is_closing()) throw invalid_state("start_tls: the stream is closed");
}

coro<> serve_over_tls(std::shared_ptr<connection_handler> handler, tls_wish wish,
                      stream s) {
  loop_core& l = s.core().loop();
  try {
    co_await s.start_tls(std::move(wish.context), std::move(wish.options));
  } catch (const std::exception&) {
    l.report({.message = "a TLS handshake failed; the server goes on",
              .exception = std::current_exception()});
    co_return;
  }
  co_await (*handler)(std::move(s));
}

}  // namespace

// What the peer sent before its handshake and was not read is no text that came over TLS, as
// whoever sits between would like to have it: it is the handshake's (CVE-2011-0411).
coro<> start_tls(stream_ref core, tls_context context, tls_options options) {
  require_plain(*core);
  closes_unless_done guard(*core);
  auto made = std::make_unique<tls_filter>(*core, context, options);
  tls_filter& filter = *made;
  core->set_filter(std::move(made));
  const std::string came = core->buffer().take(core->buffer().size());
  filter.begin(came);
  co_await handshake_wait(*core, filter);
  guard.done();
}

coro<stream> secured(coro<stream> plain, tls_wish wish, std::string host) {
  if (wish.context.is_server()) {
    throw invalid_state("open_connection: this tls_context is a server's");
  }
  if (wish.options.server_hostname().empty()) wish.options.server_hostname(host);
  stream s = co_await std::move(plain);
  co_await s.start_tls(std::move(wish.context), std::move(wish.options));
  co_return s;
}

connection_handler over_tls(connection_handler handler, tls_wish wish) {
  if (!wish.context.is_server()) {
    throw invalid_state("start_server: this tls_context is a client's");
  }
  const auto shared = std::make_shared<connection_handler>(std::move(handler));
  return [shared, wish = std::move(wish)](stream s) {
    return serve_over_tls(shared, wish, std::move(s));
  };
}

}  // namespace sheaf::detail
