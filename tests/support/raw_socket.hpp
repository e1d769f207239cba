#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace test {

/// How many descriptors this process has open.
inline std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR* const d = ::opendir("/proc/self/fd");
  if (!d) throw std::runtime_error("no /proc/self/fd");
  while (::readdir(d)) ++n;
  ::closedir(d);
  return n - 3;  // ".", "..", and the one it is read by
}

/// A TCP socket of this machine, made by hand, closed with it.
class raw_socket {
 public:
  raw_socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit raw_socket(int fd) : fd_(fd) {}
  raw_socket(raw_socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  raw_socket& operator=(raw_socket&&) = delete;
  ~raw_socket() { close(); }

  int fd() const noexcept { return fd_; }
  void close() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  /// Bound to 127.0.0.1 at a port that it gives.
  std::uint16_t bind(std::uint16_t port = 0) const {
    sockaddr_in at = loopback(port);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("bind");
    socklen_t size = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }
  void listen(int backlog) const {
    if (::listen(fd_, backlog) != 0) fail("listen");
  }
  /// Blocks until the kernel has it in the queue of who listens; false if it is refused.
  bool connect(std::uint16_t port) const {
    sockaddr_in at = loopback(port);
    return ::connect(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }
  [[noreturn]] static void fail(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  }
  int fd_;
};

/// A port of this machine where nobody listens.
inline std::uint16_t free_port() { return raw_socket().bind(); }

}  // namespace test
