#pragma once

#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/poll.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace sheaf::runtime {

class loop;

/// How listener::tcp() binds.
class listen_options {
 public:
  /// On, as libuv and asyncio have it: an IPv6 socket takes no IPv4.
  listen_options& ipv6_only(bool on) noexcept {
    ipv6_only_ = on;
    return *this;
  }
  /// Several sockets share the port, and the kernel spreads the connections over them.
  listen_options& reuse_port(bool on) noexcept {
    reuse_port_ = on;
    return *this;
  }
  bool ipv6_only() const noexcept { return ipv6_only_; }
  bool reuse_port() const noexcept { return reuse_port_; }

 private:
  bool ipv6_only_ = true;
  bool reuse_port_ = false;
};

/// A listening socket that accepts by itself, woken by a uv_poll_t.
///
/// In place of uv_listen() for servers that must lose nothing: out of descriptors libuv
/// accepts all who wait and closes them, and tells nobody (uv__emfile_trick in its stream.c);
/// and closing its pipe removes the file of a local socket even if it is another's by then.
/// Here who waits goes on waiting in the kernel's queue while the owner pauses.
///
/// Moved, never copied; closed with it. Thread: its loop's.
class listener {
 public:
  /// Bound, not listening yet. Port 0 picks a free one. Throws uv_error: EADDRINUSE,
  /// EADDRNOTAVAIL, EACCES, EAFNOSUPPORT; ENOTSUP for reuse_port where the kernel spreads
  /// nothing: all but Linux, FreeBSD and DragonFly.
  static listener tcp(const address& at, listen_options how = {});
  /// Makes a socket at `path`, in place of one that nobody listens on. Throws uv_error:
  /// EADDRINUSE for one that is in use and for any other file, ENAMETOOLONG, EINVAL for an
  /// empty path or one with a NUL in it. The file goes with this, if it is still its own.
  static listener local(std::string_view path);

  listener(listener&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        path_(std::move(other.path_)),
        file_(std::exchange(other.file_, {})),
        poll_(std::move(other.poll_)) {}
  listener& operator=(listener&&) = delete;
  ~listener();

  /// Listens, and calls `on_ready` in each turn of `l` in which somebody waits. Throws
  /// uv_error, EADDRINUSE too: of two sockets bound to a port one may listen.
  void listen(loop& l, int backlog, unique_function<void()> on_ready);
  /// Stops calling; who comes waits. resume() goes on. Both are idempotent.
  void pause() noexcept;
  void resume();

  /// A connection, its descriptor the caller's to close: non-blocking, not inherited.
  struct connection {
    int descriptor;
    std::optional<address> peer;  // of TCP
  };
  /// The next connection; nothing when none waits, or with `error` set, when the system has
  /// no descriptors (EMFILE, ENFILE) or memory for it. It then still waits.
  std::optional<connection> accept(std::error_code& error) noexcept;

  bool is_local() const noexcept { return !path_.empty(); }
  /// Where it listens, as the system has it; of TCP only.
  address sockname() const;
  const std::string& path() const noexcept { return path_; }
  int fileno() const noexcept { return fd_; }

 private:
  struct file_identity {
    std::uint64_t device = 0;
    std::uint64_t number = 0;
    friend bool operator==(const file_identity&, const file_identity&) = default;
  };
  explicit listener(int fd) noexcept : fd_(fd) {}
  static std::optional<file_identity> socket_at(const char* path) noexcept;

  int fd_;
  std::string path_;
  file_identity file_;
  std::optional<poll> poll_;
};

}  // namespace sheaf::runtime
