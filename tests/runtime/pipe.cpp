#include <sheaf/runtime/pipe.hpp>

#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/runtime/udp.hpp>

#include <sys/stat.h>
#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/descriptors.hpp"
#include "support/scratch_dir.hpp"
#include "support/sockets.hpp"
#include "support/turns.hpp"

using namespace sheaf::runtime;
namespace rt = sheaf::runtime;  // pipe() is also a call of the system's
using test::descriptor;
using test::scratch_dir;
using test::until;

namespace {

/// Collects what a stream reads until its end.
struct collector {
  explicit collector(stream& s) {
    s.read_start([this](std::string_view bytes, std::error_code e) {
      text += bytes;
      if (e) end = e;
    });
  }
  std::string text;
  std::error_code end;
};

std::string name_of(const std::error_code& e) { return uv_err_name(e.value()); }

template <class F>
std::string thrown_by(F f) {
  try {
    f();
  } catch (const sheaf::uv_error& e) {
    return e.name();
  }
  return "nothing";
}

/// Two ends of a pipe of one loop, over which handles go.
struct ipc {
  ipc() {
    const socket_pair ends = make_socket_pair();
    here.open(ends.first);
    there.open(ends.second);
  }
  loop l;
  rt::pipe here{l, rt::pipe::kind::ipc};
  rt::pipe there{l, rt::pipe::kind::ipc};
};

}  // namespace

