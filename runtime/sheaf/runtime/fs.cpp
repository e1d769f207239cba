#include <sheaf/runtime/detail/buffer.hpp>
#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/request_block.hpp>
#include <sheaf/runtime/detail/to_status.hpp>
#include <sheaf/runtime/fs.hpp>
#include <sheaf/runtime/loop.hpp>

#include <unistd.h>

namespace sheaf::runtime::fs {

static_assert(static_cast<int>(copy::exclusive) == UV_FS_COPYFILE_EXCL);
static_assert(static_cast<int>(copy::clone) == UV_FS_COPYFILE_FICLONE);
static_assert(static_cast<int>(copy::clone_or_nothing) == UV_FS_COPYFILE_FICLONE_FORCE);
static_assert(static_cast<int>(entry_kind::directory) == UV_DIRENT_DIR);
static_assert(static_cast<int>(entry_kind::block) == UV_DIRENT_BLOCK);

namespace {

/// A file request: Take calls the callback with what it finds in the answer, and Keep is
/// what must stay until there is one. Take::settle, if there is one, is called first, also if
/// nobody wants the answer; Take::undo in place of Take then. Take::dropped is called when no
/// thread will begin with it.
template <class Callback, class Take, class Keep>
class fs_block final : public detail::request_block {
 public:
  fs_block(scheduler& s, const char* what, Callback f, Take take, Keep keep)
      : request_block(s, what),
        kept(std::move(keep)),
        what_(what),
        f_(detail::callable(std::move(f), what)),
        take_(take) {
    uv.data = static_cast<request_block*>(this);
  }
  ~fs_block() override { uv_fs_req_cleanup(&uv); }

  uv_req_t* raw() noexcept override { return reinterpret_cast<uv_req_t*>(&uv); }

  static void on_done(uv_fs_t* r) {
    auto& self = of<fs_block>(r);
    const ssize_t n = r->result;
    const std::error_code error = detail::to_error(n < 0 ? static_cast<int>(n) : 0);
    if constexpr (requires { Take::settle(*r, self.kept); }) Take::settle(*r, self.kept);
    if constexpr (requires { Take::undo(*r); }) {
      if (self.silenced() && !error) Take::undo(*r);
    }
    self.finish(self.what_, [&] { self.take_(self.f_, *r, error, self.kept); });
  }

  uv_fs_t uv{};
  Keep kept;

 private:
  void silence() noexcept override { f_.reset(); }
  void dropped() noexcept override {
    if constexpr (requires { Take::dropped(kept); }) Take::dropped(kept);
  }

