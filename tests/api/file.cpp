#include "support/busy_pool.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut_io.hpp"
#include "support/descriptors.hpp"
#include "support/host.hpp"
#include "support/pipe.hpp"
#include "support/report_log.hpp"
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
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::said;
using test::scratch_dir;

static_assert(!std::is_copy_constructible_v<fs::file>);
static_assert(std::is_nothrow_move_constructible_v<fs::file>);

namespace {

/// What comes out of the reading end, waiting for at least one byte.
std::string drain(const test::pipe& p) {
  std::string all(1 << 17, '\0');
  const ssize_t n = ::read(p.reading(), all.data(), all.size());
  REQUIRE(n >= 0);
  all.resize(static_cast<std::size_t>(n));
  return all;
}

int bytes_in(const test::pipe& p) {
  int n = 0;
  REQUIRE(::ioctl(p.reading(), FIONREAD, &n) == 0);
  return n;
}

}  // namespace

TEST_CASE("file: reads and writes move one position, offsets do not", "[api][file]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    const fs::flags how = fs::writing | fs::flags::read;
    const fs::file f = co_await fs::open(d / "a", how);
    co_await f.write("hello world");
    CHECK(f.position() == 11);
    const std::string none = co_await f.read(5);
    CHECK(none.empty());
    f.seek(0);
    const std::string hello = co_await f.read(5);
    CHECK(hello == "hello");
    CHECK(f.position() == 5);
    const std::string middle = co_await f.read_at(3, 4);
    CHECK(middle == "lo w");
    co_await f.write_at(0, "J");
    CHECK(f.position() == 5);
    const std::string rest = co_await f.read();
    CHECK(rest == " world");
    CHECK(f.position() == 11);
    f.seek(13);
    co_await f.write("!");
    CHECK(d.text("a") == std::string("Jello world\0\0!", 14));
    const std::string past = co_await f.read_at(1'000'000, 4);
    CHECK(past.empty());
    co_await f.write("");
    const std::string nothing = co_await f.read(0);
    CHECK(nothing.empty());
  }(dir));
}

TEST_CASE("file: read_some fills what it is given", "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "abcdefgh");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a");
    std::array<char, 5> room{};
    const std::size_t first = co_await f.read_some(room);
    CHECK(std::string_view(room.data(), first) == "abcde");
    const std::size_t second = co_await f.read_some(room);
    CHECK(std::string_view(room.data(), second) == "fgh");
    const std::size_t end = co_await f.read_some(room);
    CHECK(end == 0);
    const std::size_t at = co_await f.read_some(room, 2);
    CHECK(std::string_view(room.data(), at) == "cdefg");
  }(dir));
}

TEST_CASE("file: the whole of a large one is read in pieces", "[api][file]") {
  const scratch_dir dir;
  std::string text(1'000'003, 'x');
  for (std::size_t i = 0; i < text.size(); i += 7)
    text[i] = static_cast<char>('a' + i % 26);
  dir.put("a", text);
  run([](const scratch_dir& d, const std::string& wanted) -> coro<> {
    const fs::file f = co_await fs::open(d / "a");
    const std::string all = co_await f.read();
    CHECK(all == wanted);
    CHECK(f.position() == wanted.size());
  }(dir, text));
}

TEST_CASE("file: one that appends writes at its end, whatever the position is",
          "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "one ");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a", fs::appending | fs::flags::read);
    co_await f.write("two ");
    CHECK(f.position() == 0);
    co_await f.write_at(0, "three");
    CHECK(d.text("a") == "one two three");
    const std::string head = co_await f.read(3);
    CHECK(head == "one");
  }(dir));
}

