#include <sheaf/detail/request_wait.hpp>
#include <sheaf/resolve.hpp>

#include <optional>
#include <utility>

namespace sheaf {

namespace {

/// The address that `host` is in text; nothing for a name, or one of another family.
std::optional<address> in_text(const std::string& host, std::uint16_t port,
                               const address_hints& hints) {
  const bool ipv6 = host.find(':') != std::string::npos;
  if (host.empty() || hints.configured()) return {};
  if (!ipv6 && host.find_first_not_of("0123456789.") != std::string::npos) return {};
  const auto family = ipv6 ? address_hints::family::ipv6 : address_hints::family::ipv4;
  if (hints.which() != address_hints::family::any && hints.which() != family) return {};
  try {
    return address::ip(host, port);
  } catch (const uv_error&) {
    return {};  // the system has the last word
  }
}

coro<std::vector<address>> only(address one) { co_return std::vector<address>(1, one); }

}  // namespace

// An address in text needs no thread. A process without one is quicker in every call of the
// system: neither libc nor the kernel then has to lock what threads share.
coro<std::vector<address>> resolve(std::string host, std::uint16_t port,
                                   address_hints hints) {
  if (const auto known = in_text(host, port, hints)) return only(*known);
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
