#include <sheaf/stream.hpp>
#ifndef SHEAF_NO_TLS
#include <sheaf/detail/start_tls.hpp>
#endif

namespace sheaf {

void stream::refuse() {
  throw invalid_state("stream: it is connected to nothing, or was moved from");
}

namespace {

using name = std::optional<std::string>;

struct peer_name {
  name operator()(const std::monostate&) const { return {}; }
  name operator()(const runtime::tcp& t) const { return t.peername().to_string(); }
  name operator()(const runtime::pipe& p) const { return p.peername(); }
  name operator()(const runtime::tty&) const { return {}; }
};

struct own_name {
  name operator()(const std::monostate&) const { return {}; }
  name operator()(const runtime::tcp& t) const { return t.sockname().to_string(); }
  name operator()(const runtime::pipe& p) const { return p.sockname(); }
  name operator()(const runtime::tty&) const { return {}; }
};

}  // namespace

std::optional<std::string> stream::get_extra_info(std::string_view what) const {
  detail::stream_core& c = core();
  if (c.gone()) return {};
  if (c.filter()) {
    if (name answer = c.filter()->info(what)) return answer;
  }
  try {
    if (what == "peername") return std::visit(peer_name(), c.raw());
    if (what == "sockname") return std::visit(own_name(), c.raw());
    if (what == "socket") return std::to_string(c.handle().fileno());
  } catch (const uv_error&) {  // no socket, or its peer has gone and the system forgot it
  }
  return {};
}

#ifndef SHEAF_NO_TLS
coro<> stream::start_tls(tls_context context, tls_options options) {
  return detail::start_tls(detail::stream_ref::share(&core()), std::move(context),
                           std::move(options));
}
#endif

}  // namespace sheaf
