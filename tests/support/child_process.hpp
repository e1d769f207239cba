#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "catch.hpp"

namespace test {

/// How a child process ended that called `f()`.
struct child_end {
  int code = -1;   // of its exit; -1 if a signal ended it
  int signal = 0;  // that ended it; 0 if none did
};

template <class F>
child_end end_of_child(F f) {
  const pid_t child = ::fork();
  if (child == 0) {
    f();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace test
