#include <sheaf/detail/addresses_of.hpp>
#include <sheaf/detail/settled.hpp>
#ifndef SHEAF_NO_TLS
#include <sheaf/detail/start_tls.hpp>
#endif
#include <sheaf/server.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace sheaf {

server_options& server_options::backlog(int n) & {
  if (n < 1) throw std::invalid_argument("backlog: at least one");
  backlog_ = n;
  return *this;
}

void server::close_clients() noexcept {
  for (const auto& c : core_->all()) c->close();
}

void server::abort_clients() noexcept {
  for (const auto& c : core_->all()) c->abort();
}

void server::leave() noexcept {
  if (!core_) return;
  core_->close();
  if (core_->connections() == 0) return;
  const auto cause = detail::make_cause(cancel_why::left, core_->loop().current_task(),
                                        {}, "its server was destroyed");
  for (const auto& c : core_->all()) c->cancel(cause);
}

detail::server_ref detail::make_server(connection_handler handler,
                                       const server_options& o, std::source_location at) {
#ifndef SHEAF_NO_TLS
  if (o.tls()) handler = detail::over_tls(std::move(handler), *o.tls());
#endif
  return detail::server_ref::adopt(
      new detail::server_core(detail::loop_core::current("start_server"),
                              std::move(handler), o.backlog(), o.limit(), at));
}

namespace {

bool is_any(const address& a) { return a.host() == "0.0.0.0" || a.host() == "::"; }

bool any_of_both(const address& a) { return a.is_ipv6() && is_any(a); }

/// A host may have both families where one is not to be had: then the others will do.
bool not_here(const uv_error& e) noexcept {
  return e.code() == std::errc::address_family_not_supported ||
         e.code() == std::errc::address_not_available;
}

using listeners = std::vector<runtime::listener>;

/// Port 0 is picked once, and is then the same for every address.
listeners bind_all(std::vector<address> all, const server_options& o) {
  runtime::listen_options how;
  how.ipv6_only(o.ipv6_only()).reuse_port(o.reuse_port());
  listeners bound;
  std::optional<uv_error> missing;
  for (address& at : all) {
    if (at.port() == 0 && !bound.empty()) at.set_port(bound.front().sockname().port());
    try {
      bound.push_back(runtime::listener::tcp(at, how));
    } catch (const uv_error& e) {
      if (!not_here(e)) throw;
      missing = e;
    }
  }
  if (bound.empty() && missing) throw *missing;
  return bound;
}

/// The port picked for the first address may be in use on the second.
listeners bind_anyhow(const std::vector<address>& all, const server_options& o) {
  const bool picks = all.size() > 1 && all.front().port() == 0;
  for (int more = picks ? 10 : 0;; --more) {
    try {
      return bind_all(all, o);
    } catch (const uv_error& e) {
      if (more == 0 || e.code() != std::errc::address_in_use) throw;
    }
  }
}

/// Each once; and no 0.0.0.0 beside a "::" that takes IPv4 as well.
std::vector<address> without_doubles(std::vector<address> all, const server_options& o) {
  std::vector<address> some;
  const bool both = !o.ipv6_only() && std::ranges::any_of(all, any_of_both);
  for (const address& a : all) {
    if (both && !a.is_ipv6() && is_any(a)) continue;
    if (std::ranges::find(some, a) == some.end()) some.push_back(a);
  }
  return some;
}

}  // namespace

coro<server> start_server(detail::connection_handler handler,
                          std::vector<std::string> hosts, port_number port,
                          server_options options, std::source_location at) {
  auto core = detail::make_server(std::move(handler), options, at);
  if (hosts.empty()) throw std::invalid_argument("start_server: no host to listen on");
  std::vector<address> all;
  for (const std::string& host : hosts) {
    const auto found = co_await detail::addresses_of(host, port.value(), true);
    all.insert(all.end(), found.begin(), found.end());
  }
  all = without_doubles(std::move(all), options);
  for (runtime::listener& l : bind_anyhow(all, options)) core->add(std::move(l));
  if (options.start_serving()) core->listen();
  co_return server(std::move(core));
}

coro<server> start_server(detail::connection_handler handler, std::string host,
                          port_number port, server_options options,
                          std::source_location at) {
  return start_server(std::move(handler), std::vector<std::string>{std::move(host)}, port,
                      options, at);
}

coro<server> start_unix_server(detail::connection_handler handler, std::string path,
                               server_options options, std::source_location at) {
  auto core = detail::make_server(std::move(handler), options, at);
  core->add(runtime::listener::local(path));
  if (options.start_serving()) core->listen();
  co_return server(std::move(core));
}

}  // namespace sheaf