  const char* what_;
  Callback f_;
  [[no_unique_address]] Take take_;
};

/// `submit(loop, request, kept, callback)` calls libuv.
template <class Callback, class Take, class Keep, class Submit>
request start(loop& l, const char* what, Callback f, Take take, Keep keep,
              Submit submit) {
  using block = fs_block<Callback, Take, Keep>;
  auto b = std::make_unique<block>(l.core(), what, std::move(f), take, std::move(keep));
  const int code = submit(l.uv(), &b->uv, b->kept, block::on_done);
  return block::submitted(std::move(b), code, what);
}

struct nothing {};

constexpr auto take_done = [](done_callback& f, uv_fs_t&, std::error_code e, auto&) {
  f(e);
};
constexpr auto take_size = [](size_callback& f, uv_fs_t& r, std::error_code e, auto&) {
  f(e ? 0 : static_cast<std::size_t>(r.result), e);
};
// Nobody else knows of the descriptor.
struct take_descriptor {
  void operator()(open_callback& f, uv_fs_t& r, std::error_code e, nothing&) const {
    f(e ? -1 : static_cast<int>(r.result), e);
  }
  static void undo(uv_fs_t& r) noexcept { ::close(static_cast<int>(r.result)); }
};
constexpr auto take_status = [](status_callback& f, uv_fs_t& r, std::error_code e,
                                auto&) {
  f(e ? file_status() : detail::to_status(r.statbuf), e);
};
constexpr auto take_target = [](path_callback& f, uv_fs_t& r, std::error_code e, auto&) {
  f(e ? std::string() : std::string(static_cast<const char*>(r.ptr)), e);
};
constexpr auto take_path = [](path_callback& f, uv_fs_t& r, std::error_code e, auto&) {
  f(e ? std::string() : std::string(r.path), e);
};

std::string as_path(std::string_view path, const char* operation) {
  if (path.find('\0') != path.npos) throw uv_error(UV_EINVAL, operation, path);
  return std::string(path);
}

/// What has a path, some numbers, and an answer.
template <class Uv, class Callback, class Take, class... Args>
request with_path(loop& l, const char* what, std::string_view path, Callback f, Take take,
                  Uv* call, Args... args) {
  const std::string text = as_path(path, what);
  return start(l, what, std::move(f), take, nothing(),
               [&](uv_loop_t* uv, uv_fs_t* r, nothing&, uv_fs_cb done) {
                 return call(uv, r, text.c_str(), args..., done);
               });
}

template <class Uv, class Callback, class Take, class... Args>
request with_descriptor(loop& l, const char* what, int descriptor, Callback f, Take take,
                        Uv* call, Args... args) {
  return start(l, what, std::move(f), take, nothing(),
               [&](uv_loop_t* uv, uv_fs_t* r, nothing&, uv_fs_cb done) {
                 return call(uv, r, descriptor, args..., done);
               });
}

template <class Uv, class... Args>
request with_two_paths(loop& l, const char* what, std::string_view from,
                       std::string_view to, done_callback f, Uv* call, Args... args) {
  const std::string second = as_path(to, what);
  return with_path(l, what, from, std::move(f), take_done, call, second.c_str(), args...);
}

double seconds(time_point t) noexcept {
  return std::chrono::duration<double>(t.time_since_epoch()).count();
}

}  // namespace

request open(loop& l, std::string_view path, int flags, int mode, open_callback f) {
  return with_path(l, "fs::open", path, std::move(f), take_descriptor(), uv_fs_open,
                   flags, mode);
}

request close(loop& l, int descriptor, done_callback f) {
  return with_descriptor(l, "fs::close", descriptor, std::move(f), take_done,
                         uv_fs_close);
}

request read(loop& l, int descriptor, std::size_t size, std::int64_t offset,
             bytes_callback f) {
  const auto take = [](bytes_callback& to, uv_fs_t& r, std::error_code e,
                       std::string& bytes) {
    bytes.resize(e ? 0 : static_cast<std::size_t>(r.result));
    to(std::move(bytes), e);
  };
  return start(l, "fs::read", std::move(f), take, std::string(size, '\0'),
               [&](uv_loop_t* uv, uv_fs_t* r, std::string& bytes, uv_fs_cb done) {
                 const uv_buf_t buffer = detail::to_buffer(bytes);
                 return uv_fs_read(uv, r, descriptor, &buffer, 1, offset, done);
               });
}

request read_into(loop& l, int descriptor, std::span<char> room, std::int64_t offset,
                  size_callback f) {
  const uv_buf_t buffer = detail::to_buffer({room.data(), room.size()});
  return with_descriptor(l, "fs::read_into", descriptor, std::move(f), take_size,
                         uv_fs_read, &buffer, 1u, offset);
}

request write(loop& l, int descriptor, std::string bytes, std::int64_t offset,
              size_callback f) {
  return start(l, "fs::write", std::move(f), take_size, std::move(bytes),
               [&](uv_loop_t* uv, uv_fs_t* r, std::string& kept, uv_fs_cb done) {
                 const uv_buf_t buffer = detail::to_buffer(kept);
                 return uv_fs_write(uv, r, descriptor, &buffer, 1, offset, done);
               });
}

request write_borrowed(loop& l, int descriptor, std::string_view bytes,
                       std::int64_t offset, size_callback f) {
  const uv_buf_t buffer = detail::to_buffer(bytes);
  return with_descriptor(l, "fs::write", descriptor, std::move(f), take_size, uv_fs_write,
                         &buffer, 1u, offset);
}

request sendfile(loop& l, int to, int from, std::int64_t offset, std::size_t size,
                 size_callback f) {
  return with_descriptor(l, "fs::sendfile", to, std::move(f), take_size, uv_fs_sendfile,
                         from, offset, size);
}

request fsync(loop& l, int descriptor, done_callback f) {
  return with_descriptor(l, "fs::fsync", descriptor, std::move(f), take_done,
                         uv_fs_fsync);
}
request fdatasync(loop& l, int descriptor, done_callback f) {
  return with_descriptor(l, "fs::fdatasync", descriptor, std::move(f), take_done,
                         uv_fs_fdatasync);
}
request ftruncate(loop& l, int descriptor, std::int64_t size, done_callback f) {
  return with_descriptor(l, "fs::ftruncate", descriptor, std::move(f), take_done,
                         uv_fs_ftruncate, size);
}

request stat(loop& l, std::string_view path, status_callback f) {
  return with_path(l, "fs::stat", path, std::move(f), take_status, uv_fs_stat);
}
request lstat(loop& l, std::string_view path, status_callback f) {
  return with_path(l, "fs::lstat", path, std::move(f), take_status, uv_fs_lstat);
}
request fstat(loop& l, int descriptor, status_callback f) {
  return with_descriptor(l, "fs::fstat", descriptor, std::move(f), take_status,
                         uv_fs_fstat);
}

namespace {

std::uint64_t fragment_size(const uv_statfs_t& s) noexcept {
#if UV_VERSION_HEX >= ((1 << 16) | (52 << 8))
  return s.f_frsize;
#else
  return s.f_bsize;
#endif
}

}  // namespace

request statfs(loop& l, std::string_view path, space_callback f) {
  const auto take = [](space_callback& to, uv_fs_t& r, std::error_code e, auto&) {
    if (e) return to({}, e);
    const auto& s = *static_cast<const uv_statfs_t*>(r.ptr);
    to({s.f_type, s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree,
        fragment_size(s)},
       e);
  };
  return with_path(l, "fs::statfs", path, std::move(f), take, uv_fs_statfs);
}

request access(loop& l, std::string_view path, int mode, done_callback f) {
  return with_path(l, "fs::access", path, std::move(f), take_done, uv_fs_access, mode);
}
request chmod(loop& l, std::string_view path, int mode, done_callback f) {
  return with_path(l, "fs::chmod", path, std::move(f), take_done, uv_fs_chmod, mode);
}
request fchmod(loop& l, int descriptor, int mode, done_callback f) {
  return with_descriptor(l, "fs::fchmod", descriptor, std::move(f), take_done,
                         uv_fs_fchmod, mode);
}
request chown(loop& l, std::string_view path, std::uint32_t user, std::uint32_t group,
              done_callback f) {
  return with_path(l, "fs::chown", path, std::move(f), take_done, uv_fs_chown, user,
                   group);
}
request fchown(loop& l, int descriptor, std::uint32_t user, std::uint32_t group,
               done_callback f) {
  return with_descriptor(l, "fs::fchown", descriptor, std::move(f), take_done,
                         uv_fs_fchown, user, group);
}
request lchown(loop& l, std::string_view path, std::uint32_t user, std::uint32_t group,
               done_callback f) {
  return with_path(l, "fs::lchown", path, std::move(f), take_done, uv_fs_lchown, user,
                   group);
}

request utime(loop& l, std::string_view path, time_point accessed, time_point modified,
              done_callback f) {
  return with_path(l, "fs::utime", path, std::move(f), take_done, uv_fs_utime,
                   seconds(accessed), seconds(modified));
}
request futime(loop& l, int descriptor, time_point accessed, time_point modified,
               done_callback f) {
  return with_descriptor(l, "fs::futime", descriptor, std::move(f), take_done,
                         uv_fs_futime, seconds(accessed), seconds(modified));
}
request lutime(loop& l, std::string_view path, time_point accessed, time_point modified,
               done_callback f) {
  return with_path(l, "fs::lutime", path, std::move(f), take_done, uv_fs_lutime,
                   seconds(accessed), seconds(modified));
}

request unlink(loop& l, std::string_view path, done_callback f) {
  return with_path(l, "fs::unlink", path, std::move(f), take_done, uv_fs_unlink);
}
request rename(loop& l, std::string_view from, std::string_view to, done_callback f) {
  return with_two_paths(l, "fs::rename", from, to, std::move(f), uv_fs_rename);
}
request link(loop& l, std::string_view target, std::string_view path, done_callback f) {
  return with_two_paths(l, "fs::link", target, path, std::move(f), uv_fs_link);
}
request symlink(loop& l, std::string_view target, std::string_view path,
                done_callback f) {
  return with_two_paths(l, "fs::symlink", target, path, std::move(f), uv_fs_symlink, 0);
}
request readlink(loop& l, std::string_view path, path_callback f) {
  return with_path(l, "fs::readlink", path, std::move(f), take_target, uv_fs_readlink);
}
request realpath(loop& l, std::string_view path, path_callback f) {
  return with_path(l, "fs::realpath", path, std::move(f), take_target, uv_fs_realpath);
}

request copyfile(loop& l, std::string_view from, std::string_view to, copy how,
                 done_callback f) {
  return with_two_paths(l, "fs::copyfile", from, to, std::move(f), uv_fs_copyfile,
                        static_cast<int>(how));
}

request mkdir(loop& l, std::string_view path, int mode, done_callback f) {
  return with_path(l, "fs::mkdir", path, std::move(f), take_done, uv_fs_mkdir, mode);
}
request rmdir(loop& l, std::string_view path, done_callback f) {
  return with_path(l, "fs::rmdir", path, std::move(f), take_done, uv_fs_rmdir);
}
request mkdtemp(loop& l, std::string_view pattern, path_callback f) {
  return with_path(l, "fs::mkdtemp", pattern, std::move(f), take_path, uv_fs_mkdtemp);
}

namespace {

struct take_temporary {
  void operator()(temporary_callback& f, uv_fs_t& r, std::error_code e, nothing&) const {
    if (e) return f({}, e);
    f({static_cast<int>(r.result), r.path}, e);
  }
  static void undo(uv_fs_t& r) noexcept {
    ::close(static_cast<int>(r.result));
    ::unlink(r.path);
  }
};

}  // namespace

request mkstemp(loop& l, std::string_view pattern, temporary_callback f) {
  return with_path(l, "fs::mkstemp", pattern, std::move(f), take_temporary(),
                   uv_fs_mkstemp);
}

request scandir(loop& l, std::string_view path, entries_callback f) {
  const auto take = [](entries_callback& to, uv_fs_t& r, std::error_code e, auto&) {
    std::vector<entry> all;
    for (uv_dirent_t each; !e && uv_fs_scandir_next(&r, &each) == 0;) {
      all.push_back({each.name, static_cast<entry_kind>(each.type)});
    }
    to(std::move(all), e);
  };
  return with_path(l, "fs::scandir", path, std::move(f), take, uv_fs_scandir, 0);
}

namespace {

// Without a callback libuv does it here and now; a closedir() does not block.
void close_directory(uv_dir_t* d) noexcept {
  uv_fs_t r;
  uv_fs_closedir(nullptr, &r, d, nullptr);
  uv_fs_req_cleanup(&r);
}

struct take_directory {
  void operator()(directory_callback& f, uv_fs_t& r, std::error_code e, nothing&) const {
    if (e) return f({}, e);
    auto* const open = static_cast<uv_dir_t*>(std::exchange(r.ptr, nullptr));
    open->dirents = nullptr;  // libuv leaves it as it was
    f(directory(std::shared_ptr<uv_dir_t>(open, close_directory)), e);
  }
  static void undo(uv_fs_t& r) noexcept {
    close_directory(static_cast<uv_dir_t*>(std::exchange(r.ptr, nullptr)));
  }
};

}  // namespace

request opendir(loop& l, std::string_view path, directory_callback f) {
  return with_path(l, "fs::opendir", path, std::move(f), take_directory(), uv_fs_opendir);
}

namespace {

/// What a readdir() needs until its answer: the directory, and room for the entries.
struct reading {
  directory from;
  std::vector<uv_dirent_t> room;
  std::vector<entry> found;
};

struct take_entries {
  // libuv frees the names through the directory, which the next readdir() may have by the time
  // the request goes: so they are copied and freed before anybody is called.
  static void settle(uv_fs_t& r, reading& k) {
    for (ssize_t i = 0; i < r.result; ++i) {
      const uv_dirent_t& each = k.room[static_cast<std::size_t>(i)];
      k.found.push_back({each.name, static_cast<entry_kind>(each.type)});
    }
    uv_fs_req_cleanup(&r);
    dropped(k);
    k.from = {};
  }
  // Read by nobody any more. The next one may have begun before a cancelled one is given back.
  static void dropped(reading& k) noexcept {
    uv_dir_t& dir = *k.from.raw();
    if (dir.dirents == k.room.data()) dir.dirents = nullptr;
  }
  void operator()(entries_callback& f, uv_fs_t&, std::error_code e, reading& k) const {
    f(std::move(k.found), e);
  }
};

}  // namespace

request readdir(loop& l, const directory& d, std::size_t most, entries_callback f) {
  if (!d || most == 0) throw uv_error(UV_EINVAL, "fs::readdir");
  // libuv has one place in the directory for where to read to.
  if (d.raw()->dirents) throw uv_error(UV_EBUSY, "fs::readdir");
  return start(l, "fs::readdir", std::move(f), take_entries(),
               reading{d, std::vector<uv_dirent_t>(most), {}},
               [](uv_loop_t* uv, uv_fs_t* r, reading& k, uv_fs_cb done) {
                 uv_dir_t* const dir = k.from.raw().get();
                 dir->dirents = k.room.data();
                 dir->nentries = k.room.size();
                 return uv_fs_readdir(uv, r, dir, done);
               });
}

}  // namespace sheaf::runtime::fs
