#include <sheaf/runtime/tty.hpp>

#include <sheaf/runtime/loop.hpp>

#include <pty.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include <optional>
#include <string>

#include "support/catch.hpp"
#include "support/descriptors.hpp"
#include "support/pipe.hpp"
#include "support/sockets.hpp"
#include "support/turns.hpp"

using namespace sheaf::runtime;
using test::descriptor;
using test::until;

namespace {

struct terminal {
  terminal() {
    winsize size{};
    size.ws_col = 100;
    size.ws_row = 30;
    int a, b;
    test::checked(::openpty(&a, &b, nullptr, nullptr, &size), "openpty");
    ours = descriptor(a);
    theirs = descriptor(b);
  }
  bool is_raw() const {
    termios t;
    test::checked(::tcgetattr(theirs.get(), &t), "tcgetattr");
    return (t.c_lflag & ICANON) == 0;
  }
  descriptor ours;    // the master
  descriptor theirs;  // the terminal itself
};

template <class F>
std::string thrown_by(F f) {
  try {
    f();
  } catch (const sheaf::uv_error& e) {
    return e.name();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("tty: lines come as they are typed, and what is written is shown",
          "[runtime][tty]") {
  const terminal t;
  loop l;
  tty on(l, t.theirs.get());
  std::string got;
  on.read_start([&](std::string_view bytes, std::error_code) { got += bytes; });
  REQUIRE(::write(t.ours.get(), "typed\n", 6) == 6);
  until(l, [&] { return got == "typed\n"; });
  bool written = false;
  on.write("shown", [&](std::error_code e) { written = !e; });
  until(l, [&] { return written; });
  std::string shown;
  while (shown.find("shown") == std::string::npos) {
    char room[64];
    const auto n = ::read(t.ours.get(), room, sizeof room);
    REQUIRE(n > 0);
    shown.append(room, static_cast<std::size_t>(n));
  }
}

TEST_CASE("tty: its size, now and when it has changed", "[runtime][tty]") {
  const terminal t;
  loop l;
  const tty on(l, t.theirs.get());
  CHECK(on.winsize().columns == 100);
  CHECK(on.winsize().rows == 30);
  winsize larger{};
  larger.ws_col = 120;
  larger.ws_row = 50;
  test::checked(::ioctl(t.ours.get(), TIOCSWINSZ, &larger), "ioctl");
  CHECK(on.winsize().columns == 120);
  CHECK(on.winsize().rows == 50);
}

TEST_CASE("tty: raw gives each key at once, and normal is as before", "[runtime][tty]") {
  const terminal t;
  loop l;
  tty on(l, t.theirs.get());
  std::string got;
  on.read_start([&](std::string_view bytes, std::error_code) { got += bytes; });
  on.set_mode(tty::mode::raw);
  CHECK(t.is_raw());
  REQUIRE(::write(t.ours.get(), "k", 1) == 1);
  until(l, [&] { return got == "k"; });
  on.set_mode(tty::mode::normal);
  CHECK_FALSE(t.is_raw());
  on.set_mode(tty::mode::io);
  CHECK(t.is_raw());
  on.set_mode(tty::mode::normal);
}

TEST_CASE("tty: destroyed, moved or closed with its loop, it leaves no raw terminal",
          "[runtime][tty]") {
  const terminal t;
  {
    loop l;
    std::optional<tty> on(std::in_place, l, t.theirs.get());
    on->set_mode(tty::mode::raw);
    on.reset();
    CHECK_FALSE(t.is_raw());
    tty other(l, t.theirs.get());
    other.set_mode(tty::mode::raw);
    const tty moved = std::move(other);
    CHECK(t.is_raw());
    l.close();
    CHECK_FALSE(t.is_raw());
  }
  loop l;
  tty on(l, t.theirs.get());
  on.set_mode(tty::mode::raw);
  tty::reset_mode();
}

TEST_CASE("tty: what is no terminal is refused", "[runtime][tty]") {
  {
    const loop first;
  }
  const test::pipe p;
  const terminal t;
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    CHECK(tty::is_terminal(t.theirs.get()));
    CHECK_FALSE(tty::is_terminal(p.reading()));
    CHECK_FALSE(tty::is_terminal(-1));
    CHECK(thrown_by([&] { tty(l, p.reading()); }) == "ENOTTY");
    CHECK(thrown_by([&] { tty(l, -1); }) == "EBADF");
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("tty: borrows its descriptor, be it a terminal's or its master's",
          "[runtime][tty]") {
  {
    const loop first;
  }
  const terminal t;
  const std::size_t before = test::open_descriptors();
  {
    loop l;
    {
      const tty first(l, t.theirs.get());
    }  // makes what libuv has once for a loop
    test::some_turns(l);
    const std::size_t with_loop = test::open_descriptors();
    {
      const tty a(l, t.theirs.get());
      const tty b(l, t.ours.get());
      CHECK(a.fileno() != t.theirs.get());
      CHECK(b.fileno() != t.ours.get());
      CHECK(test::open_descriptors() == with_loop + 2);
    }
    test::some_turns(l);
    CHECK(test::open_descriptors() == with_loop);
  }
  CHECK(test::open_descriptors() == before);
  CHECK(::isatty(t.theirs.get()) == 1);
}
