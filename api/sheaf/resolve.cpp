#include <sheaf/detail/request_wait.hpp>
#include <sheaf/resolve.hpp>

namespace sheaf {

coro<std::vector<address>> resolve(std::string host, std::uint16_t port,
                                   address_hints hints) {
  const auto ask = [&host, port, &hints](runtime::loop& l, runtime::addresses_callback f) {
    return runtime::getaddrinfo(l, host, std::to_string(port), hints, std::move(f));
  };
  using wait = detail::request_wait<std::vector<address>, decltype(ask)>;
  co_return co_await wait("resolve", ask);
}

coro<host_name> reverse_resolve(address of) {
  const auto ask = [&of](runtime::loop& l, runtime::name_callback f) {
    return runtime::getnameinfo(l, of, std::move(f));
  };
  using wait = detail::request_wait<host_name, decltype(ask)>;
  co_return co_await wait("reverse_resolve", ask);
}

}  // namespace sheaf
