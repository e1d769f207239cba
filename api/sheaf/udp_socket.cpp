#include <sheaf/detail/loop_core.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/udp_socket.hpp>

namespace sheaf {

udp_socket::udp_socket() : core_(std::make_shared<detail::udp_core>(loop::current())) {}

udp_socket::udp_socket(runtime::address_family family)
    : core_(std::make_shared<detail::udp_core>(loop::current(), family)) {}

udp_socket udp_socket::adopt(int descriptor) {
  udp_socket s;
  s.handle("adopt").open(descriptor);
  return s;
}

void udp_socket::bind(const address& to, udp_bind how) { handle("bind").bind(to, how); }

void udp_socket::join(const std::string& group, const std::string& card,
                      const std::string& source) {
  handle("join").join(group, card, source);
}

void udp_socket::leave(const std::string& group, const std::string& card,
                       const std::string& source) {
  handle("leave").leave(group, card, source);
}

void udp_socket::set_multicast_interface(const std::string& card) {
  handle("set_multicast_interface").set_multicast_interface(card);
}

const detail::udp_ref& udp_socket::shared() const {
  if (!core_) throw invalid_state("udp_socket: this one was moved from");
  return core_;
}

}  // namespace sheaf
