#include "support/busy_pool.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/cut_io.hpp"
#include "support/scratch_dir.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/fs.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/line_reader.hpp>
#include <sheaf/run.hpp>
#include <sheaf/task.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>

using namespace sheaf;
using test::said;
using test::scratch_dir;

namespace {

coro<std::string> all_lines(fs::file f, fs::line_options options = {}) {
  const fs::line_reader lines(f, options);
  f = fs::file();  // the reader has its share
  std::string all;
  for (;;) {
    try {
      const auto line = co_await lines.next();
      if (!line) co_return all;
      all += *line + '|';
    } catch (const limit_overrun&) {
      all += "(too long)";
    }
  }
}

coro<std::string> lines_of(std::string path, fs::line_options options = {}) {
  fs::file f = co_await fs::open(std::move(path));
  co_return co_await all_lines(std::move(f), options);
}

}  // namespace

TEST_CASE("line_reader: gives lines without their ends, and the rest as the last one",
          "[api][line_reader]") {
  const scratch_dir dir;
  CHECK(run(lines_of(dir.put("a", "one\n\ntwo\r\nthree"))) == "one||two\r|three|");
  CHECK(run(lines_of(dir.put("b", "one\n"))) == "one|");
  CHECK(run(lines_of(dir.put("c", ""))).empty());
  CHECK(run(lines_of(dir.put("d", "\n\n"))) == "||");
}

TEST_CASE("line_reader: lines may lie across what is read at a time",
          "[api][line_reader]") {
  const scratch_dir dir;
  std::string text;
  std::string wanted;
  for (int i = 0; i < 30'000; ++i) {
    text += std::to_string(i) + '\n';
    wanted += std::to_string(i) + '|';
  }
  CHECK(run(lines_of(dir.put("a", text))) == wanted);
}

TEST_CASE("line_reader: a line over the limit is left out, and the next is given",
          "[api][line_reader]") {
  const scratch_dir dir;
  const auto four = fs::line_options().limit(4);
  CHECK(run(lines_of(dir.put("a", "1234\n12345\n1\n"), four)) == "1234|(too long)1|");
  CHECK(run(lines_of(dir.put("b", "12345"), four)) == "(too long)");
  const std::string huge(200'000, 'x');
  CHECK(run(lines_of(dir.put("c", "a\n" + huge + "\nb\n" + huge))) ==
        "a|(too long)b|(too long)");
  CHECK_THROWS_AS(fs::line_options().limit(0), std::invalid_argument);
}

TEST_CASE("line_reader: says by how much a line was too long", "[api][line_reader]") {
  const scratch_dir dir;
  dir.put("a", "12345\n");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a");
    const fs::line_reader lines(f, fs::line_options().limit(4));
    bool thrown = false;
    try {
      static_cast<void>(co_await lines.next());
    } catch (const limit_overrun& e) {
      thrown = true;
      CHECK(e.consumed() == 5);
      CHECK(std::string(e.what()).find("limit of 4 bytes") != std::string::npos);
    }
    CHECK(thrown);
  }(dir));
}

TEST_CASE(
    "line_reader: at the end it looks again; one that follows keeps what is unfinished",
    "[api][line_reader]") {
  const scratch_dir dir;
  dir.put("a", "one\ntw");
  run([](const scratch_dir& d) -> coro<> {
    const fs::file f = co_await fs::open(d / "a");
    const fs::file more = co_await fs::open(d / "a", fs::appending);
    const fs::line_reader lines(f, fs::line_options().follow());
    const auto one = co_await lines.next();
    CHECK(one == "one");
    const auto none = co_await lines.next();
    CHECK_FALSE(none.has_value());
    co_await more.write("o\nthree\n");
    const auto two = co_await lines.next();
    CHECK(two == "two");
    const auto three = co_await lines.next();
    CHECK(three == "three");
    const auto end = co_await lines.next();
    CHECK_FALSE(end.has_value());
  }(dir));
}

TEST_CASE("line_reader: reads from the position on, of a pipe too",
          "[api][line_reader]") {
  const scratch_dir dir;
  dir.put("a", "one\ntwo\n");
  const auto from = [](const scratch_dir& d) -> coro<std::string> {
    fs::file f = co_await fs::open(d / "a");
    f.seek(4);
    co_return co_await all_lines(std::move(f));
  };
  CHECK(run(from(dir)) == "two|");
  const auto of_pipe = []() -> coro<std::string> {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    fs::file in = fs::file::adopt(ends[0]);
    const fs::file out = fs::file::adopt(ends[1]);
    co_await out.write("x\ny\n");
    co_await out.close();
    co_return co_await all_lines(std::move(in));
  };
  CHECK(run(of_pipe()) == "x|y|");
}

TEST_CASE("line_reader: one task at a time, and a cancelled wait loses no line: total",
          "[api][line_reader]") {
  const scratch_dir dir;
  dir.put("a", "one\ntwo\n");
  loop l;
  const fs::file f = l.run_until_complete(fs::open(dir / "a"));
  const fs::line_reader lines(f);
  {
    test::busy_pool busy(l);
    const auto t = l.create_task(lines.next());
    const auto other = l.create_task(lines.next());
    while (!other.done()) l.turn();
    CHECK(said(other.exception()).find("another task") != std::string::npos);
    CHECK(t.cancel());
    while (!t.done()) l.turn();
    CHECK(t.cancelled());
  }
  CHECK(l.run_until_complete(lines.next()) == "one");
  CHECK(l.run_until_complete(lines.next()) == "two");
}

TEST_CASE("line_reader: one that was moved from says so", "[api][line_reader]") {
  const scratch_dir dir;
  dir.put("a", "one\n");
  loop l;
  const fs::file f = l.run_until_complete(fs::open(dir / "a"));
  fs::line_reader lines(f);
  const fs::line_reader to = std::move(lines);
  CHECK_THROWS_AS(l.run_until_complete(lines.next()), invalid_state);
  CHECK(l.run_until_complete(to.next()) == "one");
}

TEST_CASE("line_reader: an error of the file is told", "[api][line_reader]") {
  const scratch_dir dir;
  const std::string path = dir.path();
  const auto folder = [](std::string p) -> coro<> {
    const fs::file f = co_await fs::open(p);
    const fs::line_reader lines(f);
    static_cast<void>(co_await lines.next());
  };
  bool thrown = false;
  try {
    run(folder(path));
  } catch (const uv_error& e) {
    thrown = e.code() == std::errc::is_a_directory;
  }
  CHECK(thrown);
  CHECK_THROWS_AS(fs::line_reader(fs::file()), invalid_state);
}

TEST_CASE("line_reader: cut anywhere", "[api][line_reader]") {
  const scratch_dir dir;
  dir.put("a", "one\ntwo\nthree");
  test::cut::io_everywhere([&](test::cut::lives& l) -> coro<> {
    const test::cut::witness w(l);
    const std::string all = co_await lines_of(dir / "a");
    CHECK(all == "one|two|three|");
  });
}
