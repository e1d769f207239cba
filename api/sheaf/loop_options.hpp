#pragma once

#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/thread_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace sheaf {

/// How a loop is made.
class loop_options {
 public:
  /// Time jumps to the next deadline when nothing else can happen: a test that sleeps an
  /// hour takes none, and the order of things is as in real time.
  loop_options& virtual_time(bool on = true) & {
    clock_ = on ? runtime::clock_kind::virtual_ : runtime::clock_kind::real;
    return *this;
  }
  loop_options&& virtual_time(bool on = true) && { return std::move(virtual_time(on)); }

  /// Time stands still until loop::advance().
  loop_options& manual_time() & {
    clock_ = runtime::clock_kind::manual;
    return *this;
  }
  loop_options&& manual_time() && { return std::move(manual_time()); }

  /// Shuffles what is ready at the same time, and timers of one deadline, in the order that
  /// `n` gives: the same in each run. For tests that must hold in any order. What asyncio
  /// promises of order within one batch does not hold then, call_soon() included.
  loop_options& seed(std::uint64_t n) & {
    seed_ = n;
    return *this;
  }
  loop_options&& seed(std::uint64_t n) && { return std::move(seed(n)); }

  /// How many threads to_thread() may use; by default asyncio's number.
  loop_options& threads(std::size_t n) & {
    threads_ = n;
    return *this;
  }
  loop_options&& threads(std::size_t n) && { return std::move(threads(n)); }

  /// asyncio's debug mode on or off; without this call SHEAF_DEBUG decides.
  loop_options& debug(bool on = true) & {
    debug_ = on;
    return *this;
  }
  loop_options&& debug(bool on = true) && { return std::move(debug(on)); }

  /// Ends the program, by std::terminate after the report, when an exception that nobody
  /// retrieved is dropped.
  loop_options& terminate_on_unretrieved(bool on = true) & {
    terminate_ = on;
    return *this;
  }
  loop_options&& terminate_on_unretrieved(bool on = true) && {
    return std::move(terminate_on_unretrieved(on));
  }

  std::optional<bool> debug_mode() const noexcept { return debug_; }
  bool terminates_on_unretrieved() const noexcept { return terminate_; }
  runtime::clock_kind clock() const noexcept { return clock_; }
  const std::optional<std::uint64_t>& seed() const noexcept { return seed_; }
  std::size_t threads() const noexcept { return threads_; }

 private:
  std::size_t threads_ = runtime::thread_pool::default_size();
  std::optional<std::uint64_t> seed_;
  runtime::clock_kind clock_ = runtime::clock_kind::real;
  std::optional<bool> debug_;
  bool terminate_ = false;
};

}  // namespace sheaf
