#include "support/busy_pool.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut_io.hpp"
#include "support/descriptors.hpp"
#include "support/scratch_dir.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/fs.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/wait_for.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::said;
using test::scratch_dir;

namespace {

template <class T>
coro<> emptied(coro<T> c) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(c);
  } else {
    static_cast<void>(co_await std::move(c));
  }
}

/// What `c` throws, as text; "nothing" if it ends well.
template <class T>
std::string error_of(coro<T> c) {
  try {
    run(emptied(std::move(c)));
  } catch (...) {
    return said(std::current_exception());
  }
  return "nothing";
}

/// Opens the writing end when somebody has opened the reading end, or is about to.
int writer_of(const std::string& fifo) {
  for (;;) {
    const int n = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (n >= 0) return n;
    REQUIRE(errno == ENXIO);
    ::usleep(50);
  }
}

}  // namespace

TEST_CASE("fs: a file is written and read as a whole", "[api][fs]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    co_await fs::write_file(d / "a", "hello\n");
    const std::string text = co_await fs::read_file(d / "a");
    CHECK(text == "hello\n");
    co_await fs::write_file(d / "a", "x");
    const std::string less = co_await fs::read_file(d / "a");
    CHECK(less == "x");
    co_await fs::write_file(d / "empty", "");
    const std::string none = co_await fs::read_file(d / "empty");
    CHECK(none.empty());
    const std::string large(5'000'001, 'y');
    co_await fs::write_file(d / "large", large, 0600);
    const std::string same = co_await fs::read_file(d / "large");
    CHECK(same == large);
    // One whose size the system does not tell.
    const std::string status = co_await fs::read_file("/proc/self/status");
    CHECK(status.find("Threads:") != std::string::npos);
  }(dir));
}

TEST_CASE("fs: errors tell the operation, the path and libuv's name", "[api][fs]") {
  const scratch_dir dir;
  const std::string no = dir / "no";
  const std::string tail = " '" + no + "': ENOENT: no such file or directory";
  CHECK(error_of(fs::read_file(no)) == "fs::read_file" + tail);
  CHECK(error_of(fs::stat(no)) == "fs::stat" + tail);
  CHECK(error_of(fs::lstat(no)) == "fs::lstat" + tail);
  CHECK(error_of(fs::statfs(no)) == "fs::statfs" + tail);
  CHECK(error_of(fs::access(no, F_OK)) == "fs::access" + tail);
  CHECK(error_of(fs::scandir(no)) == "fs::scandir" + tail);
  CHECK(error_of(fs::opendir(no)) == "fs::opendir" + tail);
  CHECK(error_of(fs::open(no)) == "fs::open" + tail);
  CHECK(error_of(fs::rmdir(no)) == "fs::rmdir" + tail);
  CHECK(error_of(fs::unlink(no)) == "fs::unlink" + tail);
  CHECK(error_of(fs::readlink(no)) == "fs::readlink" + tail);
  CHECK(error_of(fs::realpath(no)) == "fs::realpath" + tail);
  CHECK(error_of(fs::chmod(no, 0600)) == "fs::chmod" + tail);
  CHECK(error_of(fs::chown(no, 0, 0)) == "fs::chown" + tail);
  CHECK(error_of(fs::utime(no, {}, {})) == "fs::utime" + tail);
  const std::string both =
      " '" + no + " -> " + no + "2': ENOENT: no such file or directory";
  CHECK(error_of(fs::rename(no, no + "2")) == "fs::rename" + both);
  CHECK(error_of(fs::link(no, no + "2")) == "fs::link" + both);
  CHECK(error_of(fs::copyfile(no, no + "2")) == "fs::copyfile" + both);

  CHECK(error_of(fs::read_file(dir.path())) == "fs::read_file '" + dir.path() +
                                                   "': EISDIR: illegal operation on a "
                                                   "directory");
  CHECK(error_of(fs::write_file("/dev/full", "x")) ==
        "fs::write_file '/dev/full': ENOSPC: no space left on device");
  CHECK(error_of(fs::mkdir(dir.path())) ==
        "fs::mkdir '" + dir.path() + "': EEXIST: file already exists");
}

