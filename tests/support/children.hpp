#pragma once

#include "event_log.hpp"

#include <sheaf/coro.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace test {

using std::chrono::milliseconds;

/// A loop on virtual time, which begins at 0 ms. It counts reports but does not print them.
class virtual_loop : public sheaf::loop {
 public:
  virtual_loop() : loop(sheaf::loop_options().virtual_time()), began_(time()) {
    set_exception_handler([](const sheaf::exception_context&) {});
  }

  long long elapsed_ms() const {
    return std::chrono::duration_cast<milliseconds>(time() - began_).count();
  }

 private:
  time_point began_;
};

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What e.what() says of the failure in `e`; "cancelled: <reason>" for a cancellation.
inline std::string said(const std::exception_ptr& e) {
  if (!e) return "nothing";
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& error) {
    return error.what();
  } catch (const sheaf::cancelled& c) {
    return "cancelled: " + c.reason();
  }
}

/// What a call throws, in said()'s words.
template <class F>
std::string thrown_by(F&& f) {
  try {
    f();
  } catch (...) {
    return said(std::current_exception());
  }
  return "nothing";
}

/// Gives `value` after `d`; at once for 0.
inline sheaf::coro<int> give(int value, milliseconds d = {}) {
  if (d.count() != 0) co_await sheaf::sleep(d);
  co_return value;
}

/// Fails after `d`; at once for 0.
inline sheaf::coro<int> fail(const char* what, milliseconds d = {}) {
  if (d.count() != 0) co_await sheaf::sleep(d);
  throw failure(what);
}

/// Logs how it begins and ends, `d` later, and gives `value`.
inline sheaf::coro<int> noted(event_log& log, std::string name, milliseconds d,
                              int value = 0) {
  log.push_back(name + " begins");
  try {
    co_await sheaf::sleep(d);
  } catch (const sheaf::cancelled&) {
    log.push_back(name + " is cancelled");
    throw;
  }
  log.push_back(name + " ends");
  co_return value;
}

/// Sleeps for `d`; cancelled, it takes `cleanup` more to end, and logs that.
inline sheaf::coro<int> reluctant(event_log& log, std::string name, milliseconds d,
                                  milliseconds cleanup) {
  bool asked = false;
  try {
    co_await sheaf::sleep(d);
  } catch (const sheaf::cancelled&) {
    asked = true;
  }
  if (!asked) co_return 0;
  co_await sheaf::sleep(cleanup);
  log.push_back(name + " has cleaned up");
  throw sheaf::cancelled("as asked");
}

/// Sleeps for `d`, or until it is cancelled, and gives `value` in either case.
inline sheaf::coro<int> stubborn(int value, milliseconds d) {
  try {
    co_await sheaf::sleep(d);
  } catch (const sheaf::cancelled&) {
    co_return value;
  }
  co_return value;
}

/// Lets `n` batches go by.
inline sheaf::coro<> batches(int n) {
  for (int i = 0; i < n; ++i) co_await sheaf::sleep(milliseconds(0));
}

inline sheaf::coro<> nothing(milliseconds d) { co_await sheaf::sleep(d); }

inline sheaf::coro<std::string> text(std::string s, milliseconds d) {
  co_await sheaf::sleep(d);
  co_return s;
}

/// A value that can only be moved.
inline sheaf::coro<std::unique_ptr<int>> boxed(int v, milliseconds d) {
  co_await sheaf::sleep(d);
  co_return std::make_unique<int>(v);
}

}  // namespace test
