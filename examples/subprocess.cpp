// Subprocesses: several commands, two at a time, each with a time limit; what they wrote.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

struct result {
  std::string command;
  int code;
  std::string output;
};

// Left by an exception, as that of wait_for, the process is destroyed: the child is killed.
sheaf::coro<result> run_command(std::string command) {
  sheaf::process_options how;
  how.stdin_(sheaf::stdio::null).stdout_(sheaf::stdio::pipe).stderr_to_stdout();
  sheaf::process p = co_await sheaf::create_subprocess_shell(command, how);
  const sheaf::process_output got = co_await p.communicate();
  co_return result{command, *p.returncode(), *got.stdout_};
}

sheaf::coro<result> run_limited(std::string command) {
  try {
    co_return co_await sheaf::wait_for(run_command(command), 2s);
  } catch (const sheaf::timeout_error&) {
    co_return result{command, -SIGKILL, "took too long\n"};
  }
}

sheaf::coro<> many() {
  const std::vector<std::string> commands = {
      "echo one; echo two", "exit 3",
      "cat /no/such/file 2>/dev/null || echo cannot read it", "exec sleep 1000",
      "kill -TERM $$"};
  const auto all = co_await sheaf::map(commands, run_limited, sheaf::limit(2));
  for (const auto& [command, code, output] : all) {
    std::cout << "$ " << command << "\n" << output << "-> " << code << "\n";
  }
}

// A dialogue: lines to a child, and its answers.
sheaf::coro<> dialogue() {
  sheaf::process p = co_await sheaf::create_subprocess_exec(
      sheaf::process_options("sed", "-u", "s/^/sed says: /")
          .stdin_(sheaf::stdio::pipe)
          .stdout_(sheaf::stdio::pipe));
  for (const char* line : {"hello\n", "goodbye\n"}) {
    co_await p.stdin_().write(line);
    std::cout << co_await p.stdout_().readline();
  }
  p.stdin_().close();  // the end of its input is its end
  std::cout << "sed ended with " << co_await p.wait() << '\n';
}

sheaf::coro<> main_task() {
  co_await many();
  co_await dialogue();
}

int main() { sheaf::run(main_task()); }
