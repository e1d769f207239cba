// The right side of docs/asyncio.md, "Side by side": prints what programs.py prints.
#include <sheaf/sheaf.hpp>

#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sheaf::coro;

namespace {

struct connection_error : std::runtime_error {
  using runtime_error::runtime_error;
};

coro<std::string> fetch(std::string name, std::chrono::milliseconds delay = 10ms) {
  co_await sheaf::sleep(delay);
  co_return "page of " + name;
}

coro<std::string> refuse(std::string name) {
  co_await sheaf::sleep(10ms);
  throw connection_error(name + " refused");
}

coro<> results_in_order() {
  auto [a, b] = co_await sheaf::gather(fetch("a", 20ms), fetch("b"));
  std::cout << a << ' ' << b << '\n';
  auto pages = co_await sheaf::gather(sheaf::return_exceptions, fetch("c"), refuse("d"));
  for (auto& page : {std::get<0>(pages), std::get<1>(pages)})
    std::cout << (page.has_value() ? page.value() : "failed") << '\n';
}

coro<> tasks() {
  auto task = sheaf::create_task(fetch("a"), sheaf::task_options().name("fetcher"));
  std::cout << task.name() << ' ' << (task.done() ? "True" : "False") << '\n';
  std::cout << co_await task << '\n';
}

coro<> as_they_complete() {
  std::vector<coro<std::string>> all;
  all.push_back(fetch("slow", 30ms));
  all.push_back(fetch("fast"));
  auto stream = sheaf::as_completed(std::move(all));
  while (auto task = co_await stream.next()) std::cout << co_await *task << '\n';
}

coro<> whoever_is_first() {
  std::vector all{sheaf::create_task(fetch("slow", 1h)),
                  sheaf::create_task(fetch("fast"))};
  auto [done, pending] = co_await sheaf::wait(
      all, sheaf::wait_options().return_when(sheaf::first_completed));
  for (auto& task : pending) task.cancel();
  std::cout << done[0].result() << ' ' << pending.size() << '\n';
}

coro<> time_limits() {
  try {
    co_await sheaf::wait_for(fetch("slow", 1h), 10ms);
  } catch (const sheaf::timeout_error&) {
    std::cout << "too slow\n";
  }
  const auto body = [](sheaf::timeout&) -> coro<> { co_await fetch("slow", 1h); };
  try {
    co_await sheaf::timeout::run(10ms, body);
  } catch (const sheaf::timeout_error&) {
    std::cout << "too slow again\n";
  }
}

coro<> shielded() {
  auto save = sheaf::create_task(fetch("saved", 20ms));
  try {
    co_await sheaf::wait_for(sheaf::shield(save), 10ms);
  } catch (const sheaf::timeout_error&) {
    std::cout << "not waiting for it\n";
  }
  std::cout << co_await save << '\n';
}

coro<> children(sheaf::task_group& group) {
  group.create_task(fetch("a", 1h));
  group.create_task(refuse("b"));
  co_return;
}

coro<> groups() {
  try {
    co_await sheaf::task_group::run(children);
  } catch (const sheaf::exception_group& failed) {
    try {
      std::rethrow_exception(failed.first_of<connection_error>());
    } catch (const connection_error& e) {
      std::cout << e.what() << '\n';
    }
  }
}

coro<> worker() {
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled&) {
    std::cout << "cleaning up\n";
    throw;
  }
}

coro<> cancelling() {
  auto task = sheaf::create_task(worker());
  co_await sheaf::sleep(0s);
  task.cancel();
  try {
    co_await task;
  } catch (const sheaf::cancelled&) {
    std::cout << "cancelled\n";
  }
}

coro<> one_at_a_time(sheaf::event& ready, sheaf::semaphore& room, sheaf::mutex& lock) {
  co_await ready.wait();
  auto place = co_await room.scoped_lock();
  auto held = co_await lock.scoped_lock();
  std::cout << "one at a time " << (lock.locked() ? "True" : "False") << '\n';
}

coro<> locks_and_events() {
  sheaf::mutex lock;
  sheaf::event ready;
  sheaf::semaphore room(2);
  auto task = sheaf::create_task(one_at_a_time(ready, room, lock));
  ready.set();
  co_await task;
}

coro<> produce(sheaf::queue<int>& queue) {
  for (int i = 0; i < 3; ++i) co_await queue.put(i);
}

coro<> queues() {
  sheaf::queue<int> queue(1);
  auto producer = sheaf::create_task(produce(queue));
  for (int i = 0; i < 3; ++i) {
    std::cout << co_await queue.get() << '\n';
    queue.task_done();
  }
  co_await queue.join();
  co_await producer;
}

sheaf::generator<int> count(int to) {
  for (int i = 0; i < to; ++i) {
    co_await sheaf::sleep(1ms);
    co_yield i;
  }
}

coro<> generators() {
  auto numbers = count(3);
  while (auto i = co_await numbers.next()) std::cout << *i << '\n';
}

int blocking(int a, int b) { return a * b; }

coro<> threads() { std::cout << co_await sheaf::to_thread(blocking, 6, 7) << '\n'; }

sheaf::context_var<std::string> user("nobody");

coro<std::string> who() { co_return user.get(); }

coro<> context() {
  user.set("ada");
  auto task = sheaf::create_task(who());
  user.set("bob");
  std::cout << co_await task << ' ' << user.get() << '\n';
}

coro<> callbacks() {
  auto& loop = sheaf::loop::current();
  sheaf::promise<std::string> promise;
  auto future = promise.get_future();
  loop.call_later(10ms, [&promise] { promise.set_value("a result"); });
  future.add_done_callback(
      [](sheaf::future<std::string> f) { std::cout << "done: " << f.result() << '\n'; });
  std::cout << co_await future << '\n';
}

struct program {
  const char* name;
  coro<> (*run)();
};

coro<> all() {
  const program programs[] = {{"results_in_order", results_in_order},
                              {"tasks", tasks},
                              {"as_they_complete", as_they_complete},
                              {"whoever_is_first", whoever_is_first},
                              {"time_limits", time_limits},
                              {"shielded", shielded},
                              {"groups", groups},
                              {"cancelling", cancelling},
                              {"locks_and_events", locks_and_events},
                              {"queues", queues},
                              {"generators", generators},
                              {"threads", threads},
                              {"context", context},
                              {"callbacks", callbacks}};
  for (const program& p : programs) {
    std::cout << "# " << p.name << '\n';
    co_await p.run();
  }
}

}  // namespace

int main() { sheaf::run(all()); }
