#pragma once

#include <sheaf/sleep.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

namespace sheaf {

/// How server::shutdown() ends what does not end by itself.
class shutdown_options {
 public:
  /// How long handlers may clean up after they were cancelled: a second, if nothing is said.
  template <class Rep, class Period>
  shutdown_options& grace(std::chrono::duration<Rep, Period> d) & {
    grace_ns_ = detail::to_delay(d);
    return *this;
  }
  template <class Rep, class Period>
  shutdown_options&& grace(std::chrono::duration<Rep, Period> d) && {
    return std::move(grace(d));
  }
  std::int64_t grace_ns() const noexcept { return grace_ns_; }

 private:
  std::int64_t grace_ns_ = 1'000'000'000;
};

/// How a connection ended that had not ended at the deadline.
enum class shutdown_end {
  cancelled,     ///< its handler, after it was cancelled
  aborted,       ///< only when the connection was taken away: unsent bytes are lost
  still_running  ///< not at all: its handler swallows cancellations
};

/// A connection that had not ended at the deadline of server::shutdown(). A plain value.
struct unfinished_connection {
  std::string name;  ///< "connection 3 from 127.0.0.1:4711"
  std::string peer;  ///< empty for a local socket
  /// Its handler at the deadline, in any_task::describe()'s words: what it waited for, and
  /// where. Empty if it had ended, and the peer did not take what was left to send.
  std::string handler;
  std::source_location
      waiting_at{};        ///< the handler's innermost await; line() is 0 for none
  std::size_t unsent = 0;  ///< bytes, at the deadline
  shutdown_end end = shutdown_end::still_running;
  std::exception_ptr error{};  ///< what its handler then threw; null if nothing
};

/// What server::shutdown() came to.
struct [[nodiscard]] shutdown_report {
  std::size_t finished = 0;  ///< connections that ended by themselves in time
  std::vector<unfinished_connection> unfinished;

  /// All ended by themselves.
  bool clean() const noexcept { return unfinished.empty(); }
  /// Nothing of the server runs any more.
  bool all_ended() const noexcept;
  /// A line for the whole, and one for each that was unfinished.
  std::string describe() const;
};

}  // namespace sheaf
