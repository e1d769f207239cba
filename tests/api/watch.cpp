#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut_io.hpp"
#include "support/scratch_dir.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/fs.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/watch.hpp>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

using namespace sheaf;
using namespace std::chrono_literals;
using test::said;
using test::scratch_dir;

static_assert(!std::is_copy_constructible_v<fs::watcher>);

namespace {

/// The next change of `name`, past those of others.
coro<fs::change> change_of(fs::watcher& w, std::string name) {
  for (;;) {
    const std::optional<fs::change> c = co_await w.next();
    REQUIRE(c.has_value());
    if (c->name == name) co_return *c;
  }
}

}  // namespace

TEST_CASE("watch: tells what is made, changed and removed in a directory",
          "[api][watch]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    fs::watcher w = fs::watch(d.path());
    co_await fs::write_file(d / "a", "x");
    const fs::change made = co_await change_of(w, "a");
    CHECK(made.renamed);
    co_await fs::write_file(d / "b", "y");
    static_cast<void>(co_await change_of(w, "b"));
    co_await fs::unlink(d / "a");
    const fs::change gone = co_await change_of(w, "a");
    CHECK(gone.renamed);
  }(dir));
}

TEST_CASE("watch: what changes while nobody asks is kept, the same again as one",
          "[api][watch]") {
  const scratch_dir dir;
  dir.put("a", "");
  loop l;
  std::optional<fs::watcher> w;
  l.run_until_complete(
      [](const scratch_dir& d, std::optional<fs::watcher>& to) -> coro<> {
        to.emplace(fs::watch(d / "a"));
        co_return;
      }(dir, w));
  for (int i = 0; i < 5; ++i) dir.put("a", "new");
  for (int i = 0; i < 5; ++i) l.turn();  // they come
  const auto c = l.run_until_complete(w->next());
  REQUIRE(c.has_value());
  CHECK(c->changed);
  CHECK_FALSE(c->lost);
  // There is no second one.
  const auto t = l.create_task(w->next());
  for (int i = 0; i < 5; ++i) l.turn();
  CHECK_FALSE(t.done());
  w->close();
  while (!t.done()) l.turn();
  CHECK_FALSE(t.result().has_value());
}

TEST_CASE("watch: of more changes than are kept the last place says so", "[api][watch]") {
  const scratch_dir dir;
  loop l;
  std::optional<fs::watcher> w;
  l.run_until_complete(
      [](const scratch_dir& d, std::optional<fs::watcher>& to) -> coro<> {
        to.emplace(fs::watch(d.path()));
        co_return;
      }(dir, w));
  for (int i = 0; i < 1'500; ++i) {
    dir.put(std::to_string(i), "");
    if (i % 100 == 0) l.turn();
  }
  for (int i = 0; i < 20; ++i) l.turn();
  int n = 0;
  for (;;) {
    const auto c = l.run_until_complete(w->next());
    REQUIRE(c.has_value());
    ++n;
    if (c->lost) break;
  }
  CHECK(n == 1'024);
  dir.put("after", "");
  const auto c = l.run_until_complete(w->next());
  REQUIRE(c.has_value());
  CHECK(c->name == "after");
}

TEST_CASE("watch: what cannot be watched is refused", "[api][watch]") {
  run([]() -> coro<> {
    try {
      static_cast<void>(fs::watch("/no/such"));
      CHECK(false);
    } catch (const uv_error& e) {
      CHECK(e.code() == std::errc::no_such_file_or_directory);
      CHECK(std::string(e.what()).find("/no/such") != std::string::npos);
    }
    co_return;
  }());
  CHECK_THROWS_AS(fs::watch("/"), invalid_state);  // no loop runs
}

TEST_CASE("watch: cancelled the wait takes nothing, one task waits at a time: total",
          "[api][watch]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    fs::watcher w = fs::watch(d.path());
    const auto t = create_task(w.next());
    co_await sleep(0ms);
    const auto other = co_await as_outcome(w.next());
    CHECK(said(other.error()).find("another task waits") != std::string::npos);
    CHECK(t.cancel());
    const auto how = co_await as_outcome(t);
    CHECK(how.is_cancelled());
    co_await fs::write_file(d / "a", "x");
    static_cast<void>(co_await change_of(w, "a"));
  }(dir));
}

TEST_CASE("watch: destroyed, or closed, it ends who waits with nothing", "[api][watch]") {
  const scratch_dir dir;
  run([](const scratch_dir& d) -> coro<> {
    std::optional<fs::watcher> w(fs::watch(d.path()));
    const auto t = create_task(w->next());
    co_await sleep(0ms);
    w.reset();
    const auto c = co_await t;
    CHECK_FALSE(c.has_value());
  }(dir));
}

TEST_CASE(
    "watch: one that nobody waits at does not keep the loop from its end, nor virtual "
    "time from jumping",
    "[api][watch]") {
  const scratch_dir dir;
  test::virtual_loop l;
  l.run_until_complete([](const scratch_dir& d) -> coro<> {
    fs::watcher w = fs::watch(d.path());
    co_await sleep(1h);
    const auto t = create_task(w.next());
    co_await sleep(0ms);
    t.cancel();
    co_await sleep(1h);
  }(dir));
  CHECK(l.elapsed_ms() == 7'200'000);
}

TEST_CASE("watch: cut anywhere", "[api][watch]") {
  const scratch_dir dir;
  test::cut::io_everywhere([&](test::cut::lives& l) -> coro<> {
    const test::cut::witness lives(l);
    fs::watcher w = fs::watch(dir.path());
    co_await fs::write_file(dir / "a", "x");
    static_cast<void>(co_await change_of(w, "a"));
    co_await fs::unlink(dir / "a");
  });
}

TEST_CASE("poll_watch: looks now and then, and tells what was and is", "[api][watch]") {
  const scratch_dir dir;
  dir.put("a", "x");
  run([](const scratch_dir& d) -> coro<> {
    fs::poll_watcher w = fs::poll_watch(d / "a", 1ms);
    // The first look may come after the change: change it until one is told.
    const auto t = create_task(w.next());
    std::string text = "x";
    while (!t.done()) {
      text += 'x';
      co_await fs::write_file(d / "a", text);
      co_await sleep(2ms);
    }
    const auto c = co_await t;
    REQUIRE(c.has_value());
    CHECK(c->before.size < c->now.size);
    co_await fs::unlink(d / "a");
    for (;;) {
      const auto how = co_await as_outcome(w.next());
      if (how) continue;
      CHECK(said(how.error()) ==
            "fs::poll_watch '" + d / "a" + "': ENOENT: no such file or directory");
      break;
    }
    const auto again = create_task(w.next());
    while (!again.done()) {
      text += 'x';
      co_await fs::write_file(d / "a", text);
      co_await sleep(2ms);
    }
    const auto back = co_await again;
    CHECK(back.has_value());
    w.close();
    const auto end = co_await w.next();
    CHECK_FALSE(end.has_value());
  }(dir));
}
