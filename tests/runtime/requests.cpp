#include <sheaf/runtime/fs.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/random.hpp>
#include <sheaf/runtime/resolver.hpp>
#include <sheaf/runtime/work.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/busy_pool.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/descriptors.hpp"
#include "support/event_log.hpp"
#include "support/host.hpp"
#include "support/scratch_dir.hpp"

using namespace sheaf::runtime;
using test::counted;
using test::event_log;

namespace {

// ---- the table: kinds of requests, kinds of ends -----------------------------------------

using callback = unique_function<void()>;

struct kind {
  const char* name;
  request (*make)(loop&, callback);
};

/// Any callback of a request, that calls `f`.
auto ignoring(callback f) {
  return [f = std::move(f)](auto&&...) mutable { f(); };
}

const kind kinds[] = {
    {"work", [](loop& l, callback f) { return work(l, [] {}, ignoring(std::move(f))); }},
    {"stat",
     [](loop& l, callback f) { return fs::stat(l, "/", ignoring(std::move(f))); }},
    {"read",
     [](loop& l, callback f) { return fs::read(l, 0, 0, 0, ignoring(std::move(f))); }},
    {"write",
     [](loop& l, callback f) {
       return fs::write(l, -1, "bytes", 0, ignoring(std::move(f)));
     }},
    {"open",
     [](loop& l, callback f) {
       return fs::open(l, "/dev/null", O_RDONLY, 0,
                       [f = std::move(f)](int fd, std::error_code) mutable {
                         ::close(fd);
                         f();
                       });
     }},
    {"mkstemp",
     [](loop& l, callback f) {
       return fs::mkstemp(
           l, "/tmp/sheaf-XXXXXX",
           [f = std::move(f)](fs::temporary_file t, std::error_code) mutable {
             ::close(t.descriptor);
             ::unlink(t.path.c_str());
             f();
           });
     }},
    {"opendir",
     [](loop& l, callback f) { return fs::opendir(l, "/", ignoring(std::move(f))); }},
    {"scandir",
     [](loop& l, callback f) { return fs::scandir(l, "/", ignoring(std::move(f))); }},
    {"getaddrinfo",
     [](loop& l, callback f) {
       return getaddrinfo(l, "127.0.0.1", "80", address_hints().numeric_host(),
                          ignoring(std::move(f)));
     }},
    {"getnameinfo",
     [](loop& l, callback f) {
       return getnameinfo(l, address::ip("127.0.0.1", 80), ignoring(std::move(f)));
     }},
    {"random", [](loop& l, callback f) { return random(l, 8, ignoring(std::move(f))); }},
};

struct scene {
  loop l;
  const kind& k;
  int fired = 0;
  std::optional<request> one{};

  request make(callback f = [] {}) {
    return k.make(l, [this, f = std::move(f), held = counted()]() mutable {
      ++fired;
      f();
    });
  }
};

template <class Play>
void each(Play play) {
  {
    const loop first;
  }  // makes what libuv has once for a process
  for (const kind& k : kinds) {
    INFO(k.name);
    counted::reset();
    const std::size_t before = test::open_descriptors();
    {
      scene s{{}, k};
      play(s);
    }
    CHECK(counted::alive == 0);
    CHECK(test::open_descriptors() == before);
  }
}

/// Puts `l`'s error into `into`; the loop is run until it is there.
template <class T>
std::pair<T, std::error_code> answer_of(
    loop& l, unique_function<request(unique_function<void(T, std::error_code)>)> ask) {
  std::optional<std::pair<T, std::error_code>> got;
  const request r =
      ask([&](T value, std::error_code e) { got.emplace(std::move(value), e); });
  l.run_forever();
  REQUIRE(got.has_value());
  CHECK_FALSE(r.pending());
  return std::move(*got);
}

std::error_code done(loop& l, unique_function<request(fs::done_callback)> ask) {
  std::optional<std::error_code> got;
  const request r = ask([&](std::error_code e) { got = e; });
  l.run_forever();
  REQUIRE(got.has_value());
  return *got;
}

}  // namespace

