#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <source_location>
#include <string>

namespace sheaf {

/// What is known of an error that nobody was there to take: asyncio's context of
/// call_exception_handler.
struct exception_context {
  std::string message;             ///< one line, always there
  std::exception_ptr exception{};  ///< null if the report is not about one
  std::uint64_t task_id = 0;       ///< 0 if no task is concerned
  std::string task_name{};
  std::source_location created_at{};  ///< of the task or callback; line() is 0 if unknown
  std::source_location waiting_at{};  ///< its innermost await; line() is 0 if unknown
  std::source_location resumed_at{};  ///< the await from which a slow step came back
  std::chrono::nanoseconds took{};    ///< how long a slow step or callback held the loop
};

using exception_handler = std::function<void(const exception_context&)>;

/// "std::runtime_error: text" for what derives from std::exception, else the type's name.
std::string describe(const std::exception_ptr& e);

/// The report as one line: message, exception, task, places.
std::string describe(const exception_context& context);

/// Where reports go while there is no handler: that line to stderr, after "sheaf: ".
void print_report(const exception_context& context) noexcept;

/// Thrown by run() when SIGINT ended it: asyncio's KeyboardInterrupt. Thrown by a callback or
/// task of yours it leaves run() at once. Not a std::exception, as it is no Exception there.
class keyboard_interrupt final {};

/// The exception that ends the program's run, whatever callback or task throws it: asyncio's
/// SystemExit. It is not sent to the exception handler; it leaves run() at once, and the loop
/// can be run again. Not a std::exception, so that `catch (const std::exception&)` lets it by.
class system_exit final {
 public:
  explicit system_exit(int code = 0) noexcept : code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

/// Whether `e` is one of the two that end a run, whoever throws it.
bool leaves_run(const std::exception_ptr& e) noexcept;

}  // namespace sheaf
