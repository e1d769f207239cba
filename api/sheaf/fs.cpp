#include <sheaf/detail/request_wait.hpp>
#include <sheaf/detail/whole_file.hpp>
#include <sheaf/fs.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/work.hpp>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

namespace sheaf::fs {

namespace {

namespace uv = runtime::fs;
using detail::once_begun;
using detail::whole_file;

// What changes nothing, and what does.
constexpr auto look = once_begun::dropped;
constexpr auto change = once_begun::awaited;

template <class T, class F, class... Args>
auto at(const char* what, once_begun how, F* f, std::string_view path, Args... args) {
  return detail::ask_for<T>(what, path, how, f, path, args...);
}

void refuse_nul(const char* what, const std::string& path) {
  if (path.find('\0') != std::string::npos) throw uv_error(-EINVAL, what, path);
}

/// Tells the thread, at the end of the scope, that nobody waits any more.
struct forgetful {
  explicit forgetful(std::shared_ptr<whole_file> f) noexcept : file(std::move(f)) {}
  forgetful(const forgetful&) = delete;
  forgetful& operator=(const forgetful&) = delete;
  ~forgetful() { file->forget(); }
  std::shared_ptr<whole_file> file;
};

/// The subject of what has two paths.
std::string pair(const std::string& from, const std::string& to) {
  return from + " -> " + to;
}

}  // namespace

coro<std::string> read_file(std::string path) {
  refuse_nul("fs::read_file", path);
  const forgetful work(std::make_shared<whole_file>(std::move(path)));
  const auto ask = [&work](runtime::loop& l, auto callback) {
    return runtime::work(l, [f = work.file] { f->read(); }, std::move(callback));
  };
  co_await detail::request_wait<void, decltype(ask)>("fs::read_file", {}, look, ask);
  co_return std::move(*work.file).result("fs::read_file");
}

coro<> write_file(std::string path, std::string data, int mode) {
  refuse_nul("fs::write_file", path);
  const auto file = std::make_shared<whole_file>(std::move(path), std::move(data));
  const auto ask = [&file, mode](runtime::loop& l, auto callback) {
    return runtime::work(l, [file, mode] { file->write(mode); }, std::move(callback));
  };
  co_await detail::request_wait<void, decltype(ask)>("fs::write_file", {}, change, ask);
  static_cast<void>(std::move(*file).result("fs::write_file"));
}

coro<file_status> stat(std::string path) {
  co_return co_await at<file_status>("fs::stat", look, uv::stat, path);
}
coro<file_status> lstat(std::string path) {
  co_return co_await at<file_status>("fs::lstat", look, uv::lstat, path);
}
coro<space> statfs(std::string path) {
  co_return co_await at<space>("fs::statfs", look, uv::statfs, path);
}
coro<> access(std::string path, int mode) {
  co_await at<void>("fs::access", look, uv::access, path, mode);
}

coro<std::vector<entry>> scandir(std::string path) {
  co_return co_await at<std::vector<entry>>("fs::scandir", look, uv::scandir, path);
}
coro<> mkdir(std::string path, int mode) {
  co_await at<void>("fs::mkdir", change, uv::mkdir, path, mode);
}
coro<> rmdir(std::string path) {
  co_await at<void>("fs::rmdir", change, uv::rmdir, path);
}
coro<std::string> mkdtemp(std::string pattern) {
  co_return co_await at<std::string>("fs::mkdtemp", change, uv::mkdtemp, pattern);
}

coro<> unlink(std::string path) {
  co_await at<void>("fs::unlink", change, uv::unlink, path);
}
coro<> rename(std::string from, std::string to) {
  const std::string both = pair(from, to);
  co_await detail::ask_for<void>("fs::rename", both, change, uv::rename,
                                 std::string_view(from), std::string_view(to));
}
coro<> copyfile(std::string from, std::string to, copy how) {
  const std::string both = pair(from, to);
  co_await detail::ask_for<void>("fs::copyfile", both, change, uv::copyfile,
                                 std::string_view(from), std::string_view(to), how);
}
coro<> link(std::string target, std::string path) {
  const std::string both = pair(target, path);
  co_await detail::ask_for<void>("fs::link", both, change, uv::link,
                                 std::string_view(target), std::string_view(path));
}
coro<> symlink(std::string target, std::string path) {
  const std::string both = pair(target, path);
  co_await detail::ask_for<void>("fs::symlink", both, change, uv::symlink,
                                 std::string_view(target), std::string_view(path));
}
coro<std::string> readlink(std::string path) {
  co_return co_await at<std::string>("fs::readlink", look, uv::readlink, path);
}
coro<std::string> realpath(std::string path) {
  co_return co_await at<std::string>("fs::realpath", look, uv::realpath, path);
}

coro<> chmod(std::string path, int mode) {
  co_await at<void>("fs::chmod", change, uv::chmod, path, mode);
}
coro<> chown(std::string path, std::uint32_t user, std::uint32_t group) {
  co_await at<void>("fs::chown", change, uv::chown, path, user, group);
}
coro<> lchown(std::string path, std::uint32_t user, std::uint32_t group) {
  co_await at<void>("fs::lchown", change, uv::lchown, path, user, group);
}
coro<> utime(std::string path, time_point accessed, time_point modified) {
  co_await at<void>("fs::utime", change, uv::utime, path, accessed, modified);
}
coro<> lutime(std::string path, time_point accessed, time_point modified) {
  co_await at<void>("fs::lutime", change, uv::lutime, path, accessed, modified);
}

}  // namespace sheaf::fs