TEST_CASE("requests: each calls back once", "[runtime][requests]") {
  each([](scene& s) {
    s.one = s.make();
    CHECK(s.one->pending());
    s.l.run_forever();
    CHECK(s.fired == 1);
    CHECK_FALSE(s.one->pending());
    CHECK(counted::alive == 0);  // the callable dies with the answer
  });
}

TEST_CASE("requests: destroyed before the answer, nothing is called [R7]",
          "[runtime][requests][R7]") {
  each([](scene& s) {
    s.one = s.make();
    s.one.reset();
    CHECK(counted::alive == 0);
    s.l.run_forever();
    CHECK(s.fired == 0);
  });
}

TEST_CASE("requests: destroyed in their own callback [R7]", "[runtime][requests][R7]") {
  each([](scene& s) {
    s.one = s.make([&s] {
      s.one.reset();
      CHECK(counted::alive == 1);
    });
    s.l.run_forever();
    CHECK(s.fired == 1);
  });
}

TEST_CASE("requests: destroyed in the callback of another [R7]",
          "[runtime][requests][R7]") {
  each([](scene& s) {
    std::optional<request> two;
    s.one = s.make([&] { two.reset(); });
    two = s.make([&] { s.one.reset(); });
    s.l.run_forever();
    CHECK(s.fired == 1);
    CHECK(s.one.has_value() != two.has_value());
  });
}

TEST_CASE("requests: destroyed when a thread is done with them, but not the loop [R7]",
          "[runtime][requests][R7]") {
  each([](scene& s) {
    s.one = s.make();
    // Behind it in the pool's queue: where that is done, it is, or nearly.
    std::atomic<bool> behind = false;
    work(s.l, [&] { behind = true; }, [](std::error_code) {}).detach();
    while (!behind) ::usleep(100);
    s.one.reset();
    CHECK(counted::alive == 0);
    s.l.run_forever();
    CHECK(s.fired == 0);
  });
}

TEST_CASE("requests: destroyed while the loop stands still [R7]",
          "[runtime][requests][R7]") {
  each([](scene& s) {
    s.one = s.make();
    s.l.stop();
    s.l.run_forever();
    const int before = s.fired;
    s.one.reset();
    CHECK(counted::alive == 0);
    s.l.run_forever();
    CHECK(s.fired == before);
  });
}

TEST_CASE("requests: owned by their own callback, they die with it [R7]",
          "[runtime][requests][R7]") {
  const auto make = [](scene& s) {
    const auto own = std::make_shared<std::optional<request>>();
    own->emplace(s.make([own] {}));
  };
  each([&](scene& s) {
    make(s);
    s.l.run_forever();
    CHECK(s.fired == 1);
    CHECK(counted::alive == 0);
  });
  each([&](scene& s) {
    make(s);
    s.l.close();
    CHECK(s.fired == 0);
    CHECK(counted::alive == 0);
  });
}

TEST_CASE("requests: owned by what they keep, they die with it [R7]",
          "[runtime][requests][R7]") {
  each([](scene& s) {
    {
      const auto own = std::make_shared<std::optional<request>>();
      own->emplace(s.make());
      own->value().keep(own);
    }
    s.l.run_forever();
    CHECK(s.fired == 1);
  });
}

TEST_CASE("requests: outlive their loop, moved and empty [R7]",
          "[runtime][requests][R7]") {
  for (const kind& k : kinds) {
    INFO(k.name);
    counted::reset();
    std::optional<request> one;
    {
      loop l;
      one = k.make(l, [held = counted()]() mutable {});
    }
    CHECK(counted::alive == 0);
    CHECK_FALSE(one->pending());
    CHECK_FALSE(one->cancel());
    std::optional<request> two = std::move(one);
  }
}

TEST_CASE("requests: detached, they call back all the same", "[runtime][requests]") {
  each([](scene& s) {
    s.make().detach();
    s.l.run_forever();
    CHECK(s.fired == 1);
  });
}

TEST_CASE("requests: moved, they go on", "[runtime][requests]") {
  each([](scene& s) {
    request a = s.make();
    request b = std::move(a);
    s.one = s.make();
    *s.one = std::move(b);  // the one it had is cancelled
    s.l.run_forever();
    CHECK(s.fired == 1);
  });
}