TEST_CASE("pipe: by a path, both ways, and the path goes with the listener",
          "[runtime][pipe]") {
  const scratch_dir in;
  const std::string path = in / "socket";
  loop l;
  rt::pipe server(l);
  rt::pipe client(l);
  {
    rt::pipe listener(l);
    listener.bind(path);
    CHECK(listener.sockname() == path);
    listener.chmod(true, true);
    struct stat s;
    REQUIRE(::stat(path.c_str(), &s) == 0);
    CHECK((s.st_mode & 0006) == 0006);
    CHECK(thrown_by([&] { listener.chmod(false, false); }) == "EINVAL");
    bool accepted = false;
    listener.listen(8, [&](std::error_code e) {
      CHECK_FALSE(e);
      listener.accept(server);
      accepted = true;
    });
    bool connected = false;
    client.connect(path, [&](std::error_code e) {
      CHECK_FALSE(e);
      connected = true;
    });
    CHECK_FALSE(connected);  // never from inside the call
    CHECK(thrown_by([&] { client.connect(path, [](std::error_code) {}); }) == "EALREADY");
    until(l, [&] { return connected && accepted; });
    CHECK(client.peername() == path);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  collector at_server(server);
  client.write("question");
  client.shutdown();
  until(l, [&] { return bool(at_server.end); });
  CHECK(at_server.text == "question");
  collector at_client(client);
  server.write("answer");
  server.shutdown();
  until(l, [&] { return bool(at_client.end); });
  CHECK(at_client.text == "answer");
  CHECK(at_client.end == end_of_file());
}

TEST_CASE("pipe: one that connects again after its error gets each answer",
          "[runtime][pipe]") {
  const scratch_dir in;
  loop l;
  rt::pipe p(l);
  std::string answers;
  const auto note = [&](std::error_code e) { answers += name_of(e) + ' '; };
  p.connect(in / "nobody", note);
  until(l, [&] { return !answers.empty(); });
  p.connect(in.put("no socket"), note);
  l.run_forever();  // ends, with no request left over
  CHECK(answers == "ENOENT ECONNREFUSED ");
}

TEST_CASE("pipe: paths that cannot be are refused, and named", "[runtime][pipe]") {
  const scratch_dir in;
  loop l;
  rt::pipe p(l);
  const auto bind = [&](std::string_view path) {
    return thrown_by([&] { p.bind(path); });
  };
  CHECK(bind("") == "EINVAL");
  CHECK(bind(std::string_view("a\0b", 3)) == "EINVAL");
  CHECK(bind(std::string(200, 'x')) == "ENAMETOOLONG");
  CHECK(bind(in.put("taken")) == "EADDRINUSE");
  CHECK(bind(in / "no folder/s") == "EACCES");
  try {
    p.bind(in / "taken");
    FAIL("it must throw");
  } catch (const sheaf::uv_error& e) {
    CHECK(e.path() == in / "taken");
    CHECK(e.operation() == "uv_pipe_bind");
  }
  CHECK(thrown_by([&] { p.connect(std::string(200, 'x'), [](std::error_code) {}); }) ==
        "ENAMETOOLONG");
  CHECK_THROWS_AS(p.connect(in / "s", nullptr), sheaf::invalid_state);
}

TEST_CASE("pipe: an abstract name where libuv has them, else ENOTSUP",
          "[runtime][pipe]") {
  loop l;
  rt::pipe listener(l);
  rt::pipe client(l);
  const std::string name = std::string(1, '\0') + "sheaf-" + std::to_string(::getpid());
#if UV_VERSION_HEX >= ((1 << 16) | (46 << 8))
  listener.bind(name);
  bool connected = false;
  listener.listen(1, [](std::error_code) {});
  client.connect(name, [&](std::error_code e) {
    CHECK_FALSE(e);
    connected = true;
  });
  until(l, [&] { return connected; });
#else
  CHECK(thrown_by([&] { listener.bind(name); }) == "ENOTSUP");
  CHECK(thrown_by([&] { client.connect(name, [](std::error_code) {}); }) == "ENOTSUP");
#endif
}

TEST_CASE("pipe: a pipe of the system's, one way", "[runtime][pipe]") {
  loop l;
  const pipe_ends ends = make_pipe();
  rt::pipe from(l);
  std::optional<rt::pipe> to(l);
  from.open(ends.reading);
  to->open(ends.writing);
  CHECK(from.readable());
  CHECK_FALSE(from.writable());
  CHECK_FALSE(to->readable());
  CHECK(to->writable());
  collector got(from);
  CHECK(to->try_write("now ") == 4);
  to->write("then", [&](std::error_code) { to.reset(); });
  until(l, [&] { return bool(got.end); });
  CHECK(got.text == "now then");
}

TEST_CASE("pipe: what cannot be opened stays the caller's", "[runtime][pipe]") {
  loop l;
  rt::pipe p(l);
  CHECK(thrown_by([&] { p.open(-1); }) == "EBADF");
  CHECK(thrown_by([&] { static_cast<void>(p.fileno()); }) == "EBADF");
}

TEST_CASE("pipe: a connection goes over an ipc pipe, and both have it",
          "[runtime][pipe]") {
  ipc c;
  auto [ours, far] = test::connection();
  tcp sent(c.l);
  sent.open(ours.release());
  std::optional<tcp> received;
  std::string with;
  c.there.read_start([&](std::string_view bytes, std::error_code) {
    with += bytes;
    if (c.there.pending_count() == 0) return;
    CHECK(c.there.pending_type() == rt::pipe::pending::tcp);
    received.emplace(c.l);
    c.there.accept(*received);
  });
  bool done = false;
  CHECK(c.there.pending_type() == rt::pipe::pending::none);
  c.here.write_with_handle("take it", sent, [&](std::error_code e) {
    CHECK_FALSE(e);
    done = true;
  });
  until(c.l, [&] { return done && received; });
  CHECK(with == "take it");
  CHECK(c.there.pending_count() == 0);
  CHECK(received->peername() == sent.peername());
  CHECK(received->try_write("from another hand") == 17);
  char room[32];
  CHECK(::read(far.get(), room, sizeof room) == 17);
}

TEST_CASE("pipe: a socket for datagrams goes over it too, and a pipe",
          "[runtime][pipe]") {
  ipc c;
  udp datagrams(c.l);
  datagrams.bind(address::ip("127.0.0.1", 0));
  rt::pipe local(c.l);
  auto [mine, theirs] = test::local_connection();
  local.open(mine.release());
  std::optional<udp> got_udp;
  std::optional<rt::pipe> got_pipe;
  c.there.read_start([&](std::string_view, std::error_code) {
    while (c.there.pending_count() > 0) {
      if (c.there.pending_type() == rt::pipe::pending::udp) {
        got_udp.emplace(c.l);
        c.there.accept(*got_udp);
      } else {
        CHECK(c.there.pending_type() == rt::pipe::pending::pipe);
        got_pipe.emplace(c.l);
        c.there.accept(*got_pipe);
      }
    }
  });
  c.here.write_with_handle("1", datagrams, nullptr);
  c.here.write_with_handle("2", local, nullptr);
  until(c.l, [&] { return got_udp && got_pipe; });
  CHECK(got_udp->sockname() == datagrams.sockname());
  CHECK(got_pipe->try_write("x") == 1);
}

TEST_CASE("pipe: passing on at once", "[runtime][pipe]") {
  ipc c;
  tcp sent(c.l, address_family::ipv4);
  std::string with;
  c.there.read_start([&](std::string_view bytes, std::error_code) { with += bytes; });
  CHECK(c.here.try_write_with_handle("now", sent) == 3);
  until(c.l, [&] { return with == "now"; });
  CHECK(c.there.pending_type() == rt::pipe::pending::tcp);
  CHECK(thrown_by([&] { c.here.try_write_with_handle("", sent); }) == "EINVAL");
}

TEST_CASE("pipe: handles that nobody accepts are closed with it", "[runtime][pipe]") {
  {
    const loop first;
  }
  const std::size_t before = test::open_descriptors();
  {
    ipc c;
    tcp sent(c.l, address_family::ipv4);
    bool came = false;
    c.there.read_start([&](std::string_view, std::error_code) { came = true; });
    for (int i = 0; i < 5; ++i) c.here.write_with_handle("x", sent, nullptr);
    until(c.l, [&] { return came && c.there.pending_count() == 5; });
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("pipe: what is passed on may be destroyed before, and the write fails",
          "[runtime][pipe]") {
  ipc c;
  // Behind what fills the pipe, so that it is looked at later.
  c.here.write(std::string(10'000'000, 'x'));
  std::error_code failed;
  {
    tcp sent(c.l, address_family::ipv4);
    c.here.write_with_handle("x", sent, [&](std::error_code e) { failed = e; });
  }
  test::some_turns(c.l);
  c.there.read_start([](std::string_view, std::error_code) {});
  until(c.l, [&] { return bool(failed); });
  CHECK(name_of(failed) == "EBADF");
}

TEST_CASE("pipe: what is passed on must be open, with a byte, and over an ipc pipe",
          "[runtime][pipe]") {
  ipc c;
  tcp empty(c.l);
  tcp full(c.l, address_family::ipv4);
  CHECK(thrown_by([&] { c.here.write_with_handle("x", empty, nullptr); }) == "EBADF");
  CHECK(thrown_by([&] { c.here.write_with_handle("", full, nullptr); }) == "EINVAL");
  rt::pipe plain(c.l);
  auto [a, b] = test::local_connection();
  plain.open(a.release());
  CHECK(thrown_by([&] { plain.write_with_handle("x", full, nullptr); }) == "EINVAL");
}

TEST_CASE("stream: a client of another loop is refused by accept()", "[runtime][pipe]") {
  ipc c;
  loop other;
  tcp stranger(other);
  tcp friendly(c.l);
  CHECK_THROWS_AS(c.there.accept(stranger), sheaf::invalid_state);
  CHECK(thrown_by([&] { c.there.accept(friendly); }) == "EAGAIN");
}

TEST_CASE("stream: a listener may listen anew from inside its callback",
          "[runtime][pipe]") {
  const scratch_dir in;
  loop l;
  rt::pipe listener(l);
  std::string log;
  std::optional<rt::pipe> first(l);
  std::optional<rt::pipe> second(l);
  listener.bind(in / "s");
  const std::string long_enough(100, 'x');  // the callable is on the heap
  listener.listen(8, [&, long_enough](std::error_code) {
    listener.accept(*first);
    listener.listen(8, [&](std::error_code) {
      listener.accept(*second);
      log += "second";
    });
    log += "first " + std::to_string(long_enough.size()) + ' ';
  });
  rt::pipe a(l);
  rt::pipe b(l);
  a.connect(in / "s", [](std::error_code) {});
  until(l, [&] { return !log.empty(); });
  b.connect(in / "s", [](std::error_code) {});
  until(l, [&] { return log.size() > 10; });
  CHECK(log == "first 100 second");
}
