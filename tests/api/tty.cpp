#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/descriptors.hpp"
#include "support/run_clean.hpp"
#include "support/sockets.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/run.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/tty.hpp>

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <string>

using namespace sheaf;
using namespace std::chrono_literals;
using test::descriptor;

namespace {

struct terminal {
  terminal() {
    winsize size{};
    size.ws_col = 100;
    size.ws_row = 30;
    int a, b;
    REQUIRE(::openpty(&a, &b, nullptr, nullptr, &size) == 0);
    ours = descriptor(a);
    theirs = descriptor(b);
  }
  bool is_raw() const {
    termios t;
    REQUIRE(::tcgetattr(theirs.get(), &t) == 0);
    return (t.c_lflag & ICANON) == 0;
  }
  void type(std::string_view keys) const {
    REQUIRE(::write(ours.get(), keys.data(), keys.size()) ==
            static_cast<ssize_t>(keys.size()));
  }
  descriptor ours;    // the master
  descriptor theirs;  // the terminal itself
};

}  // namespace

TEST_CASE("tty: a stream of the lines that are typed", "[api][tty]") {
  const terminal t;
  run([](const terminal& on) -> coro<> {
    CHECK(is_tty(on.theirs.get()));
    tty s = open_tty(on.theirs.get());
    on.type("typed\n");
    const std::string line = co_await s.readline();
    CHECK(line == "typed\n");
    co_await s.write("shown");
    std::string shown;
    while (shown.find("shown") == std::string::npos) {
      char room[64];
      const ssize_t n = ::read(on.ours.get(), room, sizeof room);
      REQUIRE(n > 0);
      shown.append(room, static_cast<std::size_t>(n));
    }
  }(t));
}

TEST_CASE("tty: raw gives each key, and the end of the object the old mode back",
          "[api][tty]") {
  const terminal t;
  run([](const terminal& on) -> coro<> {
    {
      tty keys = open_tty(on.theirs.get());
      CHECK_FALSE(on.is_raw());
      keys.set_mode(tty_mode::raw);
      CHECK(on.is_raw());
      on.type("\x03");  // Ctrl-C is a byte like any other
      const std::string key = co_await keys.read(1);
      CHECK(key == "\x03");
      keys.set_mode(tty_mode::normal);
      CHECK_FALSE(on.is_raw());
      keys.set_mode(tty_mode::raw);
    }
    CHECK_FALSE(on.is_raw());
  }(t));
}

TEST_CASE("tty: close, an exception and the loop's end restore the mode", "[api][tty]") {
  const terminal t;
  run([](const terminal& on) -> coro<> {
    tty closed = open_tty(on.theirs.get());
    closed.set_mode(tty_mode::raw);
    closed.close();
    CHECK_FALSE(on.is_raw());
    CHECK_THROWS_AS(closed.set_mode(tty_mode::raw), invalid_state);
    CHECK_THROWS_AS(closed.size(), invalid_state);
    const auto fails = [](const terminal& of) -> coro<> {
      tty keys = open_tty(of.theirs.get());
      keys.set_mode(tty_mode::raw);
      co_await sleep(0ms);
      throw test::failure("x");
    };
    const auto end = co_await as_outcome(fails(on));
    CHECK_FALSE(end.has_value());
    CHECK_FALSE(on.is_raw());
  }(t));
  std::optional<tty> kept;
  run([](const terminal& on, std::optional<tty>& s) -> coro<> {
    s.emplace(open_tty(on.theirs.get()));
    s->set_mode(tty_mode::raw);
    CHECK(on.is_raw());
    co_return;
  }(t, kept));
  CHECK_FALSE(t.is_raw());
}

TEST_CASE("tty: a read that is cancelled leaves what is typed", "[api][tty]") {
  const terminal t;
  run([](const terminal& on) -> coro<> {
    tty s = open_tty(on.theirs.get());
    const auto read = [](tty& from) -> coro<std::string> {
      co_return co_await from.readline();
    };
    const auto first = create_task(read(s));
    co_await sleep(0ms);
    first.cancel();
    const auto end = co_await as_outcome(first);
    CHECK(end.is_cancelled());
    on.type("kept\n");
    const std::string line = co_await s.readline();
    CHECK(line == "kept\n");
  }(t));
}

TEST_CASE("tty: its size, as it is now", "[api][tty]") {
  const terminal t;
  run([](const terminal& on) -> coro<> {
    const tty s = open_tty(on.theirs.get());
    CHECK(s.size().columns == 100);
    CHECK(s.size().rows == 30);
    winsize other{};
    other.ws_col = 80;
    other.ws_row = 24;
    REQUIRE(::ioctl(on.ours.get(), TIOCSWINSZ, &other) == 0);
    CHECK(s.size().columns == 80);
    co_return;
  }(t));
}

