#include <sheaf/runtime/configure.hpp>
#include <sheaf/runtime/fs.hpp>
#include <sheaf/runtime/loop.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/descriptors.hpp"
#include "support/scratch_dir.hpp"
#include "support/sockets.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::descriptor;
using test::scratch_dir;

namespace {

// ---- the table: each operation, where it works and where it does not -------------------

/// What an operation has to work on.
struct setting {
  /// How the kernel is asked: by libuv's threads, or by io_uring where libuv has the option and
  /// the system lets it.
  enum class by { threads, io_uring };
  explicit setting(by how) {
    if (how == by::threads) return;
    ::setenv("UV_USE_IO_URING", "1", 1);
    configure(l, loop_option::use_io_uring_sqpoll);
  }
  loop l;
  scratch_dir in;
  std::string file = in.put("file", "hello");
  descriptor open{::open(file.c_str(), O_RDWR | O_CLOEXEC)};
  descriptor other;
  std::optional<std::error_code> answer;
  std::string got;
  char room[8] = {};

  /// Any callback, whose last argument is the error.
  auto take() {
    return [this]<class... Args>(Args&&... args) { note(std::forward<Args>(args)...); };
  }
  void run(request r) {
    l.run_forever();
    REQUIRE(answer.has_value());
    CHECK_FALSE(r.pending());
  }

