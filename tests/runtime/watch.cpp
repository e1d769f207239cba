#include <sheaf/runtime/fs_event.hpp>
#include <sheaf/runtime/fs_poll.hpp>
#include <sheaf/runtime/loop.hpp>

#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/event_log.hpp"
#include "support/scratch_dir.hpp"
#include "support/turns.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
using test::event_log;
using test::scratch_dir;
using test::until;

namespace {

/// Notes each thing that is told once: the system may tell it several times.
struct watcher {
  explicit watcher(loop& l)
      : e(l, [this](const fs_event::event& what, std::error_code error) {
          CHECK_FALSE(error);
          const std::string line =
              std::string(what.name) + (what.renamed ? " renamed" : " changed");
          if (std::find(log.begin(), log.end(), line) == log.end()) log.push_back(line);
        }) {}
  bool saw(const char* line) const {
    return std::find(log.begin(), log.end(), line) != log.end();
  }
  event_log log;
  fs_event e;
};

template <class F>
std::string thrown_by(F f) {
  try {
    f();
  } catch (const sheaf::uv_error& e) {
    return e.operation() + ' ' + std::string(e.path().c_str()) + ' ' + e.name();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("fs_event: tells what is made, changed, renamed and removed in a folder",
          "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  watcher w(l);
  w.e.start(in.path());
  CHECK(w.e.path() == in.path());
  in.put("a");
  until(l, [&] { return w.saw("a renamed"); });
  in.put("a", "text");
  until(l, [&] { return w.saw("a changed"); });
  std::filesystem::rename(in / "a", in / "b");
  until(l, [&] { return w.saw("b renamed"); });
  w.log.clear();
  std::filesystem::remove(in / "b");
  until(l, [&] { return w.saw("b renamed"); });
}

TEST_CASE("fs_event: of one file, until it is stopped", "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  const std::string file = in.put("file");
  watcher w(l);
  CHECK(w.e.path().empty());
  w.e.start(file);
  in.put("file", "text");
  until(l, [&] { return w.saw("file changed"); });
  w.e.stop();
  w.e.stop();
  CHECK(w.e.path().empty());
  CHECK_FALSE(w.e.active());
  w.log.clear();
  in.put("file", "more");
  test::some_turns(l);
  CHECK(w.log.empty());
}

TEST_CASE("fs_event: a later start() replaces what is watched", "[runtime][watch]") {
  loop l;
  const scratch_dir first;
  const scratch_dir second;
  watcher w(l);
  w.e.start(first.path());
  w.e.start(second.path());
  CHECK(w.e.path() == second.path());
  first.put("a");
  second.put("b");
  until(l, [&] { return w.saw("b renamed"); });
  CHECK_FALSE(w.saw("a renamed"));
}

TEST_CASE("fs_event: two that watch the same, one destroyed by the other",
          "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  int told = 0;
  std::optional<fs_event> one;
  std::optional<fs_event> two;
  one.emplace(l, [&](const fs_event::event&, std::error_code) {
    ++told;
    two.reset();
  });
  two.emplace(l, [&](const fs_event::event&, std::error_code) {
    ++told;
    one.reset();
  });
  one->start(in.path());
  two->start(in.path());
  REQUIRE(::mkdir((in / "made").c_str(), 0700) == 0);
  until(l, [&] { return told > 0; });
  test::some_turns(l);
  CHECK(told == 1);
  CHECK(one.has_value() != two.has_value());
}

TEST_CASE("fs_event: what cannot be watched is told with its path", "[runtime][watch]") {
  loop l;
  watcher w(l);
  CHECK(thrown_by([&] { w.e.start("/no such file"); }) ==
        "uv_fs_event_start /no such file ENOENT");
  CHECK(thrown_by([&] { w.e.start(std::string("a\0b", 3)); }) ==
        "uv_fs_event_start a EINVAL");
  CHECK_FALSE(w.e.active());
  CHECK_THROWS_AS(fs_event(l, nullptr), sheaf::invalid_state);
  l.close();
  CHECK_THROWS_AS(w.e.start("/"), sheaf::invalid_state);
}

TEST_CASE("fs_event: a path of any length comes back whole", "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  std::string deep = in.path();
  for (int i = 0; i < 3; ++i) {
    deep += '/' + std::string(200, 'x');
    REQUIRE(::mkdir(deep.c_str(), 0700) == 0);
  }
  watcher w(l);
  w.e.start(deep);
  CHECK(w.e.path() == deep);
}

TEST_CASE("fs_poll: tells what it was, and what it is", "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  const std::string file = in.put("file", "1");
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sizes;
  fs_poll p(l, [&](const file_status& before, const file_status& now, std::error_code e) {
    CHECK_FALSE(e);
    sizes.emplace_back(before.size, now.size);
  });
  CHECK(p.path().empty());
  p.start(file, 1ms);
  CHECK(p.path() == file);
  // Grown until it was seen to: the first look only notes, whenever that is.
  std::ofstream growing(file, std::ios::app);
  while (sizes.empty()) {
    growing << 'x' << std::flush;
    l.turn();
  }
  CHECK(sizes[0].first < sizes[0].second);
  p.stop();
  p.stop();
  CHECK(p.path().empty());
  const auto seen = sizes.size();
  in.put("file");
  l.run_forever();  // ends: nothing is watched
  CHECK(sizes.size() == seen);
}

TEST_CASE("fs_poll: that there is no such file is told once, and when there is one",
          "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  event_log log;
  fs_poll p(l, [&](const file_status&, const file_status& now, std::error_code e) {
    log.push_back(e ? uv_err_name(e.value()) : "size " + std::to_string(now.size));
  });
  p.start(in / "file", 1ns);  // as 1 ms
  until(l, [&] { return log.size() == 1; });
  in.put("other");
  std::filesystem::rename(in / "other", in / "file");
  until(l, [&] { return log.size() == 2; });
  CHECK(log == event_log{"ENOENT", "size 0"});
}

TEST_CASE("fs_poll: started anew from its own callback", "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  event_log log;
  std::optional<fs_poll> p;
  const std::string long_enough(100, 'x');  // the callable is on the heap
  p.emplace(l, [&, long_enough](const file_status&, const file_status&, std::error_code) {
    p->start(in / "none", 1ms);
    log.push_back(std::to_string(long_enough.size()));
    if (log.size() == 3) p.reset();
  });
  p->start(in / "none", 1ms);
  l.run_forever();
  CHECK(log == event_log{"100", "100", "100"});
}

TEST_CASE("fs_poll: a later start() replaces what is watched", "[runtime][watch]") {
  loop l;
  const scratch_dir in;
  event_log log;
  fs_poll p(l, [&](const file_status&, const file_status&, std::error_code e) {
    log.push_back(e ? "none" : "some");
  });
  p.start(in.put("file"), 1ms);
  p.start(in / "none", 1ms);
  CHECK(p.path() == in / "none");
  until(l, [&] { return !log.empty(); });
  CHECK(log == event_log{"none"});
  p.stop();
  p.unref();
  p.start(in / "none", 1ms);
  CHECK_FALSE(p.has_ref());
  CHECK(thrown_by([&] { p.start(std::string("a\0b", 3), 1ms); }) ==
        "uv_fs_poll_start a EINVAL");
}
