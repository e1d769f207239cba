#pragma once

#include "catch.hpp"
#include "sockets.hpp"

#include <sheaf/coro.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/stream.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace test {

/// Takes a socket of the system's over as a stream of the loop that runs.
inline sheaf::stream stream_over(
    int fd, std::size_t limit = sheaf::detail::stream_core::default_limit) {
  using sheaf::detail::stream_core;
  sheaf::runtime::pipe handle(sheaf::loop::current());
  handle.open(fd);
  return sheaf::stream(sheaf::detail::stream_ref::adopt(new stream_core(
      sheaf::detail::loop_core::current("test"), std::move(handle), limit)));
}

/// The other end of a stream as plain calls of the system that never block.
class raw_peer {
 public:
  explicit raw_peer(int fd) : fd_(fd) { ::fcntl(fd, F_SETFL, O_NONBLOCK); }
  raw_peer(raw_peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~raw_peer() { close(); }

  /// All of it, which must fit.
  void send(std::string_view bytes) {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  /// As much of "xxxx..." as fits, up to `most`; how much that is.
  std::size_t fill(std::size_t most) {
    const std::string chunk(4096, 'x');
    std::size_t sent = 0;
    while (sent < most) {
      const ssize_t n =
          ::send(fd_, chunk.data(), std::min(chunk.size(), most - sent), MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    return sent;
  }
  /// What has come, up to `most`.
  std::string receive(std::size_t most = static_cast<std::size_t>(-1)) {
    std::string all;
    char room[4096];
    while (all.size() < most) {
      const ssize_t n = ::recv(fd_, room, std::min(sizeof room, most - all.size()), 0);
      if (n <= 0) {
        at_end_ = n == 0;
        break;
      }
      all.append(room, static_cast<std::size_t>(n));
    }
    return all;
  }
  /// The last receive() found the end.
  bool at_end() const noexcept { return at_end_; }
  void shut_down() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd() const noexcept { return fd_; }

 private:
  int fd_;
  bool at_end_ = false;
};

/// A stream, and its other end by hand.
struct half_pair {
  sheaf::stream s;
  raw_peer peer;
};
inline half_pair half_connected(
    std::size_t limit = sheaf::detail::stream_core::default_limit) {
  const auto both = sheaf::runtime::make_socket_pair();
  return {stream_over(both.first, limit), raw_peer(both.second)};
}

/// Two streams that are connected to each other, in the loop that runs.
struct stream_pair {
  sheaf::stream near;
  sheaf::stream far;
};
inline stream_pair connected_streams(
    std::size_t limit = sheaf::detail::stream_core::default_limit) {
  const auto both = sheaf::runtime::make_socket_pair();
  return {stream_over(both.first, limit), stream_over(both.second, limit)};
}

/// A TCP connection to this machine, of which a reset can be sent.
struct tcp_ends {
  int first;
  int second;
};
inline tcp_ends connected_tcp() {
  auto [first, second] = connection();
  return {first.release(), second.release()};
}
inline sheaf::stream tcp_stream_over(int fd) {
  using sheaf::detail::stream_core;
  sheaf::runtime::tcp handle(sheaf::loop::current());
  handle.open(fd);
  return sheaf::stream(sheaf::detail::stream_ref::adopt(
      new stream_core(sheaf::detail::loop_core::current("test"), std::move(handle),
                      stream_core::default_limit)));
}
/// Closes a TCP socket with a reset.
inline void reset(int fd) {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(fd);
}

/// A loop that polls after every batch, so that `turns(n)` lets n polls go by. As in run()
/// no SIGPIPE comes of a peer that has gone.
class polling_loop : public sheaf::loop {
 public:
  polling_loop() { set_budget({1, std::chrono::nanoseconds(0)}); }

 private:
  sheaf::runtime::sigpipe_guard no_signal_;
};
inline sheaf::coro<> turns(int n) {
  for (int i = 0; i < n; ++i) co_await sheaf::sleep(std::chrono::milliseconds(0));
}

/// Runs `f`, a function that gives a coro<>, on such a loop.
template <class F>
void on_polling_loop(F f) {
  polling_loop l;
  l.run_until_complete(f());
}

/// The code of the uv_error that `f` throws; 0 if it throws none.
template <class F>
int code_thrown_by(F&& f) {
  try {
    f();
  } catch (const sheaf::uv_error& e) {
    return e.code().value();
  }
  return 0;
}

}  // namespace test