TEST_CASE("requests: a loop that closes waits for libuv to let go, and calls nothing",
          "[runtime][requests][R7]") {
  each([](scene& s) {
    s.one = s.make();
    s.l.close();
    CHECK(s.fired == 0);
    CHECK(counted::alive == 0);
    CHECK_FALSE(s.one->pending());
    CHECK_THROWS_AS(s.make(), sheaf::invalid_state);
  });
}

TEST_CASE("requests: outlive a borrowed loop, silent", "[runtime][requests][R7]") {
  for (const kind& k : kinds) {
    INFO(k.name);
    counted::reset();
    int fired = 0;
    test::host host;
    {
      loop l(host.get(), sheaf::borrowed);
      k.make(l, [&fired, held = counted()]() mutable { ++fired; }).detach();
    }
    CHECK(counted::alive == 0);
    while (host.turn()) {
    }
    CHECK(fired == 0);
  }
}

TEST_CASE("requests: what a callback throws goes to the handler", "[runtime][requests]") {
  each([](scene& s) {
    event_log log;
    s.l.set_exception_handler([&](const sheaf::exception_context& c) {
      log.push_back(sheaf::describe(c.exception));
    });
    s.one = s.make([] { throw std::runtime_error("from a request"); });
    s.l.run_forever();
    CHECK(log == event_log{"std::runtime_error: from a request"});
  });
}

TEST_CASE("requests: cancel() works until a thread has begun", "[runtime][requests]") {
  loop l;
  std::atomic<int> begun = 0;
  std::atomic<bool> go = false;
  event_log log;
  std::vector<request> all;
  // More than libuv has threads: the last wait in its queue.
  for (int i = 0; i < 20; ++i) {
    all.push_back(work(
        l,
        [&] {
          ++begun;
          while (!go) ::usleep(100);
        },
        [&](std::error_code e) {
          log.push_back(e == std::errc::operation_canceled ? "cancelled" : "done");
        }));
  }
  while (begun == 0) ::usleep(100);
  CHECK_FALSE(all.front().cancel());
  CHECK(all.back().cancel());
  go = true;
  l.run_forever();
  CHECK(log.size() == 20);
  CHECK(std::count(log.begin(), log.end(), "cancelled") == 1);
}

TEST_CASE("work: what it throws is reported, though nobody waits for it any more",
          "[runtime][requests]") {
  loop l;
  event_log log;
  l.set_exception_handler([&](const sheaf::exception_context& c) {
    log.push_back(sheaf::describe(c.exception));
  });
  std::atomic<bool> begun = false;
  std::atomic<bool> go = false;
  {
    const request r = work(
        l,
        [&] {
          begun = true;
          while (!go) ::usleep(100);
          throw std::runtime_error("on a thread");
        },
        [&](std::error_code) { log.push_back("done"); });
    while (!begun) ::usleep(100);
  }
  go = true;
  l.run_forever();
  CHECK(log == event_log{"std::runtime_error: on a thread"});
}

TEST_CASE("work: what it holds dies on the loop's thread, before it is done",
          "[runtime][requests]") {
  loop l;
  struct grave {
    ~grave() { *where = std::this_thread::get_id(); }
    std::thread::id* where;
  };
  std::thread::id died;
  std::thread::id at_done;
  const request r = work(
      l, [held = std::unique_ptr<grave>(new grave{&died})] {},
      [&](std::error_code) { at_done = died; });
  l.run_forever();
  CHECK(at_done == std::this_thread::get_id());
}

