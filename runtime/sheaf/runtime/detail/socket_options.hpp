#pragma once

#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/detail/handle_block.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace sheaf::runtime::detail {

/// What streams and datagram sockets have in common beside libuv's handle.

inline int fileno(handle_block& b) {
  static_cast<void>(b.owner("fileno"));
  uv_os_fd_t fd = -1;
  checked(uv_fileno(b.raw(), &fd), "uv_fileno");
  return fd;
}

using buffer_size_call = int(uv_handle_t*, int*);

inline int buffer_size(handle_block& b, buffer_size_call* f, const char* operation) {
  static_cast<void>(b.owner(operation));
  int bytes = 0;  // 0 asks
  checked(f(b.raw(), &bytes), operation);
  return bytes;
}

inline void set_buffer_size(handle_block& b, buffer_size_call* f, int bytes,
                            const char* operation) {
  static_cast<void>(b.owner(operation));
  checked(bytes > 0 ? f(b.raw(), &bytes) : UV_EINVAL, operation);
}

template <class Handle>
address name_of(const Handle& h, int (*f)(const Handle*, sockaddr*, int*),
                const char* operation) {
  sockaddr_storage raw{};
  int size = sizeof raw;
  checked(f(&h, reinterpret_cast<sockaddr*>(&raw), &size), operation);
  return address::from(reinterpret_cast<sockaddr*>(&raw));
}

/// Gives libuv's code, as those below.
inline int set_socket_option(int fd, int option, int value) noexcept {
  const int done = ::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
  return done != 0 ? uv_translate_sys_error(errno) : 0;
}

/// uv_udp_open_ex() for libuv before 1.52, whose uv_udp_open() sets SO_REUSEADDR.
inline int open_keeping_reuse(uv_udp_t* h, int fd, bool reuse_address, bool reuse_port) {
  int before = 0;
  socklen_t size = sizeof before;
  if (::getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &before, &size) != 0) {
    return uv_translate_sys_error(errno);
  }
  if (reuse_port) {
    const int code = set_socket_option(fd, SO_REUSEPORT, 1);
    if (code < 0) return code;
  }
  const int code = uv_udp_open(h, fd);
  if (code == 0 && !reuse_address) set_socket_option(fd, SO_REUSEADDR, before);
  return code;
}

/// SO_REUSEPORT for libuv before 1.49, on a socket that the handle then has: it must be set
/// before the bind, and only then does libuv make the socket.
template <class Handle>
int open_reusing_port(Handle* h, int type, int (*open)(Handle*, uv_os_sock_t),
                      const address& to) {
  const int family = to.is_ipv6() ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  int code = set_socket_option(fd, SO_REUSEPORT, 1);
  if (code == 0) code = open(h, fd);
  if (code < 0) ::close(fd);
  return code;
}

inline unsigned af_of(address_family f) noexcept {
  switch (f) {
    case address_family::ipv4:
      return AF_INET;
    case address_family::ipv6:
      return AF_INET6;
    case address_family::any:
      break;
  }
  return AF_UNSPEC;
}

}  // namespace sheaf::runtime::detail
