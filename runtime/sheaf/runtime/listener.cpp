#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/listener.hpp>
#include <sheaf/runtime/loop.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sheaf::runtime {

namespace {

// `where` is the address or the path.
[[noreturn]] void fail(const std::string& where) {
  throw uv_error(uv_translate_sys_error(errno), "listen", where);
}

void require(int code, const std::string& where) {
  if (code < 0) fail(where);
}

int fresh_socket(int family, const std::string& where) {
#ifdef SOCK_CLOEXEC
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  require(fd, where);
#else
  const int fd = ::socket(family, SOCK_STREAM, 0);
  require(fd, where);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
#endif
  return fd;
}

int accept_one(int fd, sockaddr* from, socklen_t* size) noexcept {
#ifdef SOCK_CLOEXEC
  return ::accept4(fd, from, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  const int made = ::accept(fd, from, size);
  if (made >= 0) {
    ::fcntl(made, F_SETFD, FD_CLOEXEC);
    ::fcntl(made, F_SETFL, O_NONBLOCK);
  }
  return made;
#endif
}

void set(int fd, int level, int name, bool on, const std::string& where) {
  const int value = on ? 1 : 0;
  require(::setsockopt(fd, level, name, &value, sizeof value), where);
}

// Those of libuv 1.49's UV_TCP_REUSEPORT. Elsewhere the last one bound takes all.
void set_reuse_port(int fd, const std::string& where) {
#if defined(__linux__) || defined(__DragonFly__)
  set(fd, SOL_SOCKET, SO_REUSEPORT, true, where);
#elif defined(SO_REUSEPORT_LB)
  set(fd, SOL_SOCKET, SO_REUSEPORT_LB, true, where);
#else
  static_cast<void>(fd);
  throw uv_error(UV_ENOTSUP, "listen with reuse_port", where);
#endif
}

/// Fills in a sockaddr_un; throws if the path does not go in.
sockaddr_un local_address(std::string_view path, const std::string& where) {
  sockaddr_un at{};
  if (path.empty() || path.find('\0') != std::string_view::npos) {
    throw uv_error(UV_EINVAL, "listen", where);
  }
  if (path.size() >= sizeof at.sun_path) throw uv_error(UV_ENAMETOOLONG, "listen", where);
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.data(), path.size());
  return at;
}

// A socket whose owner is gone refuses; one whose queue is full (EAGAIN) does not.
bool somebody_listens(const sockaddr_un& at, const std::string& where) {
  const int fd = fresh_socket(AF_UNIX, where);
  const int code = ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
  const int error = errno;
  ::close(fd);
  return code == 0 || error != ECONNREFUSED;
}

int bind_local(int fd, const sockaddr_un& at) noexcept {
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
}

// Broken before it was taken: the next one may be whole. See accept(2) for Linux's list.
bool is_lost_connection(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

listener listener::tcp(const address& at, listen_options how) {
  const std::string where = at.to_string();
  listener made(fresh_socket(at.is_ipv6() ? AF_INET6 : AF_INET, where));
  set(made.fd_, SOL_SOCKET, SO_REUSEADDR, true, where);
  if (how.reuse_port()) set_reuse_port(made.fd_, where);
  if (at.is_ipv6()) set(made.fd_, IPPROTO_IPV6, IPV6_V6ONLY, how.ipv6_only(), where);
  const socklen_t size = at.is_ipv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  require(::bind(made.fd_, at.raw(), size), where);
  return made;
}

listener listener::local(std::string_view path) {
  const std::string where(path);
  const sockaddr_un at = local_address(path, where);
  listener made(fresh_socket(AF_UNIX, where));
  if (bind_local(made.fd_, at) != 0) {
    if (errno != EADDRINUSE) fail(where);
    if (!socket_at(at.sun_path) || somebody_listens(at, where)) {
      throw uv_error(UV_EADDRINUSE, "listen", where);
    }
    ::unlink(at.sun_path);
    require(bind_local(made.fd_, at), where);
  }
  made.path_ = path;
  made.file_ = socket_at(at.sun_path).value_or(file_identity());
  return made;
}

// The poll goes before its descriptor.
listener::~listener() {
  poll_.reset();
  if (fd_ < 0) return;
  if (is_local() && socket_at(path_.c_str()) == file_) ::unlink(path_.c_str());
  ::close(fd_);
}

std::optional<listener::file_identity> listener::socket_at(const char* path) noexcept {
  struct stat status;
  if (::lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) return {};
  return file_identity{status.st_dev, status.st_ino};
}

void listener::listen(loop& l, int backlog, unique_function<void()> on_ready) {
  const std::string where = is_local() ? path_ : sockname().to_string();
  require(::listen(fd_, backlog), where);
  poll_.emplace(l, fd_,
                [f = std::move(on_ready)](poll_events, std::error_code) mutable { f(); });
  poll_->start(poll_events::readable);
}

void listener::pause() noexcept {
  if (poll_) poll_->stop();
}

void listener::resume() {
  if (poll_) poll_->start(poll_events::readable);
}

std::optional<listener::connection> listener::accept(std::error_code& error) noexcept {
  sockaddr_storage from;
  int fd;
  socklen_t size;
  do {
    size = sizeof from;
    fd = accept_one(fd_, reinterpret_cast<sockaddr*>(&from), &size);
  } while (fd < 0 && is_lost_connection(errno));
  if (fd < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      error = {uv_translate_sys_error(errno), uv_category()};
    }
    return {};
  }
  connection made{fd, {}};
  if (!is_local()) made.peer = address::from(reinterpret_cast<sockaddr*>(&from));
  return made;
}

address listener::sockname() const {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    throw uv_error(uv_translate_sys_error(errno), "getsockname");
  }
  return address::from(reinterpret_cast<sockaddr*>(&at));
}

}  // namespace sheaf::runtime
