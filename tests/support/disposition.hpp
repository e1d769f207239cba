#pragma once

#include <signal.h>

namespace test {

/// Sets what a signal does, and restores what it did at the end of the scope. Catch2 handles
/// some of them itself.
class disposition {
 public:
  disposition(int signum, void (*handler)(int)) : signum_(signum) {
    ::sigaction(signum, nullptr, &before_);
    ::signal(signum, handler);
  }
  disposition(const disposition&) = delete;
  disposition& operator=(const disposition&) = delete;
  ~disposition() { ::sigaction(signum_, &before_, nullptr); }

  static void (*of(int signum))(int) {
    struct sigaction now{};
    ::sigaction(signum, nullptr, &now);
    return now.sa_handler;
  }

 private:
  int signum_;
  struct sigaction before_{};
};

}  // namespace test
