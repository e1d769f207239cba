// sheaf-bench WORKLOAD N [REPS]: one workload on sheaf, one line of JSON.
// sheaf-bench connections IDLE ACTIVE ROUNDS: a server under many connections.
// Exit code 2 for a wrong command line, 3 for a workload it does not have.
#include "workloads.hpp"

#include <sheaf/sheaf.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace {

const std::map<std::string, bench::workload> workloads{
    {"as_completed", bench::as_completed}, {"await_chain", bench::await_chain},
    {"call_soon", bench::call_soon},       {"cancel_all", bench::cancel_all},
    {"gather_done", bench::gather_done},   {"gather_ready", bench::gather_ready},
    {"gather_sleep", bench::gather_sleep}, {"group_spawn", bench::group_spawn},
    {"offload", bench::offload},           {"post_threadsafe", bench::post_threadsafe},
    {"queue_ping", bench::queue_ping},     {"spawn_await", bench::spawn_await},
    {"timer_churn", bench::timer_churn},   {"wait_first", bench::wait_first},
    {"wait_seq", bench::wait_seq},
};

}  // namespace

int main(int argc, char** argv) {
  const long n = argc > 2 ? std::atol(argv[2]) : 0;
  const long reps = argc > 3 ? std::atol(argv[3]) : 1;
  if (argc > 2 && argv[1] == std::string("echo_server")) {
    sheaf::run(bench::echo_server(n));
    return 0;
  }
  if (argc > 4 && argv[1] == std::string("connections")) {
    return bench::connections(n, reps, std::atol(argv[4]));
  }
  if (n < 1 || reps < 1) {
    std::fprintf(stderr, "usage: %s WORKLOAD N [REPS]\n", argv[0]);
    return 2;
  }
  const auto found = workloads.find(argv[1]);
  if (found == workloads.end()) {
    std::fprintf(stderr, "unknown workload %s\n", argv[1]);
    return 3;
  }
  bench::meter meter;
  const auto result = sheaf::run(found->second(meter, n, reps));
  meter.print("sheaf", argv[1], n, reps, result.check, result.more);
}