TEST_CASE("file: open() says how, and what it makes", "[api][file]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    const fs::flags fresh = fs::writing | fs::flags::exclusive;
    {
      const fs::file f = co_await fs::open(d / "a", fresh, 0600);
      const fs::file_status s = co_await f.stat();
      CHECK((s.mode & 0777) == 0600);
      const auto how = co_await as_outcome(f.read(1));
      CHECK(said(how.error()).find("EBADF") != std::string::npos);
      // A program that is started does not get it.
      CHECK((::fcntl(f.fileno(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    const auto again = co_await as_outcome(fs::open(d / "a", fresh));
    CHECK(said(again.error()).find("EEXIST") != std::string::npos);
    const auto folder = co_await as_outcome(fs::open(d.path(), fs::writing));
    CHECK(said(folder.error()).find("EISDIR") != std::string::npos);
  }(dir));
}

TEST_CASE("file: size, permissions, owner and times are changed", "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "0123456789");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a", fs::flags::write);
    co_await f.truncate(4);
    co_await f.chmod(0604);
    co_await f.chown(::getuid(), ::getgid());
    const fs::time_point then{1'000'000'000s};
    co_await f.utime(then, then);
    co_await f.data_sync();
    co_await f.sync();
    const fs::file_status s = co_await f.stat();
    CHECK(s.size == 4);
    CHECK((s.mode & 0777) == 0604);
    CHECK(s.modified == then);
    CHECK(d.text("a") == "0123");
  }(dir));
}

TEST_CASE("file: sendfile copies from one to another", "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "0123456789");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file from = co_await fs::open(d / "a");
    const fs::file to = co_await fs::open(d / "b", fs::writing);
    const std::size_t n = co_await fs::sendfile(to, from, 2, 5);
    CHECK(n == 5);
    CHECK(d.text("b") == "23456");
    const std::size_t end = co_await fs::sendfile(to, from, 10, 5);
    CHECK(end == 0);
  }(dir));
}

TEST_CASE("file: a full disk is told, and the position tells how much went",
          "[api][file]") {
  run([]() -> coro<> {
    const fs::file f = co_await fs::open("/dev/full", fs::flags::write);
    const auto how = co_await as_outcome(f.write("x"));
    CHECK(said(how.error()) == "fs::write '/dev/full': ENOSPC: no space left on device");
    CHECK(f.position() == 0);
  }());
}

TEST_CASE("file: one task at a time uses the position", "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "abcdef");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a");
    const auto [a, b, c] =
        co_await gather(return_exceptions, f.read(3), f.read(3), f.read_at(3, 3));
    CHECK(a.value() == "abc");
    CHECK(said(b.error()).find("another task reads or writes") != std::string::npos);
    CHECK(c.value() == "def");
    const std::string next = co_await f.read(3);
    CHECK(next == "def");
  }(dir));
}

TEST_CASE("file: what has no places is read and written as it comes", "[api][file]") {
  run([]() -> coro<> {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const fs::file in = fs::file::adopt(ends[0]);
    const fs::file out = fs::file::adopt(ends[1]);
    co_await out.write("hello ");
    co_await out.write("world");
    const std::string hello = co_await in.read(6);
    CHECK(hello == "hello ");
    std::array<char, 10> room{};
    const std::size_t n = co_await in.read_some(room);
    CHECK(std::string_view(room.data(), n) == "world");
    const auto at = co_await as_outcome(in.read_at(0, 1));
    CHECK(said(at.error()).find("ESPIPE") != std::string::npos);
    co_await out.write("!");
    co_await out.close();
    const std::string rest = co_await in.read();
    CHECK(rest == "!");
  }());
}

TEST_CASE("file: what a cancelled read took of a pipe is given to the next: total",
          "[api][file]") {
  const test::pipe p;
  run([](const test::pipe& from) -> coro<> {
    const fs::file f = fs::file::adopt(::dup(from.reading()));
    const auto put = [&from](std::string_view text) {
      REQUIRE(::write(from.writing(), text.data(), text.size()) ==
              static_cast<ssize_t>(text.size()));
    };
    const auto all = create_task(f.read());
    put("one ");
    while (f.position() < 4) co_await sleep(1ms);
    co_await sleep(1ms);
    CHECK(all.cancel("enough"));
    put("two ");  // a thread may be at it
    const auto how = co_await as_outcome(all);
    CHECK(how.is_cancelled());
    CHECK(f.position() == 0);
    put("end");
    const std::string head = co_await f.read(2);
    CHECK(head == "on");
    std::array<char, 1> room{};
    const std::size_t n = co_await f.read_some(room);
    CHECK(std::string_view(room.data(), n) == "e");
    CHECK(f.position() == 3);
    std::string rest;
    while (rest.find("end") == std::string::npos) rest += co_await f.read(10);
    CHECK(rest == " two end");
  }(p));
}

