#include <sheaf/detail/request_wait.hpp>
#include <sheaf/resolve.hpp>

#include <utility>

namespace sheaf {

coro<std::vector<address>> resolve(std::string host, std::uint16_t port,
                                   address_hints hints) {
  return resolve(std::move(host), std::to_string(port), hints);
}

coro<std::vector<address>> resolve(std::string host, std::string service,
                                   address_hints hints) {
  const auto ask = [&](runtime::loop& l, runtime::addresses_callback f) {
    return runtime::getaddrinfo(l, host, service, hints, std::move(f));
  };
  using wait = detail::request_wait<std::vector<address>, decltype(ask)>;
  co_return co_await wait("resolve", host.empty() ? service : host,
                          detail::once_begun::dropped, ask);
}

coro<host_name> reverse_resolve(address of, name_flags how) {
  const std::string text = of.to_string();
  const auto ask = [&of, how](runtime::loop& l, runtime::name_callback f) {
    return runtime::getnameinfo(l, of, how, std::move(f));
  };
  using wait = detail::request_wait<host_name, decltype(ask)>;
  co_return co_await wait("reverse_resolve", text, detail::once_begun::dropped, ask);
}

}  // namespace sheaf