TEST_CASE("fs: a path with a NUL in it is EINVAL", "[api][fs]") {
  const std::string path("a\0b", 3);
  const auto refused = [](auto c) {
    try {
      run(emptied(std::move(c)));
    } catch (const uv_error& e) {
      return e.code() == std::errc::invalid_argument;
    }
    return false;
  };
  CHECK(refused(fs::open(path)));
  CHECK(refused(fs::stat(path)));
  CHECK(refused(fs::read_file(path)));
  CHECK(refused(fs::write_file(path, "")));
  CHECK(refused(fs::rename("a", path)));
  CHECK(refused(fs::mkstemp(path)));
}

TEST_CASE("fs: names are made, moved, linked and removed", "[api][fs]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    co_await fs::mkdir(d / "sub", 0700);
    co_await fs::write_file(d / "sub/a", "abc");
    co_await fs::symlink("sub/a", d / "link");
    const std::string target = co_await fs::readlink(d / "link");
    CHECK(target == "sub/a");
    const std::string real = co_await fs::realpath(d / "link");
    const std::string real_dir = co_await fs::realpath(d.path());
    CHECK(real == real_dir + "/sub/a");
    const fs::file_status through = co_await fs::stat(d / "link");
    CHECK(through.is_regular());
    CHECK(through.size == 3);
    const fs::file_status itself = co_await fs::lstat(d / "link");
    CHECK(itself.is_symlink());

    co_await fs::link(d / "sub/a", d / "hard");
    const fs::file_status hard = co_await fs::stat(d / "hard");
    CHECK(hard.links == 2);
    co_await fs::rename(d / "hard", d / "moved");
    CHECK_FALSE(d.has("hard"));
    co_await fs::copyfile(d / "moved", d / "copy");
    CHECK(d.text("copy") == "abc");
    CHECK(said((co_await as_outcome(
                    fs::copyfile(d / "moved", d / "copy", fs::copy::exclusive)))
                   .error())
              .find("EEXIST") != std::string::npos);

    const std::vector<fs::entry> all = co_await fs::scandir(d.path());
    std::string names;
    for (const fs::entry& e : all) names += e.name + ' ';
    CHECK(names == "copy link moved sub ");
    CHECK(all[1].kind == fs::entry_kind::link);
    CHECK(all[3].kind == fs::entry_kind::directory);

    co_await fs::unlink(d / "sub/a");
    co_await fs::rmdir(d / "sub");
    CHECK_FALSE(d.has("sub"));
  }(dir));
}

TEST_CASE("fs: attributes are changed", "[api][fs]") {
  const scratch_dir dir;
  dir.put("a", "x");
  run([](const scratch_dir& d) -> coro<> {
    co_await fs::chmod(d / "a", 0640);
    const fs::time_point then{1'000'000'000s};
    co_await fs::utime(d / "a", then, then + 500ms);
    co_await fs::chown(d / "a", ::getuid(), ::getgid());
    const fs::file_status s = co_await fs::stat(d / "a");
    CHECK((s.mode & 0777) == 0640);
    CHECK(s.accessed == then);
    CHECK(s.modified == then + 500ms);
    co_await fs::symlink("a", d / "link");
    co_await fs::lutime(d / "link", then, then);
    co_await fs::lchown(d / "link", ::getuid(), ::getgid());
    const fs::file_status l = co_await fs::lstat(d / "link");
    CHECK(l.modified == then);
    co_await fs::access(d / "a", R_OK);
    const fs::space space = co_await fs::statfs(d.path());
    CHECK(space.block_size > 0);
    CHECK(space.blocks >= space.free_blocks);
  }(dir));
}

TEST_CASE("fs: temporary files and directories have the names they tell", "[api][fs]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    const std::string made = co_await fs::mkdtemp(d / "d-XXXXXX");
    const fs::file_status s = co_await fs::stat(made);
    CHECK(s.is_directory());
    const fs::temporary_file t = co_await fs::mkstemp(made + "/f-XXXXXX");
    co_await t.file.write("in it");
    const std::string text = co_await fs::read_file(t.path);
    CHECK(text == "in it");
  }(dir));
}

