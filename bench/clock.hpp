#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

// What every benchmark program here measures, and the line it prints: the time of the work
// alone, of the wall and of all threads of the process, and the growth of the peak of its
// resident memory.

namespace bench {

/// A field of /proc/self/status that is given in kB, in bytes; 0 where there is none.
inline std::int64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stoll(line.substr(field.size())) * 1024;
  }
  return 0;
}

inline std::int64_t nanoseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

class meter {
 public:
  /// Takes the memory in use now, before any warm-up, for the baseline.
  meter() {
    // 5 makes the kernel forget the peak so far.
    if (const int fd = open("/proc/self/clear_refs", O_WRONLY); fd >= 0) {
      if (write(fd, "5", 1) != 1) std::perror("clear_refs");
      close(fd);
    }
    rss_ = -status_bytes("VmRSS:");
  }

  void start() {
    wall_ = -nanoseconds(CLOCK_MONOTONIC);
    cpu_ = -nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  }
  void stop() {
    wall_ += nanoseconds(CLOCK_MONOTONIC);
    cpu_ += nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    rss_ = std::max<std::int64_t>(0, rss_ + status_bytes("VmHWM:"));
  }

  void print(const char* peer, const char* workload, long n, long reps, long long check,
             const std::string& more = {}) const {
    const double ops = static_cast<double>(n) * static_cast<double>(reps);
    std::printf(
        R"({"peer":"%s","workload":"%s","n":%ld,"reps":%ld,"wall_ns_per_op":%.3f,)"
        R"("cpu_ns_per_op":%.3f,"rss_bytes_per_op":%.1f,"check":%lld%s})"
        "\n",
        peer, workload, n, reps, static_cast<double>(wall_) / ops,
        static_cast<double>(cpu_) / ops,
        static_cast<double>(rss_) / static_cast<double>(n), check, more.c_str());
  }

 private:
  std::int64_t wall_ = 0, cpu_ = 0, rss_ = 0;
};

/// The same delays for every program: 1 to 100 ms, pseudo-random.
class delays {
 public:
  std::chrono::milliseconds next() {
    seed_ = seed_ * 1664525u + 1013904223u;
    return std::chrono::milliseconds(1 + (seed_ >> 8) % 100);
  }

 private:
  std::uint32_t seed_ = 12345;
};

/// Time limits as requests have them, in turn; none of them passes.
inline constexpr std::array<std::chrono::seconds, 5> time_limits{
    std::chrono::seconds(30), std::chrono::seconds(60), std::chrono::seconds(10),
    std::chrono::seconds(5), std::chrono::seconds(120)};

}  // namespace bench
