#include <sheaf/resolve.hpp>
#include <sheaf/server.hpp>
#include <sheaf/loop.hpp>

namespace sheaf {

namespace {

detail::server_ref make(detail::connection_handler handler, const server_options& o) {
  return detail::server_ref::adopt(
      new detail::server_core(detail::loop_core::current("start_server"),
                              std::move(handler), o.backlog(), o.limit()));
}

runtime::tcp listener(const address& at, const server_options& o) {
  runtime::tcp socket(loop::current());
  const auto how = (at.is_ipv6() ? runtime::tcp_bind::ipv6_only : runtime::tcp_bind::none) |
                   (o.reuse_port() ? runtime::tcp_bind::reuse_port : runtime::tcp_bind::none);
  try {
    socket.bind(at, how);
  } catch (const uv_error& e) {
    throw uv_error(e.code().value(), "listen on " + at.to_string());
  }
  return socket;
}

/// Port 0 is picked once, and is the same for every address then.
void add_listeners(detail::server_core& core, std::vector<address> all,
                   const server_options& o) {
  std::uint16_t picked = 0;
  for (address& at : all) {
    if (at.port() == 0) at.set_port(picked);
    runtime::tcp socket = listener(at, o);
    picked = socket.sockname().port();
    core.add(std::move(socket));
  }
}

}  // namespace

coro<> server::serve_forever() {
  const detail::server_ref core = core_;
  core->listen();
  struct closer {
    detail::server_core& c;
    ~closer() { c.close(); }
  };
  const closer at_the_end{*core};
  promise<> never;
  co_await never.get_future();
}

coro<server> start_server(detail::connection_handler handler, std::string host,
                          std::uint16_t port, server_options options) {
  auto core = make(std::move(handler), options);
  add_listeners(*core, co_await resolve(host, port, address_hints().passive()), options);
  if (options.start_serving()) core->listen();
  co_return server(std::move(core));
}

coro<server> start_unix_server(detail::connection_handler handler, std::string path,
                               server_options options) {
  auto core = make(std::move(handler), options);
  runtime::pipe socket(loop::current());
  socket.bind(path);
  core->add(std::move(socket));
  if (options.start_serving()) core->listen();
  co_return server(std::move(core));
}

}  // namespace sheaf
