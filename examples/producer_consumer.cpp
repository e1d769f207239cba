// queue: one producer, three workers. The queue is short, so that a fast producer waits.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

struct job {
  int number;
  int effort;
};

sheaf::coro<> produce(sheaf::queue<job>& jobs) {
  int number = 0;
  for (const int effort : {4, 7, 1, 5, 6, 3}) {
    co_await jobs.put(++number, effort);  // waits for room
    std::cout << "job " << number << " is queued\n";
  }
}

sheaf::coro<int> work(std::string name, sheaf::queue<job>& jobs) {
  int done = 0;
  try {
    for (;; ++done) {
      const job next = co_await jobs.get();  // waits for a job
      co_await sheaf::sleep(next.effort * 1s);
      std::cout << name << " did job " << next.number << '\n';
      jobs.task_done();
    }
  } catch (const sheaf::queue_shut_down&) {
    // There will be no more: the worker ends.
  }
  co_return done;
}

sheaf::coro<> main_task() {
  sheaf::queue<job> jobs(2);
  std::vector<sheaf::task<int>> workers;
  for (const char* name : {"ann", "bob", "cy"}) {
    workers.push_back(sheaf::create_task(work(name, jobs)));
  }
  co_await produce(jobs);
  co_await jobs.join();  // until task_done() was called for each job
  jobs.shutdown();       // those who wait in get() are told
  int total = 0;
  for (const int done : co_await sheaf::gather(std::move(workers))) total += done;
  std::cout << total << " jobs done\n";
}

// In virtual time, so that ten seconds of work take none.
int main() { sheaf::run(main_task(), sheaf::run_options().virtual_time()); }
