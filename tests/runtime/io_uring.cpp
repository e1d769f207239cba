#include <sheaf/runtime/configure.hpp>
#include <sheaf/runtime/fs.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/thread_census.hpp>

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "support/catch.hpp"
#include "support/sockets.hpp"

using namespace sheaf::runtime;
using test::descriptor;

namespace {

/// Whether the kernel has a thread for a ring of this process: libuv makes one at a loop's first
/// file operation, and goes to its own threads where the system refuses.
bool has_ring() {
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(each.path() / "comm") >> name;
    if (name.starts_with("iou-sqp")) return true;
  }
  return false;
}

/// Since 1.53 libuv takes a request back from the kernel, which lets it since 6.0
/// (IORING_REGISTER_SYNC_CANCEL).
bool takes_back() {
  utsname system;
  test::checked(::uname(&system), "uname");
  return uv_version() >= ((1 << 16) | (53 << 8)) && std::atoi(system.release) >= 6;
}

/// A loop whose file operations go by io_uring, and an empty pipe: what reads from it waits in
/// the kernel, and holds up no thread of libuv's.
struct ring {
  ring() {
    int ends[2];
    test::checked(::pipe2(ends, O_CLOEXEC), "pipe2");
    from = descriptor(ends[0]);
    to = descriptor(ends[1]);
    if (uv_version() < ((1 << 16) | (49 << 8))) return;
    ::setenv("UV_USE_IO_URING", "1", 1);
    configure(l, loop_option::use_io_uring_sqpoll);
    fs::stat(l, "/", [](const file_status&, std::error_code) {}).detach();
    l.run_forever();
  }
  /// Why there is none; null if there is.
  const char* missing() const {
    if (uv_version() < ((1 << 16) | (49 << 8))) return "libuv has no option for it";
    return has_ring() ? nullptr : "the system refuses io_uring";
  }
  request read() {
    return fs::read(l, from.get(), 64, fs::current,
                    [this](std::string text, std::error_code e) {
                      answer = e ? uv_err_name(e.value()) : std::move(text);
                    });
  }
  /// Returns when the kernel has begun with what was asked for, which it does in order: it gives
  /// back nothing that it does not have.
  void until_begun() {
    request last = read();
    while (!last.cancel()) ::usleep(100);
  }
  void write() const { CHECK(::write(to.get(), "rest", 4) == 4); }

  loop l;
  descriptor from;
  descriptor to;
  std::string answer;
};

}  // namespace

TEST_CASE("io_uring: its threads do not count as somebody who could call",
          "[runtime][io_uring]") {
  ring r;
  if (r.missing()) SKIP(r.missing());
  CHECK_FALSE(other_threads_exist());
}

TEST_CASE("io_uring: a read that waits in the kernel is answered",
          "[runtime][io_uring]") {
  ring r;
  if (r.missing()) SKIP(r.missing());
  const request reading = r.read();
  r.l.turn();
  CHECK(reading.pending());
  r.write();
  r.l.run_forever();
  CHECK(r.answer == "rest");
}

TEST_CASE("io_uring: a read that waits in the kernel is cancelled since 1.53",
          "[runtime][io_uring]") {
  ring r;
  if (r.missing()) SKIP(r.missing());
  request reading = r.read();
  if (takes_back()) r.until_begun();
  CHECK(reading.cancel() == takes_back());
  CHECK(reading.cancel() == takes_back());  // asked again
  CHECK(reading.pending());
  r.write();
  r.l.run_forever();
  CHECK(r.answer == (takes_back() ? "ECANCELED" : "rest"));
  char room[8];
  if (takes_back()) CHECK(::read(r.from.get(), room, sizeof room) == 4);  // nobody had it
}

TEST_CASE("io_uring: a dropped read keeps its buffer until the kernel has let go",
          "[runtime][io_uring]") {
  ring r;
  if (r.missing()) SKIP(r.missing());
  std::optional<request> reading(r.read());
  auto kept = std::make_shared<const int>(1);
  const std::weak_ptr<const int> alive = kept;
  reading->keep(std::move(kept));
  reading.reset();
  CHECK_FALSE(alive.expired());
  r.write();
  r.l.run_forever();
  CHECK(alive.expired());
  CHECK(r.answer.empty());
}

TEST_CASE("io_uring: a loop that closes takes back what it can, and waits for the rest",
          "[runtime][io_uring]") {
  ring r;
  if (r.missing()) SKIP(r.missing());
  const request reading = r.read();
  takes_back() ? r.until_begun() : r.write();  // else the close would wait for ever
  r.l.close();
  CHECK_FALSE(reading.pending());
  CHECK(r.answer.empty());
}
