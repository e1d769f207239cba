// sheaf inside a program whose own loop is a plain poll(2): it waits for one descriptor more.
#include <sheaf/sheaf.hpp>

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

sheaf::coro<int> count_to(int n) {
  for (int i = 1; i <= n; ++i) {
    co_await sheaf::sleep(20ms);
    std::cout << "task: " << i << '\n';
  }
  co_return n;
}

// What the host is there for.
void read_key(int from) {
  char key;
  if (read(from, &key, 1) == 1) std::cout << "host: key " << key << '\n';
}

int main() {
  int keyboard[2];
  if (pipe(keyboard) != 0 || write(keyboard[1], "q", 1) != 1) return 1;

  sheaf::loop loop;
  const auto task = loop.create_task(count_to(2));
  while (!task.done()) {
    pollfd both[] = {{loop.poll_fd(), POLLIN, 0}, {keyboard[0], POLLIN, 0}};
    poll(both, 2, -1);
    if (both[0].revents) loop.run_ready();
    if (both[1].revents) read_key(keyboard[0]);
  }
  std::cout << "task: counted to " << task.result() << '\n';

  // A call from another thread makes it readable, too.
  bool called = false;
  std::thread other([&] { loop.call_soon_threadsafe([&called] { called = true; }); });
  while (!called) {
    pollfd one{loop.poll_fd(), POLLIN, 0};
    poll(&one, 1, -1);
    loop.run_ready();
  }
  other.join();
  std::cout << "called\n";
}
