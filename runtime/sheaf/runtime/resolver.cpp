#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/request_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/resolver.hpp>

#include <netdb.h>

#include <algorithm>

namespace sheaf::runtime {

namespace {

addrinfo to_raw(const address_hints& h) noexcept {
  addrinfo raw{};
  raw.ai_family = h.which() == address_hints::family::ipv4   ? AF_INET
                  : h.which() == address_hints::family::ipv6 ? AF_INET6
                                                             : AF_UNSPEC;
  raw.ai_socktype = h.datagrams() ? SOCK_DGRAM : SOCK_STREAM;
  raw.ai_flags = (h.passive() ? AI_PASSIVE : 0) |
                 (h.numeric_host() ? AI_NUMERICHOST : 0) |
                 (h.configured() ? AI_ADDRCONFIG : 0);
  return raw;
}

std::vector<address> to_addresses(const addrinfo* first) {
  std::vector<address> all;
  for (const addrinfo* i = first; i; i = i->ai_next) {
    if (i->ai_family != AF_INET && i->ai_family != AF_INET6) continue;
    const address a = address::from(i->ai_addr);
    if (std::ranges::find(all, a) == all.end()) all.push_back(a);
  }
  return all;
}

struct free_addresses {
  void operator()(addrinfo* a) const noexcept { uv_freeaddrinfo(a); }
};

template <class Request, class Callback>
class resolver_block : public detail::request_block {
 public:
  resolver_block(scheduler& s, const char* what, Callback f)
      : request_block(s, what), f_(detail::callable(std::move(f), what)) {
    uv.data = static_cast<request_block*>(this);
  }
  uv_req_t* raw() noexcept override { return reinterpret_cast<uv_req_t*>(&uv); }

  Request uv{};

 protected:
  void silence() noexcept override { f_.reset(); }
  Callback f_;
};

class address_block final : public resolver_block<uv_getaddrinfo_t, addresses_callback> {
 public:
  using resolver_block::resolver_block;
  static void on_done(uv_getaddrinfo_t* r, int status, addrinfo* found) {
    auto& self = of<address_block>(r);
    const std::unique_ptr<addrinfo, free_addresses> owned(found);
    self.finish("getaddrinfo callback",
                [&] { self.f_(to_addresses(owned.get()), detail::to_error(status)); });
  }
};

class name_block final : public resolver_block<uv_getnameinfo_t, name_callback> {
 public:
  using resolver_block::resolver_block;
  static void on_done(uv_getnameinfo_t* r, int status, const char* host,
                      const char* service) {
    auto& self = of<name_block>(r);
    self.finish("getnameinfo callback", [&] {
      self.f_({host ? host : "", service ? service : ""}, detail::to_error(status));
    });
  }
};

std::string no_nul(std::string_view text, const char* what) {
  if (text.find('\0') != std::string_view::npos) {
    throw uv_error(UV_EINVAL, what, text);
  }
  return std::string(text);
}

int to_raw(name_flags how) noexcept {
  int flags = 0;
  if (has(how, name_flags::numeric_host)) flags |= NI_NUMERICHOST;
  if (has(how, name_flags::numeric_service)) flags |= NI_NUMERICSERV;
  if (has(how, name_flags::name_required)) flags |= NI_NAMEREQD;
  if (has(how, name_flags::datagrams)) flags |= NI_DGRAM;
  if (has(how, name_flags::local_name)) flags |= NI_NOFQDN;
  return flags;
}

}  // namespace

request getaddrinfo(loop& l, std::string_view host, std::string_view service,
                    const address_hints& hints, addresses_callback f) {
  constexpr const char* what = "uv_getaddrinfo";
  const std::string node = no_nul(host, what);
  const std::string port = no_nul(service, what);
  const addrinfo raw = to_raw(hints);
  auto b = std::make_unique<address_block>(l.core(), what, std::move(f));
  const int code = uv_getaddrinfo(l.uv(), &b->uv, address_block::on_done,
                                  node.empty() ? nullptr : node.c_str(),
                                  port.empty() ? nullptr : port.c_str(), &raw);
  if (code < 0) throw uv_error(code, what, host);
  return address_block::submitted(std::move(b), code, what);
}

request getnameinfo(loop& l, const address& of, name_callback f) {
  return getnameinfo(l, of, name_flags::none, std::move(f));
}

request getnameinfo(loop& l, const address& of, name_flags how, name_callback f) {
  constexpr const char* what = "uv_getnameinfo";
  auto b = std::make_unique<name_block>(l.core(), what, std::move(f));
  const int code =
      uv_getnameinfo(l.uv(), &b->uv, name_block::on_done, of.raw(), to_raw(how));
  return name_block::submitted(std::move(b), code, what);
}

}  // namespace sheaf::runtime