TEST_CASE("tty: what is no terminal is refused", "[api][tty]") {
  const auto [reading, writing] = runtime::make_pipe();
  const descriptor r(reading), w(writing);
  CHECK_FALSE(is_tty(reading));
  run([](int fd) -> coro<> {
    CHECK_THROWS_AS(open_tty(fd), uv_error);
    CHECK_THROWS_AS(open_tty(-1), uv_error);
    co_return;
  }(reading));
  CHECK_THROWS_AS(open_tty(reading), invalid_state);  // no loop runs here
}

// ---- descriptors -----------------------------------------------------------------------

TEST_CASE("open_pipe: the two ends of a pipe are streams, which own them", "[api][tty]") {
  test::warm_up_libuv();
  const std::size_t before = test::open_descriptors();
  run([]() -> coro<> {
    const auto [reading, writing] = runtime::make_pipe();
    stream from = open_pipe(reading);
    stream to = open_pipe(writing);
    co_await to.write("through");
    to.close();
    const std::string all = co_await from.read();
    CHECK(all == "through");
  }());
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("open_pipe: files and devices are refused, before libuv meets them",
          "[api][tty]") {
  run([]() -> coro<> {
    for (const char* path : {"/dev/null", "/etc/passwd"}) {
      const descriptor d(::open(path, O_RDONLY | O_CLOEXEC));
      CHECK_THROWS_AS(open_pipe(d.get()), std::invalid_argument);
    }
    CHECK_THROWS_AS(open_pipe(-1), uv_error);
    co_return;
  }());
}

TEST_CASE("open_pipe: what it refuses stays the caller's", "[api][tty]") {
  const auto [reading, writing] = runtime::make_pipe();
  const descriptor r(reading), w(writing);
  run([](int fd) -> coro<> {
    CHECK_THROWS_AS(open_pipe(fd, 0), std::invalid_argument);
    co_await sleep(0ms);
  }(reading));
  CHECK(::fcntl(reading, F_GETFD) != -1);
}

namespace {

/// Puts another descriptor in the place of `n` for its time.
class in_place_of {
 public:
  in_place_of(int n, int other) : n_(n), before_(::fcntl(n, F_DUPFD_CLOEXEC, 3)) {
    REQUIRE(::dup2(other, n) == n);
  }
  in_place_of(const in_place_of&) = delete;
  in_place_of& operator=(const in_place_of&) = delete;
  ~in_place_of() { ::dup2(before_.get(), n_); }

 private:
  int n_;
  descriptor before_;
};

}  // namespace

TEST_CASE(
    "stdin_stream: reads a pipe at descriptor 0, and leaves that open and as it was",
    "[api][tty]") {
  const auto [reading, writing] = runtime::make_pipe();
  const descriptor r(reading), w(writing);
  REQUIRE(::fcntl(reading, F_SETFL, 0) == 0);
  const in_place_of standard(0, reading);
  run([](int to) -> coro<> {
    REQUIRE(::write(to, "one\ntwo\n", 8) == 8);
    stream in = stdin_stream();
    const std::string line = co_await in.readline();
    CHECK(line == "one\n");
  }(writing));
  CHECK((::fcntl(0, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("stdin_stream: a terminal is a tty", "[api][tty]") {
  const terminal t;
  const in_place_of standard(0, t.theirs.get());
  run([](const terminal& on) -> coro<> {
    stream in = stdin_stream();
    on.type("typed\n");
    const std::string line = co_await in.readline();
    CHECK(line == "typed\n");
  }(t));
}

TEST_CASE("stdin_stream: a file is refused, with advice", "[api][tty]") {
  const descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const in_place_of standard(0, null.get());
  run([]() -> coro<> {
    CHECK(
        test::thrown_by([] { static_cast<void>(stdin_stream()); }) ==
        "stdin_stream: descriptor 0 is no pipe and no socket; a file never makes a loop "
        "wait: read or write it with to_thread()");
    co_return;
  }());
}

TEST_CASE("stdout_stream: writes to a socket at descriptor 1", "[api][tty]") {
  auto [ours, theirs] = test::local_connection();
  std::string got;
  {
    // Catch2 writes to it too: nothing is checked meanwhile.
    const in_place_of standard(1, theirs.get());
    run([]() -> coro<> {
      stream out = stdout_stream();
      co_await out.write("written\n");
    }());
  }
  char room[64];
  const ssize_t n = ::read(ours.get(), room, sizeof room);
  REQUIRE(n > 0);
  CHECK(std::string(room, static_cast<std::size_t>(n)) == "written\n");
}
