#pragma once

#include <sheaf/runtime/signal.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <unordered_map>

namespace sheaf::runtime::detail {

/// The signal handlers of a loop: one for each signal, called from its queue.
class signal_table {
 public:
  explicit signal_table(loop& owner) noexcept : loop_(owner) {}

  void add(int signum, unique_function<void()> f);
  bool remove(int signum) noexcept;
  bool has(int signum) const noexcept;

 private:
  loop& loop_;
  std::unordered_map<int, signal> signals_;
};

}  // namespace sheaf::runtime::detail
