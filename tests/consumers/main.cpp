// What a newcomer writes first, built in every way a project may take sheaf in.
#include <sheaf/sheaf.hpp>

#include <chrono>

using namespace std::chrono_literals;

namespace {

sheaf::coro<int> twice(int n) {
  co_await sheaf::sleep(1ms);
  co_return 2 * n;
}

sheaf::coro<int> answer() {
  auto [a, b] = co_await sheaf::gather(twice(1), twice(20));
  co_return a + b;
}

}  // namespace

int main() { return sheaf::run(answer()) == 42 ? 0 : 1; }