TEST_CASE("file: close() tells the error, and is the end", "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "x");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a");
    const int number = f.fileno();
    co_await f.close();
    CHECK_FALSE(f.is_open());
    CHECK(::fcntl(number, F_GETFD) == -1);
    co_await f.close();
    const auto how = co_await as_outcome(f.read(1));
    CHECK(said(how.error()) == "fs::read: the file is closed");
    CHECK_THROWS_AS(f.fileno(), invalid_state);
    const auto stat = co_await as_outcome(f.stat());
    CHECK(stat.error() != nullptr);

    const fs::file lost = co_await fs::open(d / "a");
    ::close(lost.fileno());  // behind its back
    const auto failed = co_await as_outcome(lost.close());
    CHECK(said(failed.error()) ==
          "fs::close '" + d / "a" + "': EBADF: bad file descriptor");
    const fs::file none;
    CHECK_FALSE(none.is_open());
    CHECK_THROWS_AS(none.close(), invalid_state);
  }(dir));
}

TEST_CASE("file: destroyed it is closed by a thread, and an error of that is reported",
          "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "x");
  test::report_log log;
  loop l;
  log.listen(l);
  fs::file f = l.run_until_complete(fs::open(dir / "a"));
  const int number = f.fileno();
  {
    test::busy_pool busy(l);
    f = fs::file();
    CHECK(::fcntl(number, F_GETFD) != -1);  // it has not been waited for
  }
  l.run_forever();
  CHECK(::fcntl(number, F_GETFD) == -1);
  CHECK(log.size() == 0);

  f = l.run_until_complete(fs::open(dir / "a"));
  ::close(f.fileno());  // behind its back
  f = fs::file();
  l.run_forever();
  REQUIRE(log.size() == 1);
  CHECK(said(log[0].exception).find("EBADF") != std::string::npos);
}

