#pragma once

#include "child_state.hpp"
#include "descriptors.hpp"

#include <sheaf/process.hpp>
#include <sheaf/run.hpp>

#include <string>
#include <utility>

namespace test {

inline sheaf::process_options sh(std::string command) {
  return sheaf::process_options("/bin/sh", "-c", std::move(command));
}

/// Runs until it is killed.
inline sheaf::process_options endless() {
  return sheaf::process_options("sleep", "1000");
}

inline sheaf::coro<int> code_of(sheaf::process_options how) {
  sheaf::process p = co_await sheaf::create_subprocess_exec(std::move(how));
  co_return co_await p.wait();
}

/// What a child writes to its output, with nothing as its input.
inline sheaf::coro<std::string> output_of(sheaf::process_options how) {
  how.stdin_(sheaf::stdio::null).stdout_(sheaf::stdio::pipe);
  sheaf::process p = co_await sheaf::create_subprocess_exec(std::move(how));
  const sheaf::process_output got = co_await p.communicate();
  co_return *got.stdout_;
}

/// Makes what libuv keeps for good once a loop has had a child.
inline void warm_up_libuv() {
  static const int code = sheaf::run(code_of(sh("exit 0")));
  CHECK(code == 0);
}

/// Runs it, and checks that no child is left and no descriptor.
inline void run_clean(sheaf::coro<> main) {
  warm_up_libuv();
  const std::size_t before = open_descriptors();
  sheaf::run(std::move(main));
  CHECK_FALSE(has_children());
  CHECK(open_descriptors() == before);
}

}  // namespace test
