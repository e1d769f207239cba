#pragma once

#include <sys/wait.h>

#include <cerrno>

#include "catch.hpp"

namespace test {

enum class child_state { running, zombie, reaped };

/// What became of a child of this process, without reaping it.
inline child_state state_of(int pid) {
  siginfo_t how{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &how, WEXITED | WNOHANG | WNOWAIT) != 0) {
    REQUIRE(errno == ECHILD);
    return child_state::reaped;
  }
  return how.si_pid == 0 ? child_state::running : child_state::zombie;
}

/// Blocks until the child has ended, and leaves it to be reaped.
inline void await_zombie(int pid) {
  siginfo_t how;
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &how, WEXITED | WNOWAIT) == 0);
}

/// Whether this process has any child, running or not reaped.
inline bool has_children() {
  siginfo_t how{};
  return ::waitid(P_ALL, 0, &how, WEXITED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace test
