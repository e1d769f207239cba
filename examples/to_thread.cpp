// Code that blocks goes to threads; the loop runs on meanwhile.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

// Knows nothing of loops. It stands for a database driver, or a long calculation.
std::string slow_answer(const std::string& question) {
  std::this_thread::sleep_for(30ms);
  return "the answer to " + question;
}

sheaf::coro<> tick() {
  for (int i = 1; i <= 2; ++i) {
    co_await sheaf::sleep(10ms);
    std::cout << "the loop runs, tick " << i << '\n';
  }
}

sheaf::coro<> ask() {
  const auto ticking = sheaf::create_task(tick());
  // The arguments are moved to the thread; what the function throws comes out here.
  std::cout << co_await sheaf::to_thread(slow_answer, "everything") << '\n';
  co_await ticking;

  // At most two of these run at once, on threads of their own.
  const sheaf::thread_pool_executor database(2);
  std::vector<sheaf::future<std::string>> answers;
  for (const char* const name : {"who", "where", "why"}) {
    answers.push_back(sheaf::run_in_executor(database, slow_answer, name));
  }
  for (const auto& answer : answers) std::cout << co_await answer << '\n';
}

int main() { sheaf::run(ask()); }