TEST_CASE("fs: a directory is read entry by entry", "[api][fs]") {
  const scratch_dir dir;
  for (int i = 0; i < 150; ++i) dir.put("f" + std::to_string(i), "");
  run([](const scratch_dir& d) -> coro<> {
    const fs::directory open = co_await fs::opendir(d.path());
    std::size_t n = 0;
    while (const auto e = co_await open.next()) {
      n += e->name[0] == 'f' && e->kind == fs::entry_kind::file;
    }
    CHECK(n == 150);
    const auto after = co_await open.next();
    CHECK_FALSE(after.has_value());

    const fs::directory two = co_await fs::opendir(d.path());
    const auto [a, b] = co_await gather(return_exceptions, two.next(), two.next());
    CHECK(a.has_value());
    CHECK(said(b.error()).find("another task waits") != std::string::npos);
    const fs::directory none;
    CHECK(said((co_await as_outcome(none.next())).error()).find("no directory") !=
          std::string::npos);
  }(dir));
}

TEST_CASE("fs: operations are gathered, and run at the same time", "[api][fs]") {
  const scratch_dir dir;
  dir.put("a", "1");
  dir.put("b", "22");
  run([](const scratch_dir& d) -> coro<> {
    const auto [a, b, s] = co_await gather(fs::read_file(d / "a"), fs::read_file(d / "b"),
                                           fs::stat(d / "b"));
    CHECK(a + b == "122");
    CHECK(s.size == 2);
  }(dir));
}

