// task_group: a scope that ends when all of its tasks have.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

sheaf::coro<int> fetch(std::string page, std::chrono::seconds time) {
  try {
    co_await sheaf::sleep(time);
  } catch (const sheaf::cancelled& why) {
    std::cout << page << ": stopped, " << why.reason() << '\n';
    throw;
  }
  if (page.empty()) throw std::runtime_error("no such page");
  std::cout << page << ": fetched\n";
  co_return static_cast<int>(page.size());
}

// The body runs in the task that awaits the group, and starts what is to run beside it.
sheaf::coro<int> fetch_two(sheaf::task_group& group, std::string a, std::string b) {
  const auto first = group.create_task(fetch(a, 2s));
  const auto second = group.create_task(fetch(b, 1s));
  co_return co_await first + co_await second;
}

// A task may start others, through the group that waits for them all.
sheaf::coro<> crawl(sheaf::task_group& group, std::string page, int depth) {
  static_cast<void>(co_await fetch(page, 1s));
  if (depth == 0) co_return;
  group.create_task(crawl(group, page + "/left", depth - 1));
  group.create_task(crawl(group, page + "/right", depth - 1));
}

sheaf::coro<> crawl_all(sheaf::task_group& group, std::string from) {
  group.create_task(crawl(group, from, 1));
  co_return;
}

sheaf::coro<> one_fails(sheaf::task_group& group) {
  group.create_task(fetch("slow", 1h));
  group.create_task(fetch("", 1s), sheaf::task_options().name("nameless"));
  co_await sheaf::sleep(1h);  // cancelled, as the other task is
}

sheaf::coro<> first_is_enough(sheaf::task_group& group) {
  group.create_task(fetch("mirror", 1h));
  static_cast<void>(co_await fetch("origin", 1s));
  group.cancel("one is enough");
}

sheaf::coro<> examples() {
  const int letters = co_await sheaf::task_group::run(fetch_two, "index", "about");
  std::cout << letters << " letters\n";

  co_await sheaf::task_group::run(crawl_all, "home");
  std::cout << "crawled\n";

  try {
    co_await sheaf::task_group::run(one_fails);
  } catch (const sheaf::exception_group& failed) {
    for (const auto& each : failed.contexts()) {
      std::cout << each.task_name << ": " << sheaf::describe(each.exception) << '\n';
    }
  }

  co_await sheaf::task_group::run(first_is_enough);
  std::cout << "done\n";
}

int main() { sheaf::run(examples(), sheaf::run_options().virtual_time()); }