 private:
  void note(std::error_code e) { answer = e; }
  void note(std::size_t n, std::error_code e) { note(std::to_string(n), e); }
  void note(int fd, std::error_code e) {
    if (!e) test::checked(::close(fd), "close");
    note(std::string(e ? "" : "a descriptor"), e);
  }
  void note(std::string s, std::error_code e) {
    got = std::move(s);
    answer = e;
  }
  void note(const file_status& s, std::error_code e) {
    note(std::string(s.is_symlink()   ? "link"
                     : s.is_regular() ? "file"
                                      : "") +
             std::to_string(s.size),
         e);
  }
  void note(const fs::space& s, std::error_code e) {
    note(std::string(s.blocks > 0 && s.block_size > 0 && s.fragment_size > 0 ? "space"
                                                                             : ""),
         e);
  }
  void note(fs::temporary_file t, std::error_code e) {
    if (!e) test::checked(::close(t.descriptor), "close");
    note(t.path, e);
  }
  void note(std::vector<fs::entry> all, std::error_code e) {
    std::string names;
    for (const auto& each : all) names += each.name + ' ';
    note(names, e);
  }
  void note(fs::directory d, std::error_code e) { note(std::string(d ? "open" : ""), e); }
};

bool exists(const std::string& path) {
  struct stat s;
  return ::lstat(path.c_str(), &s) == 0;
}
int mode_of(const std::string& path) {
  struct stat s;
  test::checked(::stat(path.c_str(), &s), "stat");
  return static_cast<int>(s.st_mode) & 0777;
}
const fs::time_point moment{1'000'000'000s + 500'000us};
bool modified_then(const std::string& path) {
  struct stat s;
  test::checked(::lstat(path.c_str(), &s), "lstat");
  return s.st_mtim.tv_sec == 1'000'000'000 && s.st_mtim.tv_nsec == 500'000'000;
}

struct operation {
  const char* name;
  request (*good)(setting&);
  bool (*then)(setting&);  ///< whether it did what it says
  request (*bad)(setting&);
  int error;
};

const operation operations[] = {
    {"open", [](setting& s) { return fs::open(s.l, s.file, O_RDONLY, 0, s.take()); },
     [](setting& s) { return s.got == "a descriptor"; },
     [](setting& s) { return fs::open(s.l, s.in / "no", O_RDONLY, 0, s.take()); },
     UV_ENOENT},
    {"close", [](setting& s) { return fs::close(s.l, s.open.release(), s.take()); },
     [](setting&) { return true; },
     [](setting& s) { return fs::close(s.l, -1, s.take()); }, UV_EBADF},
    {"read", [](setting& s) { return fs::read(s.l, s.open.get(), 3, 1, s.take()); },
     [](setting& s) { return s.got == "ell"; },
     [](setting& s) { return fs::read(s.l, -1, 3, 0, s.take()); }, UV_EBADF},
    {"read at the end",
     [](setting& s) { return fs::read(s.l, s.open.get(), 3, 100, s.take()); },
     [](setting& s) { return s.got.empty(); },
     [](setting& s) {
       s.open = descriptor(::open(s.in.path().c_str(), O_RDONLY | O_CLOEXEC));
       return fs::read(s.l, s.open.get(), 3, 0, s.take());
     },
     UV_EISDIR},
    {"read_into",
     [](setting& s) { return fs::read_into(s.l, s.open.get(), s.room, 0, s.take()); },
     [](setting& s) { return s.got == "5" && std::string(s.room) == "hello"; },
     [](setting& s) { return fs::read_into(s.l, -1, s.room, 0, s.take()); }, UV_EBADF},
    {"write", [](setting& s) { return fs::write(s.l, s.open.get(), "xyz", 5, s.take()); },
     [](setting& s) {
       return s.got == "3" && ::pread(s.open.get(), s.room, 8, 0) == 8 &&
              std::string(s.room, 8) == "helloxyz";
     },
     [](setting& s) { return fs::write(s.l, -1, "x", 0, s.take()); }, UV_EBADF},
    {"write where there is no space",
     [](setting& s) { return fs::write(s.l, s.open.get(), "J", fs::current, s.take()); },
     [](setting& s) {
       return ::pread(s.open.get(), s.room, 8, 0) == 5 && s.room[0] == 'J';
     },
     [](setting& s) {
       s.open = descriptor(::open("/dev/full", O_WRONLY | O_CLOEXEC));
       return fs::write(s.l, s.open.get(), "x", fs::current, s.take());
     },
     UV_ENOSPC},
    {"write_borrowed",
     [](setting& s) { return fs::write_borrowed(s.l, s.open.get(), "abc", 0, s.take()); },
     [](setting& s) {
       return s.got == "3" && ::pread(s.open.get(), s.room, 8, 0) == 5 &&
              std::string(s.room) == "abclo";
     },
     [](setting& s) { return fs::write_borrowed(s.l, -1, "x", 0, s.take()); }, UV_EBADF},
    {"sendfile",
     [](setting& s) {
       const int to = ::open((s.in / "to").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
       s.open = descriptor(to);
       s.other = descriptor(::open(s.file.c_str(), O_RDONLY | O_CLOEXEC));
       return fs::sendfile(s.l, to, s.other.get(), 1, 100, s.take());
     },
     [](setting& s) {
       return s.got == "4" && ::pread(s.open.get(), s.room, 8, 0) == 4 &&
              std::string(s.room) == "ello";
     },
     [](setting& s) { return fs::sendfile(s.l, -1, s.open.get(), 0, 1, s.take()); },
     UV_EBADF},
    {"fsync", [](setting& s) { return fs::fsync(s.l, s.open.get(), s.take()); },
     [](setting&) { return true; },
     [](setting& s) { return fs::fsync(s.l, -1, s.take()); }, UV_EBADF},
    {"fdatasync", [](setting& s) { return fs::fdatasync(s.l, s.open.get(), s.take()); },
     [](setting&) { return true; },
     [](setting& s) { return fs::fdatasync(s.l, -1, s.take()); }, UV_EBADF},
    {"ftruncate",
     [](setting& s) { return fs::ftruncate(s.l, s.open.get(), 2, s.take()); },
     [](setting& s) { return ::pread(s.open.get(), s.room, 8, 0) == 2; },
     [](setting& s) { return fs::ftruncate(s.l, s.open.get(), -1, s.take()); },
     UV_EINVAL},
    {"stat", [](setting& s) { return fs::stat(s.l, s.file, s.take()); },
     [](setting& s) { return s.got == "file5"; },
     [](setting& s) { return fs::stat(s.l, s.in / "no", s.take()); }, UV_ENOENT},
    {"lstat",
     [](setting& s) {
       test::checked(::symlink("x", (s.in / "l").c_str()), "symlink");
       return fs::lstat(s.l, s.in / "l", s.take());
     },
     [](setting& s) { return s.got == "link1"; },
     [](setting& s) { return fs::lstat(s.l, s.in / "no", s.take()); }, UV_ENOENT},
    {"fstat", [](setting& s) { return fs::fstat(s.l, s.open.get(), s.take()); },
     [](setting& s) { return s.got == "file5"; },
     [](setting& s) { return fs::fstat(s.l, -1, s.take()); }, UV_EBADF},
    {"statfs", [](setting& s) { return fs::statfs(s.l, "/", s.take()); },
     [](setting& s) { return s.got == "space"; },
     [](setting& s) { return fs::statfs(s.l, s.in / "no", s.take()); }, UV_ENOENT},
    {"access", [](setting& s) { return fs::access(s.l, s.file, R_OK, s.take()); },
     [](setting&) { return true; },
     [](setting& s) { return fs::access(s.l, s.file, X_OK, s.take()); }, UV_EACCES},
    {"chmod", [](setting& s) { return fs::chmod(s.l, s.file, 0640, s.take()); },
     [](setting& s) { return mode_of(s.file) == 0640; },
     [](setting& s) { return fs::chmod(s.l, s.in / "no", 0640, s.take()); }, UV_ENOENT},
    {"fchmod", [](setting& s) { return fs::fchmod(s.l, s.open.get(), 0604, s.take()); },
     [](setting& s) { return mode_of(s.file) == 0604; },
     [](setting& s) { return fs::fchmod(s.l, -1, 0604, s.take()); }, UV_EBADF},
    {"chown",
     [](setting& s) { return fs::chown(s.l, s.file, ::getuid(), ::getgid(), s.take()); },
     [](setting&) { return true; },
     [](setting& s) { return fs::chown(s.l, s.in / "no", 0, 0, s.take()); }, UV_ENOENT},
    {"fchown",
     [](setting& s) {
       return fs::fchown(s.l, s.open.get(), ::getuid(), ::getgid(), s.take());
     },
     [](setting&) { return true; },
     [](setting& s) { return fs::fchown(s.l, -1, 0, 0, s.take()); }, UV_EBADF},
    {"lchown",
     [](setting& s) { return fs::lchown(s.l, s.file, ::getuid(), ::getgid(), s.take()); },
     [](setting&) { return true; },
     [](setting& s) { return fs::lchown(s.l, s.in / "no", 0, 0, s.take()); }, UV_ENOENT},
    {"utime", [](setting& s) { return fs::utime(s.l, s.file, moment, moment, s.take()); },
     [](setting& s) { return modified_then(s.file); },
     [](setting& s) { return fs::utime(s.l, s.in / "no", moment, moment, s.take()); },
     UV_ENOENT},
    {"futime",
     [](setting& s) { return fs::futime(s.l, s.open.get(), moment, moment, s.take()); },
     [](setting& s) { return modified_then(s.file); },
     [](setting& s) { return fs::futime(s.l, -1, moment, moment, s.take()); }, UV_EBADF},
    {"lutime",
     [](setting& s) {
       test::checked(::symlink("nowhere", (s.in / "l").c_str()), "symlink");
       return fs::lutime(s.l, s.in / "l", moment, moment, s.take());
     },
     [](setting& s) { return modified_then(s.in / "l"); },
     [](setting& s) { return fs::lutime(s.l, s.in / "no", moment, moment, s.take()); },
     UV_ENOENT},
    {"unlink", [](setting& s) { return fs::unlink(s.l, s.file, s.take()); },
     [](setting& s) { return !exists(s.file); },
     [](setting& s) { return fs::unlink(s.l, s.in / "no", s.take()); }, UV_ENOENT},
    {"rename", [](setting& s) { return fs::rename(s.l, s.file, s.in / "b", s.take()); },
     [](setting& s) { return !exists(s.file) && exists(s.in / "b"); },
     [](setting& s) { return fs::rename(s.l, s.in / "no", s.in / "b", s.take()); },
     UV_ENOENT},
    {"link", [](setting& s) { return fs::link(s.l, s.file, s.in / "b", s.take()); },
     [](setting& s) { return exists(s.file) && exists(s.in / "b"); },
     [](setting& s) { return fs::link(s.l, s.file, s.file, s.take()); }, UV_EEXIST},
    {"symlink", [](setting& s) { return fs::symlink(s.l, "to", s.in / "b", s.take()); },
     [](setting& s) { return exists(s.in / "b"); },
     [](setting& s) { return fs::symlink(s.l, "to", s.file, s.take()); }, UV_EEXIST},
    {"readlink",
     [](setting& s) {
       test::checked(::symlink("somewhere", (s.in / "l").c_str()), "symlink");
       return fs::readlink(s.l, s.in / "l", s.take());
     },
     [](setting& s) { return s.got == "somewhere"; },
     [](setting& s) { return fs::readlink(s.l, s.file, s.take()); }, UV_EINVAL},
    {"realpath", [](setting& s) { return fs::realpath(s.l, s.in / "./file", s.take()); },
     [](setting& s) { return s.got == s.file; },
     [](setting& s) { return fs::realpath(s.l, s.in / "no", s.take()); }, UV_ENOENT},
    {"copyfile",
     [](setting& s) {
       return fs::copyfile(s.l, s.file, s.in / "b", fs::copy::plain, s.take());
     },
     [](setting& s) { return exists(s.in / "b"); },
     [](setting& s) {
       return fs::copyfile(s.l, s.file, s.in.put("b"), fs::copy::exclusive, s.take());
     },
     UV_EEXIST},
    {"mkdir", [](setting& s) { return fs::mkdir(s.l, s.in / "d", 0700, s.take()); },
     [](setting& s) { return mode_of(s.in / "d") == 0700; },
     [](setting& s) { return fs::mkdir(s.l, s.file, 0700, s.take()); }, UV_EEXIST},
    {"rmdir",
     [](setting& s) {
       test::checked(::mkdir((s.in / "d").c_str(), 0700), "mkdir");
       return fs::rmdir(s.l, s.in / "d", s.take());
     },
     [](setting& s) { return !exists(s.in / "d"); },
     [](setting& s) { return fs::rmdir(s.l, s.in.path(), s.take()); }, UV_ENOTEMPTY},
    {"mkdtemp", [](setting& s) { return fs::mkdtemp(s.l, s.in / "d-XXXXXX", s.take()); },
     [](setting& s) { return s.got.find(s.in / "d-") == 0 && exists(s.got); },
     [](setting& s) { return fs::mkdtemp(s.l, s.in / "no/d-XXXXXX", s.take()); },
     UV_ENOENT},
    {"mkstemp", [](setting& s) { return fs::mkstemp(s.l, s.in / "f-XXXXXX", s.take()); },
     [](setting& s) { return s.got.find(s.in / "f-") == 0 && exists(s.got); },
     [](setting& s) { return fs::mkstemp(s.l, s.in / "no/f-XXXXXX", s.take()); },
     UV_ENOENT},
    {"scandir",
     [](setting& s) {
       s.in.put("b");
       s.in.put("a");
       return fs::scandir(s.l, s.in.path(), s.take());
     },
     [](setting& s) { return s.got == "a b file "; },
     [](setting& s) { return fs::scandir(s.l, s.file, s.take()); }, UV_ENOTDIR},
    {"opendir", [](setting& s) { return fs::opendir(s.l, s.in.path(), s.take()); },
     [](setting& s) { return s.got == "open"; },
     [](setting& s) { return fs::opendir(s.l, s.file, s.take()); }, UV_ENOTDIR},
};

/// The error that a call throws, as "operation path name".
template <class F>
std::string thrown_by(F f) {
  try {
    f();
  } catch (const sheaf::uv_error& e) {
    return e.operation() + ' ' + std::string(e.path().c_str()) + ' ' + e.name();
  }
  return "nothing";
}

fs::directory open_directory(loop& l, const std::string& path) {
  fs::directory d;
  const request r = fs::opendir(
      l, path, [&](fs::directory found, std::error_code) { d = std::move(found); });
  l.run_forever();
  REQUIRE(d);
  return d;
}

}  // namespace

TEST_CASE("fs: each operation does what it says, or tells why not", "[runtime][fs]") {
  {
    const loop first;
  }  // makes what libuv has once for a process
#if UV_VERSION_HEX >= ((1 << 16) | (49 << 8))
  const auto how = GENERATE(setting::by::threads, setting::by::io_uring);
#else
  const auto how = setting::by::threads;
#endif
  for (const operation& o : operations) {
    INFO(o.name);
    // libuv's by io_uring, which Linux has since 6.9, fails until 1.52: docs/libuv.md.
    if (how == setting::by::io_uring && uv_version() < ((1 << 16) | (52 << 8)) &&
        std::string_view(o.name) == "ftruncate") {
      continue;
    }
    {
      setting s(how);
      s.run(o.good(s));
      CHECK_FALSE(*s.answer);
      CHECK(o.then(s));
    }
    {
      setting s(how);
      s.run(o.bad(s));
      CHECK(s.answer->value() == o.error);
      CHECK(s.answer->category() == sheaf::uv_category());
      CHECK(s.got.find_first_not_of('0') == std::string::npos);  // nothing, or 0 bytes
    }
  }
}

TEST_CASE("fs: a path with a NUL in it is refused at once, and named", "[runtime][fs]") {
  loop l;
  const std::string_view bad("a\0b", 3);
  const auto ignore = [](auto&&...) {};
  CHECK(thrown_by([&] { fs::open(l, bad, 0, 0, ignore).detach(); }) ==
        "fs::open a EINVAL");
  CHECK(thrown_by([&] { fs::rename(l, bad, "b", ignore).detach(); }) ==
        "fs::rename a EINVAL");
  CHECK(thrown_by([&] { fs::rename(l, "b", bad, ignore).detach(); }) ==
        "fs::rename a EINVAL");
  CHECK(thrown_by([&] { fs::scandir(l, bad, ignore).detach(); }) ==
        "fs::scandir a EINVAL");
  CHECK(thrown_by([&] { fs::mkstemp(l, bad, ignore).detach(); }) ==
        "fs::mkstemp a EINVAL");
  l.run_forever();
}

TEST_CASE("fs: an empty callback is refused", "[runtime][fs]") {
  loop l;
  CHECK_THROWS_AS(fs::stat(l, "/", nullptr).detach(), sheaf::invalid_state);
  CHECK_THROWS_AS(fs::open(l, "/", 0, 0, nullptr).detach(), sheaf::invalid_state);
}

TEST_CASE(
    "fs: a directory read on from inside the callback, its request kept, stays whole",
    "[runtime][fs]") {
  loop l;
  const scratch_dir in;
  for (int i = 0; i < 20; ++i) in.put("entry-" + std::to_string(i));
  const fs::directory d = open_directory(l, in.path());
  std::vector<request>
      kept;  // libuv would free the entries of the next with each of these
  std::vector<std::string> names;
  struct reader {
    loop& l;
    const fs::directory& d;
    std::vector<request>& kept;
    std::vector<std::string>& names;
    void next() {
      kept.push_back(
          fs::readdir(l, d, 3, [this](std::vector<fs::entry> some, std::error_code e) {
            CHECK_FALSE(e);
            if (some.empty()) return;
            for (auto& each : some) names.push_back(std::move(each.name));
            next();
            kept.erase(kept.begin());
          }));
    }
  } r{l, d, kept, names};
  r.next();
  l.run_forever();
  CHECK(names.size() == 20);
}

TEST_CASE("fs: one readdir() at a time, and of a directory that is open",
          "[runtime][fs]") {
  loop l;
  const scratch_dir in;
  const fs::directory d = open_directory(l, in.path());
  const auto ignore = [](auto&&...) {};
  const auto read = [&](const fs::directory& from, std::size_t most) {
    return thrown_by([&] { fs::readdir(l, from, most, ignore).detach(); });
  };
  CHECK(read(d, 1) == "nothing");
  CHECK(read(d, 1) == "fs::readdir  EBUSY");
  l.run_forever();
  CHECK(read(d, 1) == "nothing");
  CHECK(read(d, 0) == "fs::readdir  EINVAL");
  CHECK(read(fs::directory(), 1) == "fs::readdir  EINVAL");
  l.run_forever();
}

TEST_CASE("fs: a directory stays open as long as a request reads from it",
          "[runtime][fs]") {
  {
    const loop first;
  }
  const scratch_dir in;
  in.put("entry");
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    fs::directory d = open_directory(l, in.path());
    std::string name;
    const request r = fs::readdir(
        l, d, 8,
        [&](std::vector<fs::entry> all, std::error_code) { name = all.at(0).name; });
    d = {};
    l.run_forever();
    CHECK(name == "entry");
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("fs: what a dropped open(), mkstemp() or opendir() had made is undone",
          "[runtime][fs]") {
  {
    const loop first;
  }
  const scratch_dir in;
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    const std::size_t with_loop = test::open_descriptors();
    std::optional<request> r;
    const auto unexpected = [](auto&&...) { FAIL("nobody is to be called"); };
    const auto drop_when_open = [&] {
      while (test::open_descriptors() == with_loop) ::usleep(100);
      r.reset();
      l.run_forever();
      CHECK(test::open_descriptors() == with_loop);
    };
    r = fs::open(l, "/dev/null", O_RDONLY, 0, unexpected);
    drop_when_open();
    r = fs::opendir(l, in.path(), unexpected);
    drop_when_open();
    r = fs::mkstemp(l, in / "f-XXXXXX", unexpected);
    drop_when_open();
    CHECK(std::filesystem::is_empty(in.path()));
  }
  CHECK(test::open_descriptors() == before);
}
