// An order of events that breaks a program: found by its seed, written down, and replayed.
#include <sheaf/sheaf.hpp>

#include <cstdint>
#include <filesystem>
#include <iostream>

using namespace std::chrono_literals;

namespace {

sheaf::coro<> open_account(int& balance) {
  co_await sheaf::sleep(10ms);
  balance = 100;
}

/// The mistake: nothing says that the account must be there first. Both take 10 ms, and in
/// the order in which they are made it always is.
sheaf::coro<> pay(int& balance) {
  co_await sheaf::sleep(10ms);
  balance -= 30;
}

sheaf::coro<int> first_payment() {
  int balance = 0;
  co_await sheaf::gather(open_account(balance), pay(balance));
  co_return balance;
}

/// The first seed under which the balance is not 70, with its schedule in `file`.
std::uint64_t find_failing_seed(const std::filesystem::path& file) {
  for (std::uint64_t seed = 1;; ++seed) {
    const auto how = sheaf::run_options().virtual_time().seed(seed).record_schedule(file);
    if (sheaf::run(first_payment(), how) != 70) return seed;
  }
}

}  // namespace

int main() {
  const auto in_order = sheaf::run_options().virtual_time();
  std::cout << "in order: " << sheaf::run(first_payment(), in_order) << '\n';

  const auto file = std::filesystem::temp_directory_path() / "sheaf-replay.schedule";
  std::cout << "seed " << find_failing_seed(file) << " finds another order\n";

  const auto again = sheaf::run_options().virtual_time().replay_schedule(file);
  std::cout << "replayed: " << sheaf::run(first_payment(), again) << '\n';
  std::filesystem::remove(file);
}
