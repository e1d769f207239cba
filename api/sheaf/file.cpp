#include <sheaf/detail/request_wait.hpp>
#include <sheaf/file.hpp>
#include <sheaf/fs.hpp>
#include <sheaf/runtime/error.hpp>

#include <fcntl.h>

#include <cerrno>
#include <limits>
#include <utility>

namespace sheaf::fs {

namespace {

using detail::descriptor;
using detail::descriptor_ref;
using detail::once_begun;

int to_system(flags how) noexcept {
  const bool writes = how & flags::write || how & flags::append;
  const int direction = !writes ? O_RDONLY : how & flags::read ? O_RDWR : O_WRONLY;
  return direction | O_CLOEXEC | (how & flags::append ? O_APPEND : 0) |
         (how & flags::create ? O_CREAT : 0) | (how & flags::truncate ? O_TRUNC : 0) |
         (how & flags::exclusive ? O_EXCL : 0);
}

file as_file(descriptor_ref open, bool appends) {
  return file(std::make_shared<detail::file_core>(std::move(open), appends));
}

/// `f(loop, descriptor, args..., callback)`, which keeps the file open.
template <class T, class F, class... Args>
coro<T> on_open(detail::file_ref f, const char* what, once_begun how, F* function,
                Args... args) {
  const descriptor_ref open = f->open(what);
  const auto ask = [&](runtime::loop& l, auto callback) {
    auto r = function(l, open->number(), args..., std::move(callback));
    r.keep(open);
    return r;
  };
  using wait = detail::request_wait<T, decltype(ask)>;
  co_return co_await wait(what, open->path(), how, ask);
}

std::int64_t as_signed(std::uint64_t n, const char* what) {
  if (n <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return static_cast<std::int64_t>(n);
  }
  throw uv_error(-EINVAL, what);
}

}  // namespace

const detail::file_ref& file::core() const {
  if (!core_) throw invalid_state("file: none is open");
  return core_;
}

file file::adopt(int number) {
  return as_file(detail::take_over(number, "descriptor " + std::to_string(number)),
                 false);
}

void file::seek(std::uint64_t to) const {
  static_cast<void>(core()->open("fs::file::seek"));
  core()->position = as_signed(to, "fs::file::seek");
}

coro<file_status> file::stat() const {
  return on_open<file_status>(core(), "fs::fstat", once_begun::dropped,
                              runtime::fs::fstat);
}
coro<> file::truncate(std::uint64_t size) const {
  return on_open<void>(core(), "fs::ftruncate", once_begun::awaited,
                       runtime::fs::ftruncate, as_signed(size, "fs::ftruncate"));
}
coro<> file::sync() const {
  return on_open<void>(core(), "fs::fsync", once_begun::awaited, runtime::fs::fsync);
}
coro<> file::data_sync() const {
  return on_open<void>(core(), "fs::fdatasync", once_begun::awaited,
                       runtime::fs::fdatasync);
}
coro<> file::chmod(int mode) const {
  return on_open<void>(core(), "fs::fchmod", once_begun::awaited, runtime::fs::fchmod,
                       mode);
}
coro<> file::chown(std::uint32_t user, std::uint32_t group) const {
  return on_open<void>(core(), "fs::fchown", once_begun::awaited, runtime::fs::fchown,
                       user, group);
}
coro<> file::utime(time_point accessed, time_point modified) const {
  return on_open<void>(core(), "fs::futime", once_begun::awaited, runtime::fs::futime,
                       accessed, modified);
}

// What was opened has an owner from the very callback on: the task may never run again.
coro<file> open(std::string path, flags how, int mode) {
  const auto ask = [&path, how, mode](runtime::loop& l, auto callback) {
    auto take = [&path, f = std::move(callback)](int number, std::error_code e) mutable {
      f(e ? descriptor_ref() : detail::take_over(number, path), e);
    };
    return runtime::fs::open(l, path, to_system(how), mode, std::move(take));
  };
  using wait = detail::request_wait<descriptor_ref, decltype(ask)>;
  descriptor_ref opened = co_await wait("fs::open", path, once_begun::awaited, ask);
  co_return as_file(std::move(opened), how & flags::append);
}

coro<temporary_file> mkstemp(std::string pattern) {
  std::string made;
  const auto ask = [&pattern, &made](runtime::loop& l, auto callback) {
    auto take = [&made, f = std::move(callback)](runtime::fs::temporary_file t,
                                                 std::error_code e) mutable {
      made = t.path;
      f(e ? descriptor_ref() : detail::take_over(t.descriptor, std::move(t.path)), e);
    };
    return runtime::fs::mkstemp(l, pattern, std::move(take));
  };
  using wait = detail::request_wait<descriptor_ref, decltype(ask)>;
  descriptor_ref opened = co_await wait("fs::mkstemp", pattern, once_begun::awaited, ask);
  co_return temporary_file{as_file(std::move(opened), false), std::move(made)};
}

coro<std::size_t> sendfile(const file& to, const file& from, std::uint64_t offset,
                           std::size_t size) {
  struct both {
    descriptor_ref to;
    descriptor_ref from;
  };
  const auto open = std::make_shared<both>(to.core()->open("fs::sendfile"),
                                           from.core()->open("fs::sendfile"));
  const std::int64_t at = as_signed(offset, "fs::sendfile");
  const auto ask = [&](runtime::loop& l, auto callback) {
    auto r = runtime::fs::sendfile(l, open->to->number(), open->from->number(), at, size,
                                   std::move(callback));
    r.keep(open);
    return r;
  };
  using wait = detail::request_wait<std::size_t, decltype(ask)>;
  co_return co_await wait("fs::sendfile", open->from->path(), once_begun::awaited, ask);
}

}  // namespace sheaf::fs
