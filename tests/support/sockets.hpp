#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace test {

/// A descriptor of the system's, closed with it.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) : fd_(fd) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "descriptor");
  }
  descriptor(descriptor&& d) noexcept : fd_(std::exchange(d.fd_, -1)) {}
  descriptor& operator=(descriptor&& d) noexcept {
    std::swap(fd_, d.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

inline void checked(int code, const char* what) {
  if (code < 0) throw std::system_error(errno, std::generic_category(), what);
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

inline std::uint16_t port_of(int fd) {
  sockaddr_in a{};
  socklen_t size = sizeof a;
  checked(::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size), "getsockname");
  return ntohs(a.sin_port);
}

/// A socket at a free port of the loopback.
inline descriptor bound(int type) {
  descriptor d(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const sockaddr_in at = loopback(0);
  checked(::bind(d.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), "bind");
  return d;
}

/// The system's own listener: it takes connections, and nobody serves them.
inline descriptor listener(int backlog = 8) {
  descriptor d = bound(SOCK_STREAM);
  checked(::listen(d.get(), backlog), "listen");
  return d;
}

/// A connection under way to a port, or done.
inline descriptor connecting(std::uint16_t port) {
  descriptor d(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in to = loopback(port);
  if (::connect(d.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 &&
      errno != EINPROGRESS) {
    checked(-1, "connect");
  }
  return d;
}

/// A TCP socket of this machine, to be used by hand and blocking.
class raw_socket {
 public:
  raw_socket() : raw_socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit raw_socket(int fd) : fd_(fd) {}

  int fd() const noexcept { return fd_.get(); }
  void close() noexcept { fd_ = descriptor(); }
  /// Bound to 127.0.0.1 at a port that it gives.
  std::uint16_t bind(std::uint16_t port = 0) const {
    const sockaddr_in at = loopback(port);
    checked(::bind(fd(), reinterpret_cast<const sockaddr*>(&at), sizeof at), "bind");
    return port_of(fd());
  }
  void listen(int backlog) const { checked(::listen(fd(), backlog), "listen"); }
  /// Blocks until the kernel has it in the queue of who listens; false if it is refused.
  bool connect(std::uint16_t port) const {
    const sockaddr_in at = loopback(port);
    return ::connect(fd(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }

 private:
  descriptor fd_;
};

/// A port of this machine where nobody listens.
inline std::uint16_t free_port() { return raw_socket().bind(); }

/// Two ends of a TCP connection.
inline std::pair<descriptor, descriptor> connection() {
  const descriptor at = listener();
  descriptor a = connecting(port_of(at.get()));
  descriptor b(::accept4(at.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return {std::move(a), std::move(b)};
}

/// Two ends of a Unix connection.
inline std::pair<descriptor, descriptor> local_connection() {
  int ends[2];
  checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  return {descriptor(ends[0]), descriptor(ends[1])};
}

}  // namespace test
