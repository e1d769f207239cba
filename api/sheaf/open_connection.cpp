#include <sheaf/detail/addresses_of.hpp>
#include <sheaf/detail/connect_wait.hpp>
#ifndef SHEAF_NO_TLS
#include <sheaf/detail/start_tls.hpp>
#endif
#include <sheaf/hedge.hpp>
#include <sheaf/open_connection.hpp>

#include <algorithm>
#include <stdexcept>

namespace sheaf {

connection_options& connection_options::limit(std::size_t bytes) & {
  if (bytes == 0) throw std::invalid_argument("limit: at least one byte");
  limit_ = bytes;
  return *this;
}

namespace {

using done_callback = runtime::stream::done_callback;

template <class Handle>
stream connected(Handle h, const connection_options& options) {
  return stream(detail::stream_ref::adopt(new detail::stream_core(
      detail::loop_core::current("open_connection"), std::move(h), options.limit())));
}

/// The families by turns, each in its order.
std::vector<address> interleaved(const std::vector<address>& all) {
  std::vector<address> families[2];
  const bool first = all.front().is_ipv6();
  for (const address& a : all) families[a.is_ipv6() == first ? 0 : 1].push_back(a);
  std::vector<address> mixed;
  for (std::size_t i = 0; mixed.size() < all.size(); ++i) {
    for (const auto& family : families) {
      if (i < family.size()) mixed.push_back(family[i]);
    }
  }
  return mixed;
}

/// Those to be tried, in their order; never none.
std::vector<address> candidates(std::vector<address> all, const connection_options& o) {
  if (all.empty())
    throw std::invalid_argument("open_connection: no address to connect to");
  if (const auto& from = o.local_address()) {
    std::erase_if(all, [&](const address& a) { return a.is_ipv6() != from->is_ipv6(); });
    if (all.empty()) {
      throw std::invalid_argument(
          "open_connection: the host has no address of the family "
          "of the local address " +
          from->to_string());
    }
  }
  return o.interleave() ? interleaved(all) : all;
}

/// The error of the only try; one that names all; or what was no error of the network.
[[noreturn]] void throw_failure(const exception_group& failed) {
  std::vector<uv_error> errors;
  for (const std::exception_ptr& each : failed.exceptions()) {
    try {
      std::rethrow_exception(each);
    } catch (const uv_error& e) {
      errors.push_back(e);
    }
  }
  throw connect_error(std::move(errors));
}

coro<stream> connect_one(address to, connection_options options) {
  const std::string target = to.to_string();
  const auto begin = [&to, &options](runtime::tcp& socket, done_callback f) {
    if (options.local_address()) socket.bind(*options.local_address());
    socket.nodelay(true);
    socket.connect(to, std::move(f));
  };
  using wait = detail::connect_wait<runtime::tcp, decltype(begin)>;
  runtime::tcp socket = co_await wait(target, begin);
  co_return connected(std::move(socket), options);
}

coro<stream> connect_any(std::vector<address> all, connection_options options) {
  all = candidates(std::move(all), options);
  if (all.size() == 1) co_return co_await connect_one(all.front(), options);
  std::vector<coro<stream>> tries;
  for (const address& to : all) tries.push_back(connect_one(to, options));
  const auto delay = std::chrono::nanoseconds(options.delay_ns());
  auto winner = hedge(hedge_options().delay(delay), std::move(tries));
  try {
    auto made = co_await std::move(winner);
    co_return std::move(made.value);
  } catch (const exception_group& failed) {
    throw_failure(failed);
  }
}

coro<stream> connect_host(std::string host, port_number port,
                          connection_options options) {
  std::vector<address> all = co_await detail::addresses_of(host, port.value(), false);
  co_return co_await connect_any(std::move(all), options);
}

coro<stream> connect_path(std::string path, connection_options options) {
  const auto begin = [&path](runtime::pipe& socket, done_callback f) {
    socket.connect(path, std::move(f));
  };
  using wait = detail::connect_wait<runtime::pipe, decltype(begin)>;
  runtime::pipe socket = co_await wait(path, begin);
  co_return connected(std::move(socket), options);
}

/// Over TLS, if that is wished for; `host` is whom was asked for.
coro<stream> dressed(coro<stream> plain,
                     [[maybe_unused]] const connection_options& options,
                     [[maybe_unused]] std::string host) {
#ifndef SHEAF_NO_TLS
  if (options.tls()) return detail::secured(std::move(plain), *options.tls(), host);
#endif
  return plain;
}

}  // namespace

coro<stream> open_connection(address to, connection_options options) {
  return dressed(connect_any({to}, options), options, to.host());
}

coro<stream> open_connection(std::vector<address> to, connection_options options) {
  return dressed(connect_any(std::move(to), options), options, {});
}

coro<stream> open_connection(std::string host, port_number port,
                             connection_options options) {
  return dressed(connect_host(host, port, options), options, host);
}

coro<stream> open_unix_connection(std::string path, connection_options options) {
  return dressed(connect_path(std::move(path), options), options, {});
}

}  // namespace sheaf