TEST_CASE("file: one that outlives its loop is closed", "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "x");
  const std::size_t before = test::open_descriptors();
  fs::file kept;
  {
    loop l;
    kept = l.run_until_complete(fs::open(dir / "a"));
  }
  CHECK(kept.is_open());
  kept = fs::file();
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("file: a loop that closes leaves none open, though no thread is free",
          "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "x");
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    fs::file f = l.run_until_complete(fs::open(dir / "a"));
    test::busy_pool busy(l);
    f = fs::file();
    // Its loop closes it where no thread has; the pool is freed by then.
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("file: destroyed while a read is under way, it is closed after that",
          "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "text");
  loop l;
  const std::string text =
      l.run_until_complete([](const scratch_dir& d) -> coro<std::string> {
        fs::file f = co_await fs::open(d / "a");
        const task<std::string> t = create_task(f.read(10));
        co_await sleep(0ms);
        f = fs::file();
        co_return co_await t;
      }(dir));
  CHECK(text == "text");
}

TEST_CASE("file: a read that was not begun is taken back, the position stays: total",
          "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "abcdef");
  loop l;
  const fs::file f = l.run_until_complete(fs::open(dir / "a"));
  std::string room = "......";
  {
    test::busy_pool busy(l);
    const auto t = l.create_task(f.read(3));
    l.turn();
    CHECK(t.cancel());
    while (!t.done()) l.turn();
    CHECK(t.cancelled());
    const auto s = l.create_task(f.read_some(room));
    l.turn();
    CHECK(s.cancel());
    while (!s.done()) l.turn();
    CHECK(s.cancelled());
  }
  CHECK(room == "......");
  CHECK(f.position() == 0);
  CHECK(l.run_until_complete(f.read(3)) == "abc");
}

TEST_CASE(
    "file: a write that a thread is at is awaited, then the next await is cancelled: "
    "total",
    "[api][file]") {
  const test::pipe p;
  loop l;
  std::string log;
  const auto body = [](int number, std::string& to) -> coro<> {
    const fs::file f = fs::file::adopt(::dup(number));
    try {
      co_await f.write(std::string(100'000, 'x'));  // more than a pipe takes
      to += "written ";
      co_await sleep(0ms);
    } catch (const cancelled& c) {
      to += "cancelled " + c.reason();
      throw;
    }
  };
  const auto t = l.create_task(body(p.writing(), log));
  while (bytes_in(p) == 0) l.turn();  // a thread is at it
  CHECK(t.cancel("enough"));
  for (int i = 0; i < 50; ++i) l.turn();
  CHECK_FALSE(t.done());
  std::size_t come = 0;
  while (come < 100'000) come += drain(p).size();
  while (!t.done()) l.turn();
  CHECK(t.cancelled());
  CHECK(log == "written cancelled enough");
  CHECK(come == 100'000);
}

TEST_CASE("file: a time limit that ends while a thread writes comes to nothing",
          "[api][file]") {
  const test::pipe p;
  run([](const test::pipe& to) -> coro<> {
    const fs::file f = fs::file::adopt(::dup(to.writing()));
    const auto write = create_task(wait_for(f.write(std::string(100'000, 'x')), 1ms));
    co_await sleep(3ms);  // the limit is over, if a thread was quick enough to begin
    std::size_t come = 0;
    while (!write.done()) {
      if (bytes_in(to) > 0) come += drain(to).size();
      co_await sleep(0ms);
    }
    const auto how = co_await as_outcome(write);
    CHECK(how.has_value() == (come + static_cast<std::size_t>(bytes_in(to)) == 100'000));
    co_await sleep(0ms);  // no request is left over
  }(p));
}

TEST_CASE("file: a frame that is destroyed leaves the thread its memory and its file",
          "[api][file]") {
  const std::size_t before = test::open_descriptors();
  {
    const test::pipe p;
    test::host host;
    {
      loop l(host.get(), borrowed);  // destroys what is left, and cannot wait for it
      l.set_exception_handler([](const exception_context&) {});
      std::string room(64, '.');
      const auto body = [](int number, std::string& to) -> coro<> {
        const fs::file f = fs::file::adopt(::dup(number));
        static_cast<void>(co_await f.read_some(to));
      };
      const auto t = l.create_task(body(p.reading(), room));
      for (int i = 0; i < 20; ++i) {
        uv_run(host.get(), UV_RUN_NOWAIT);
        ::usleep(100);
      }
    }
    p.put();  // the thread reads that, into a block of its own
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("file: cancelled while it closes, it is closed all the same: terminal",
          "[api][file]") {
  const scratch_dir dir;
  dir.put("a", "x");
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    const fs::file f = l.run_until_complete(fs::open(dir / "a"));
    {
      test::busy_pool busy(l);
      const auto t = l.create_task(f.close());
      l.turn();
      CHECK(t.cancel());
      while (!t.done()) l.turn();
      CHECK(t.cancelled());
      CHECK_FALSE(f.is_open());
    }
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("file: cut anywhere, nothing leaks", "[api][file]") {
  const scratch_dir dir;
  test::cut::io_everywhere([&](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const fs::file f = co_await fs::open(dir / "a", fs::writing | fs::flags::read);
    co_await f.write(std::string(10'000, 'x'));
    f.seek(0);
    std::array<char, 100> room;
    const std::size_t n = co_await f.read_some(room);
    CHECK(n == 100);
    const std::string rest = co_await f.read();
    CHECK(rest.size() == 9'900);
    const fs::file_status s = co_await f.stat();
    CHECK(s.size == 10'000);
    co_await f.truncate(1);
    co_await f.close();
  });
}
