// Many connections at once: IDLE that say nothing and ACTIVE that talk, to a server in a
// process of its own, which then is shut down.
#include "clock.hpp"
#include "workloads.hpp"

#include <sheaf/sheaf.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t message = 64;
constexpr std::size_t opening_at_once = 200;

sheaf::coro<> echo(sheaf::stream s) {
  for (;;) {
    const std::string bytes = co_await s.read(4096);
    if (bytes.empty()) co_return;
    co_await s.write(bytes);
  }
}

/// Serves until SIGTERM; tells its port, and how it ended.
sheaf::coro<> serve(int answer) {
  sheaf::event stop;
  sheaf::loop::current().add_signal_handler(SIGTERM, [&stop] { stop.set(); });
  sheaf::server s = co_await sheaf::start_server(echo, "127.0.0.1", 0);
  ::dprintf(answer, "%d\n", s.port());
  co_await stop.wait();
  const std::size_t there = s.connections();
  const sheaf::shutdown_report r = co_await s.shutdown(200ms);
  ::dprintf(answer, "%zu %zu %d\n", there, r.unfinished.size(), r.all_ended() ? 1 : 0);
}

sheaf::coro<sheaf::stream> open(std::uint16_t port) {
  return sheaf::open_connection(sheaf::address::ip("127.0.0.1", port));
}

sheaf::coro<long> talk(std::uint16_t port, long rounds) {
  sheaf::stream s = co_await open(port);
  const std::string question(message, 'q');
  for (long i = 0; i < rounds; ++i) {
    co_await s.write(question);
    const std::string answer = co_await s.readexactly(message);
    if (answer != question) co_return i;
  }
  co_return rounds;
}

struct server_process {
  pid_t pid;
  FILE* answers;

  /// What it has in memory.
  long bytes() const {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6)) * 1024;
    }
    return 0;
  }
};

server_process start_server_process() {
  int ends[2];
  if (::pipe(ends) != 0) std::exit(1);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    sheaf::run(serve(ends[1]));
    std::exit(0);
  }
  ::close(ends[1]);
  return {pid, ::fdopen(ends[0], "r")};
}

sheaf::coro<> open_many(std::vector<sheaf::stream>& all, std::uint16_t port,
                        std::size_t n) {
  while (all.size() < n) {
    std::vector<sheaf::coro<sheaf::stream>> some;
    for (std::size_t i = all.size(); i < n && some.size() < opening_at_once; ++i) {
      some.push_back(open(port));
    }
    auto opened = co_await sheaf::gather(std::move(some));
    for (sheaf::stream& s : opened) all.push_back(std::move(s));
  }
}

sheaf::coro<long> talk_all(std::uint16_t port, long active, long rounds) {
  std::vector<sheaf::coro<long>> talks;
  for (long i = 0; i < active; ++i) talks.push_back(talk(port, rounds));
  const std::vector<long> done = co_await sheaf::gather(std::move(talks));
  long sum = 0;
  for (const long d : done) sum += d;
  co_return sum;
}

sheaf::coro<bool> hold(const server_process& server, std::uint16_t port, long idle,
                       long active, long rounds) {
  const long before = server.bytes();
  std::vector<sheaf::stream> idlers;
  co_await open_many(idlers, port, static_cast<std::size_t>(idle));
  std::printf("idle: %ld connections, %ld bytes of the server each\n", idle,
              (server.bytes() - before) / std::max(idle, 1L));
  const auto began = bench::nanoseconds(CLOCK_MONOTONIC);
  const long done = co_await talk_all(port, active, rounds);
  const auto took = bench::nanoseconds(CLOCK_MONOTONIC) - began;
  std::printf(
      "active: %ld connections, %ld of %ld exchanges of %zu bytes, %.1f us each\n",
      active, done, active * rounds, message,
      static_cast<double>(took) / 1e3 / static_cast<double>(done));
  ::kill(server.pid, SIGTERM);
  unsigned long there = 0;
  unsigned long unfinished = 0;
  int all_ended = 0;
  if (std::fscanf(server.answers, "%lu %lu %d", &there, &unfinished, &all_ended) != 3) {
    co_return false;
  }
  std::printf("shutdown: of %lu connections %lu were cancelled, %s\n", there, unfinished,
              all_ended ? "all have ended" : "and some run on");
  const bool all_came_back = done == active * rounds;
  co_return all_came_back&& all_ended == 1;
}

}  // namespace

namespace bench {

int connections(long idle, long active, long rounds) {
  const server_process server = start_server_process();
  int port = 0;
  if (std::fscanf(server.answers, "%d", &port) != 1) return 1;
  const auto at = static_cast<std::uint16_t>(port);
  const bool good = sheaf::run(hold(server, at, idle, active, rounds));
  int status = 0;
  ::waitpid(server.pid, &status, 0);
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  std::printf("server: %.2f s user, %.2f s system\n",
              static_cast<double>(used.ru_utime.tv_sec) + 1e-6 * used.ru_utime.tv_usec,
              static_cast<double>(used.ru_stime.tv_sec) + 1e-6 * used.ru_stime.tv_usec);
  return good && status == 0 ? 0 : 1;
}

}  // namespace bench