TEST_CASE("getaddrinfo, random, fs: cancelled before a thread took them, they say so",
          "[runtime][requests]") {
  loop l;
  test::busy_pool pool(l);
  event_log log;
  const auto note = [&](const char* what) {
    return [&log, what](auto&&, std::error_code e) {
      log.push_back(std::string(what) + (e == std::errc::operation_canceled ? "" : "?"));
    };
  };
  std::vector<request> all;
  all.push_back(getaddrinfo(l, "localhost", "", address_hints(),
                            [&](std::vector<address> found, std::error_code e) {
                              CHECK(found.empty());
                              CHECK(e.value() == UV_EAI_CANCELED);
                              log.push_back("getaddrinfo");
                            }));
  all.push_back(
      getnameinfo(l, address::ip("127.0.0.1", 1), [&](host_name, std::error_code e) {
        CHECK(e.value() == UV_EAI_CANCELED);
        log.push_back("getnameinfo");
      }));
  all.push_back(random(l, 8, note("random")));
  all.push_back(fs::stat(l, "/", note("stat")));
  all.push_back(fs::open(l, "/dev/null", O_RDONLY, 0, note("open")));
  all.push_back(fs::opendir(l, "/", note("opendir")));
  for (request& r : all) CHECK(r.cancel());
  CHECK(log.empty());  // never from inside the call
  pool.free();
  l.run_forever();
  CHECK(log.size() == all.size());
  CHECK(std::count_if(log.begin(), log.end(),
                      [](const auto& e) { return e.back() == '?'; }) == 0);
}

TEST_CASE("work: cancelled, and owned by the function that it does not call",
          "[runtime][requests][R7]") {
  loop l;
  test::busy_pool pool(l);
  int called = 0;
  {
    const auto own = std::make_shared<std::optional<request>>();
    own->emplace(work(l, [own] {}, [&](std::error_code) { ++called; }));
    CHECK(own->value().cancel());
    CHECK(own->value().cancel());  // it still will
  }
  // Behind it, so that libuv has more to give back.
  const request next = work(l, [] {}, [&](std::error_code) { called += 10; });
  pool.free();
  l.run_forever();
  CHECK(called == 10);  // the function dies first, and with it who asked
}

TEST_CASE("work: what it throws is reported, and it is done", "[runtime][requests]") {
  loop l;
  event_log log;
  l.set_exception_handler([&](const sheaf::exception_context& c) {
    log.push_back(sheaf::describe(c.exception));
  });
  const request r = work(
      l, [] { throw std::runtime_error("on a thread"); },
      [&](std::error_code e) { log.push_back(e ? "failed" : "done"); });
  l.run_forever();
  CHECK(log == event_log{"done", "std::runtime_error: on a thread"});
}

TEST_CASE("fs: a file is made, written, read, looked at and removed",
          "[runtime][requests]") {
  loop l;
  const test::scratch_dir dir;
  const std::string path = dir / "file";
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  const auto [fd, opened] = answer_of<int>(
      l, [&](auto f) { return fs::open(l, path, flags, 0600, std::move(f)); });
  REQUIRE_FALSE(opened);
  const auto [n, written] = answer_of<std::size_t>(
      l, [&](auto f) { return fs::write(l, fd, "hello", 0, std::move(f)); });
  CHECK(n == 5);
  const auto [text, read] = answer_of<std::string>(
      l, [&](auto f) { return fs::read(l, fd, 100, 1, std::move(f)); });
  CHECK(text == "ello");
  CHECK_FALSE(done(l, [&](auto f) { return fs::fsync(l, fd, std::move(f)); }));
  CHECK_FALSE(done(l, [&](auto f) { return fs::ftruncate(l, fd, 2, std::move(f)); }));
  file_status seen;
  const request r =
      fs::fstat(l, fd, [&](const file_status& s, std::error_code) { seen = s; });
  l.run_forever();
  CHECK(seen.size == 2);
  CHECK(seen.is_regular());
  CHECK((seen.mode & 0777) == 0600);
  CHECK_FALSE(done(l, [&](auto f) { return fs::close(l, fd, std::move(f)); }));
  CHECK_FALSE(done(l, [&](auto f) { return fs::unlink(l, path, std::move(f)); }));
  CHECK(done(l, [&](auto f) { return fs::unlink(l, path, std::move(f)); }) ==
        std::errc::no_such_file_or_directory);
}

