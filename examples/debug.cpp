// Debug mode: what is no error yet, said in one line each.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

sheaf::coro<> save(std::string what) {
  co_await sheaf::sleep(1ms);
  std::cout << what << " is saved\n";
}

sheaf::coro<> forgetful() {
  co_await sheaf::sleep(1ms);
  static_cast<void>(save("the report"));  // no co_await: nothing is saved
}

sheaf::coro<> busy() {
  co_await sheaf::sleep(1ms);
  const auto until = std::chrono::steady_clock::now() + 400ms;
  while (std::chrono::steady_clock::now() < until) {
  }  // all others wait: this belongs into to_thread()
}

sheaf::coro<> deaf() {
  try {
    co_await sheaf::sleep(1h);
  } catch (const sheaf::cancelled&) {
    // without `throw;` whoever asked believes in a result
  }
}

sheaf::coro<> all_three() {
  auto& loop = sheaf::loop::current();
  loop.slow_callback_duration(300ms);  // 100 ms without this line
  // In place of one line on stderr, "sheaf: " + describe(report), which names the places too.
  loop.set_exception_handler([](const sheaf::exception_context& report) {
    std::cout << report.task_name << ": " << report.message << '\n';
  });
  co_await sheaf::create_task(forgetful(), sheaf::task_options().name("forgetful"));
  co_await sheaf::create_task(busy(), sheaf::task_options().name("busy"));
  auto task = sheaf::create_task(deaf(), sheaf::task_options().name("deaf"));
  co_await sheaf::sleep(1ms);
  task.cancel("enough");
  co_await task;
  std::cout << loop.exceptions_reported() << " reports\n";  // a test asserts that it is 0
}

// The same as SHEAF_DEBUG=1 in the environment.
int main() { sheaf::run(all_three(), sheaf::run_options().debug().virtual_time()); }