TEST_CASE("fs: cancelled while libuv has not begun, nothing happens: total",
          "[api][fs]") {
  const scratch_dir dir;
  dir.put("a", "old");
  loop l;
  test::busy_pool busy(l);
  std::vector<task<>> all;
  all.push_back(l.create_task(fs::mkdir(dir / "d")));
  all.push_back(l.create_task(fs::unlink(dir / "a")));
  all.push_back(l.create_task(fs::rename(dir / "a", dir / "b")));
  all.push_back(l.create_task(fs::write_file(dir / "a", "new")));
  all.push_back(l.create_task(emptied(fs::open(dir / "n", fs::writing))));
  all.push_back(l.create_task(emptied(fs::mkstemp(dir / "t-XXXXXX"))));
  all.push_back(l.create_task(emptied(fs::stat(dir / "a"))));
  all.push_back(l.create_task(emptied(fs::read_file(dir / "a"))));
  l.turn();
  for (const auto& t : all) CHECK(t.cancel("no more"));
  while (!all.back().done()) l.turn();  // although no thread is free
  for (const auto& t : all) CHECK(t.cancelled());
  busy.free();
  l.close();
  CHECK(dir.text("a") == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE(
    "fs: what changes something and was begun is awaited, and tells its result; the "
    "next await delivers the cancellation: total",
    "[api][fs]") {
  const scratch_dir dir;
  const std::string fifo = dir / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    std::string log;
    const auto body = [](std::string path, std::string& to) -> coro<> {
      try {
        const fs::file f = co_await fs::open(path);  // until there is a writer
        to += f.is_open() ? "open " : "?";
        co_await sleep(0ms);
        to += "not cancelled";
      } catch (const cancelled&) {
        to += "cancelled";
        throw;
      }
    };
    const auto t = l.create_task(body(fifo, log));
    l.turn();
    int peer = -1;
    ::usleep(
        2000);  // a thread of the idle pool is at it by now; if not, the log is shorter
    CHECK(t.cancel("enough"));
    l.turn();
    if (!t.done()) peer = writer_of(fifo);
    while (!t.done()) l.turn();
    CHECK(t.cancelled());
    CHECK((log == "open cancelled" || log == "cancelled"));
    if (peer >= 0) ::close(peer);
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("fs: what only looks ends at once, although a thread is at it: total",
          "[api][fs]") {
  const scratch_dir dir;
  const std::string fifo = dir / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  loop l;
  const auto t = l.create_task(fs::read_file(fifo));
  l.turn();
  const int peer = writer_of(fifo);  // the thread has it open
  CHECK(t.cancel("enough"));
  while (!t.done()) l.turn();
  CHECK(t.cancelled());
  ::close(peer);  // the thread comes to its end, and the loop waits for it
}

TEST_CASE("fs: a time limit ends a wait for a thread", "[api][fs]") {
  const scratch_dir dir;
  const std::string fifo = dir / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  run([](const std::string& path) -> coro<> {
    const auto limited = [](const std::string& of) -> coro<> {
      static_cast<void>(co_await wait_for(fs::read_file(of), 1ms));
    };
    const auto how = co_await as_outcome(limited(path));
    CHECK_FALSE(how.has_value());
    CHECK_FALSE(how.is_cancelled());
    ::close(writer_of(path));
  }(fifo));
}

TEST_CASE("fs: a task that was asked to end asks for nothing more", "[api][fs]") {
  const scratch_dir dir;
  loop l;
  const auto body = [](const scratch_dir& d) -> coro<> {
    current_task().cancel("itself");
    co_await fs::write_file(d / "a", "x");
  };
  const auto t = l.create_task(body(dir));
  while (!t.done()) l.turn();
  CHECK(t.cancelled());
  l.close();
  CHECK_FALSE(dir.has("a"));
}

TEST_CASE("fs: virtual time stands still while a thread is at work", "[api][fs]") {
  const scratch_dir dir;
  const std::string fifo = dir / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  test::virtual_loop l;
  const auto nap = l.create_task([]() -> coro<> { co_await sleep(1h); }());
  const auto t = l.create_task(fs::read_file(fifo));
  for (int i = 0; i < 100; ++i) l.turn();
  CHECK(l.elapsed_ms() == 0);
  ::close(writer_of(fifo));
  l.run_until_complete([](task<std::string> what) -> coro<> { co_await what; }(t));
  CHECK(l.elapsed_ms() == 0);
  l.run_until_complete([](task<> what) -> coro<> { co_await what; }(nap));
  CHECK(l.elapsed_ms() == 3'600'000);
}

TEST_CASE("fs: cut anywhere, nothing leaks", "[api][fs]") {
  const scratch_dir dir;
  dir.put("a", "text");
  test::cut::io_everywhere([&](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const fs::file_status s = co_await fs::stat(dir / "a");
    CHECK(s.size == 4);
    const std::string text = co_await fs::read_file(dir / "a");
    co_await fs::write_file(dir / "b", text);
    const fs::directory d = co_await fs::opendir(dir.path());
    const auto e = co_await d.next();
    const fs::temporary_file t = co_await fs::mkstemp(dir / "t-XXXXXX");
    co_await fs::unlink(t.path);
  });
}

TEST_CASE("fs: a directory whose next() was taken back is read on at once: total",
          "[api][fs]") {
  const scratch_dir dir;
  dir.put("a", "");
  run([](const scratch_dir& d) -> coro<> {
    const fs::directory from = co_await fs::opendir(d.path());
    test::busy_pool busy(loop::current());
    const auto first = create_task(from.next());
    co_await sleep(0ms);
    CHECK(first.cancel());
    const auto how = co_await as_outcome(first);
    CHECK(how.is_cancelled());
    // libuv has not given the first request back yet.
    const auto second = create_task(from.next());
    co_await sleep(0ms);
    busy.free();
    const auto e = co_await as_outcome(second);
    REQUIRE(e.has_value());
    CHECK(e.value()->name == "a");
    const auto end = co_await from.next();
    CHECK_FALSE(end.has_value());
  }(dir));
}