TEST_CASE("fs: directories, links and names", "[runtime][requests]") {
  loop l;
  const test::scratch_dir dir;
  CHECK_FALSE(
      done(l, [&](auto f) { return fs::mkdir(l, dir / "b", 0700, std::move(f)); }));
  CHECK_FALSE(
      done(l, [&](auto f) { return fs::symlink(l, "b", dir / "a", std::move(f)); }));
  CHECK_FALSE(
      done(l, [&](auto f) { return fs::rename(l, dir / "b", dir / "c", std::move(f)); }));
  const auto [target, e1] = answer_of<std::string>(
      l, [&](auto f) { return fs::readlink(l, dir / "a", std::move(f)); });
  CHECK(target == "b");
  const auto [all, e2] = answer_of<std::vector<fs::entry>>(
      l, [&](auto f) { return fs::scandir(l, dir.path(), std::move(f)); });
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "a");
  CHECK(all[0].kind == fs::entry_kind::link);
  CHECK(all[1].kind == fs::entry_kind::directory);

  const auto [open, e3] = answer_of<fs::directory>(
      l, [&](auto f) { return fs::opendir(l, dir.path(), std::move(f)); });
  REQUIRE(open);
  std::size_t entries = 0;
  for (;;) {
    const auto [some, e4] = answer_of<std::vector<fs::entry>>(
        l, [&](auto f) { return fs::readdir(l, open, 1, std::move(f)); });
    if (some.empty()) break;
    entries += some.size();
  }
  CHECK(entries == 2);
  CHECK_THROWS_AS(fs::mkdir(l, std::string_view("a\0b", 3), 0700, [](std::error_code) {}),
                  sheaf::uv_error);
}

TEST_CASE("fs: mkdtemp and mkstemp tell the name they made", "[runtime][requests]") {
  loop l;
  const test::scratch_dir dir;
  const auto [path, e1] = answer_of<std::string>(
      l, [&](auto f) { return fs::mkdtemp(l, dir / "d-XXXXXX", std::move(f)); });
  CHECK(::access(path.c_str(), F_OK) == 0);
  fs::temporary_file made;
  const request r = fs::mkstemp(l, dir / "f-XXXXXX",
                                [&](fs::temporary_file t, std::error_code) { made = t; });
  l.run_forever();
  CHECK(::access(made.path.c_str(), F_OK) == 0);
  CHECK(::close(made.descriptor) == 0);
}

TEST_CASE("resolver: an address has a name, and a name an address",
          "[runtime][requests]") {
  loop l;
  const auto [all, e] = answer_of<std::vector<address>>(l, [&](auto f) {
    return getaddrinfo(l, "127.0.0.1", "80", address_hints(), std::move(f));
  });
  CHECK(all == std::vector<address>{address::ip("127.0.0.1", 80)});
  const auto [none, failed] = answer_of<std::vector<address>>(l, [&](auto f) {
    return getaddrinfo(l, "no.such.host.invalid", "", address_hints().numeric_host(),
                       std::move(f));
  });
  CHECK(failed);
  CHECK(failed.category() == sheaf::uv_category());
  const auto [name, e2] = answer_of<host_name>(l, [&](auto f) {
    return getnameinfo(l, address::ip("127.0.0.1", 80), std::move(f));
  });
  CHECK_FALSE(name.host.empty());
  const auto [text, e3] = answer_of<host_name>(l, [&](auto f) {
    return getnameinfo(l, address::ip("127.0.0.1", 80),
                       name_flags::numeric_host | name_flags::numeric_service,
                       std::move(f));
  });
  CHECK(text.host == "127.0.0.1");
  CHECK(text.service == "80");
  const auto refused = [&](std::string_view host) -> std::string {
    try {
      getaddrinfo(l, host, "", address_hints(), [](auto&&...) {}).detach();
    } catch (const sheaf::uv_error& thrown) {
      return thrown.operation() + ' ' + thrown.name();
    }
    return "taken";
  };
  CHECK(refused("") == "uv_getaddrinfo EINVAL");
  CHECK(refused(std::string_view("a\0b", 3)) == "uv_getaddrinfo EINVAL");
}

TEST_CASE("random: gives as many bytes as asked for", "[runtime][requests]") {
  loop l;
  const auto [a, e1] =
      answer_of<std::string>(l, [&](auto f) { return random(l, 32, std::move(f)); });
  const auto [b, e2] =
      answer_of<std::string>(l, [&](auto f) { return random(l, 32, std::move(f)); });
  CHECK(a.size() == 32);
  CHECK(a != b);
  const auto [none, e3] =
      answer_of<std::string>(l, [&](auto f) { return random(l, 0, std::move(f)); });
  CHECK(none.empty());
  CHECK_FALSE(e3);
}
