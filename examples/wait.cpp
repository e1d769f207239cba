// wait: sleep until something has happened to a set of tasks, then decide yourself.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

using tasks = std::vector<sheaf::task<std::string>>;

sheaf::coro<std::string> my_coroutine(int x) {
  std::cout << "Task " << x << " started\n";
  co_await sheaf::sleep(x * unit);
  if (x == 3) throw std::runtime_error("Task 3 failed");
  std::cout << "Task " << x << " finished\n";
  co_return "Result " + std::to_string(x);
}

void show(const char* heading, const tasks& which) {
  std::cout << "  " << heading << ':';
  for (const auto& task : which) std::cout << ' ' << task.name();
  std::cout << '\n';
}

// Returns what is still pending. wait() itself never throws what a task threw.
sheaf::coro<tasks> wait_until(sheaf::return_when when, tasks watched) {
  auto [done, pending] =
      co_await sheaf::wait(watched, sheaf::wait_options().return_when(when));
  show("done", done);
  show("pending", pending);
  co_return pending;
}

sheaf::coro<> wait_for_all_of_them() {
  tasks all;
  for (const int x : {1, 2, 3, 4}) {
    const auto name = sheaf::task_options().name("task-" + std::to_string(x));
    all.push_back(sheaf::create_task(my_coroutine(x), name));
  }

  std::cout << "Until the first has completed:\n";
  tasks pending = co_await wait_until(sheaf::first_completed, all);
  std::cout << "Until one has failed, or all have completed:\n";
  pending = co_await wait_until(sheaf::first_exception, pending);
  std::cout << "Until all have completed:\n";
  pending = co_await wait_until(sheaf::all_completed, pending);

  for (const auto& task : all) {
    try {
      std::cout << task.result() << '\n';
    } catch (const std::exception& error) {
      std::cout << "Error: " << error.what() << '\n';
    }
  }
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::run(wait_for_all_of_them());
}
