#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/event_log.hpp"
#include "support/run_clean.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/sleep.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;
using test::code_of;
using test::endless;
using test::event_log;
using test::output_of;
using test::run_clean;
using test::sh;

// What is started, and with what: see process.cpp for the rest.

// ---- programs --------------------------------------------------------------------------

TEST_CASE("process: a program that cannot be started is an error at once [PROC-10]",
          "[api][process][PROC-10]") {
  run_clean([]() -> coro<> {
    process_options how("/no/such/program");
    how.stdin_(stdio::pipe).stdout_(stdio::pipe).stderr_(stdio::pipe);
    const auto none = co_await as_outcome(create_subprocess_exec(how));
    CHECK(test::said(none.error()).find("ENOENT") != std::string::npos);
    const auto nowhere = co_await as_outcome(code_of(sh("exit 0").cwd("/no/such")));
    CHECK(test::said(nowhere.error()).find("ENOENT") != std::string::npos);
    const auto no_program = co_await as_outcome(code_of(process_options("/etc/passwd")));
    CHECK(test::said(no_program.error()).find("EACCES") != std::string::npos);
    const auto nul =
        co_await as_outcome(code_of(process_options("echo", std::string("a\0b", 3))));
    CHECK(test::said(nul.error()).find("EINVAL") != std::string::npos);
    const auto empty = co_await as_outcome(code_of(process_options()));
    CHECK_FALSE(empty.has_value());
    CHECK_FALSE(test::has_children());
  }());
}

TEST_CASE("process: arguments go to the program as they are [PROC-12]",
          "[api][process][PROC-12]") {
  run_clean([]() -> coro<> {
    process_options how("printf", "%s|");
    how.arg("a b").arg("$HOME").args({"*", ""});
    const std::string plain = co_await output_of(how);
    CHECK(plain == "a b|$HOME|*||");
    process p = co_await create_subprocess_exec("true", "x", std::string("y"));
    const int code = co_await p.wait();
    CHECK(code == 0);
  }());
}

TEST_CASE("process: a shell's command line is a call of its own [PROC-12]",
          "[api][process][PROC-12]") {
  run_clean([]() -> coro<> {
    process p = co_await create_subprocess_shell("exit 7");
    const int code = co_await p.wait();
    CHECK(code == 7);
    process piped = co_await create_subprocess_shell(
        "echo a b | tr a-z A-Z", process_options().stdout_(stdio::pipe));
    process_output got = co_await piped.communicate();
    CHECK(got.stdout_ == "A B\n");
    const auto both =
        co_await as_outcome(create_subprocess_shell("x", process_options("y")));
    CHECK_FALSE(both.has_value());
  }());
}

namespace {

template <class... Args>
concept a_program = requires(Args... args) { create_subprocess_exec(args...); };
template <class... Args>
concept a_command = requires(Args... args) { create_subprocess_shell(args...); };

}  // namespace

TEST_CASE("process: other kinds of arguments do not compile [PROC-12]",
          "[api][process][PROC-12]") {
  STATIC_REQUIRE(a_program<const char*, std::string>);
  STATIC_REQUIRE_FALSE(a_program<const char*, int>);
  STATIC_REQUIRE_FALSE(a_program<int>);
  STATIC_REQUIRE_FALSE(a_program<std::vector<std::string>>);
  STATIC_REQUIRE(a_command<const char*>);
  STATIC_REQUIRE_FALSE(a_command<const char*, const char*>);
  STATIC_REQUIRE_FALSE(a_command<std::vector<std::string>>);
}

// ---- descriptors -----------------------------------------------------------------------

TEST_CASE(
    "process: error output can be merged into the output, wherever that goes "
    "[PROC-13]",
    "[api][process][PROC-13]") {
  run_clean([]() -> coro<> {
    const std::string both =
        co_await output_of(sh("echo out; echo err >&2; echo more").stderr_to_stdout());
    CHECK(both == "out\nerr\nmore\n");
    const std::string apart =
        co_await output_of(sh("echo err >&2").stderr_to_stdout().stderr_(stdio::null));
    CHECK(apart.empty());
    const int dropped =
        co_await code_of(sh("echo x >&2").stdout_(stdio::null).stderr_to_stdout());
    CHECK(dropped == 0);
  }());
}

TEST_CASE("process: input and outputs may be the null device [PROC-13]",
          "[api][process][PROC-13]") {
  run_clean([]() -> coro<> {
    const std::string nothing = co_await output_of(process_options("cat"));
    CHECK(nothing.empty());
    process p = co_await create_subprocess_exec(sh("echo x; echo y >&2; echo z >&3")
                                                    .stdin_(stdio::null)
                                                    .stdout_(stdio::null)
                                                    .stderr_(stdio::null));
    const int code = co_await p.wait();
    CHECK(code != 0);  // there is no descriptor 3
  }());
}

TEST_CASE("process: a descriptor of ours may be the child's, and stays ours",
          "[api][process]") {
  run_clean([]() -> coro<> {
    const auto [reading, writing] = runtime::make_pipe();
    const int code =
        co_await code_of(sh("echo out; echo err >&2").stdout_(writing).stderr_(writing));
    CHECK(code == 0);
    ::close(writing);
    const int copied =
        co_await code_of(sh("[ \"$(cat)\" = \"out\nerr\" ]").stdin_(reading));
    CHECK(copied == 0);
    ::close(reading);
    CHECK_THROWS_AS(process_options("x").stdin_(-1), std::invalid_argument);
  }());
}

TEST_CASE("process: without a word the child has our descriptors", "[api][process]") {
  run_clean([]() -> coro<> {
    const std::string here = co_await output_of(sh("exec readlink /proc/self/fd/2"));
    char ours[4096];
    const ssize_t n = ::readlink("/proc/self/fd/2", ours, sizeof ours);
    REQUIRE(n > 0);
    CHECK(here == std::string(ours, static_cast<std::size_t>(n)) + "\n");
  }());
}

TEST_CASE("process: a child has no descriptors of ours but its three", "[api][process]") {
  run_clean([]() -> coro<> {
    const process_options how("ls", "/proc/self/fd");
    const std::string before = co_await output_of(how);
    const process other = co_await create_subprocess_exec(
        endless().stdin_(stdio::pipe).stdout_(stdio::pipe));
    const std::string with_another = co_await output_of(how);
    CHECK(with_another == before);  // this test's caller may have let it inherit some
  }());
}

TEST_CASE("process: a child's pipes are not those of another: communicate ends [PROC-14]",
          "[api][process][PROC-14]") {
  run_clean([]() -> coro<> {
    process cat = co_await create_subprocess_exec(
        process_options("cat").stdin_(stdio::pipe).stdout_(stdio::pipe));
    process other = co_await create_subprocess_exec(endless());
    process_output got = co_await cat.communicate("x");
    CHECK(got.stdout_ == "x");
    CHECK_FALSE(other.returncode());
    other.kill();
    co_await other.wait();
  }());
}

TEST_CASE("process: closing our end of its output breaks the child's pipe [PROC-16]",
          "[api][process][PROC-16]") {
  run_clean([]() -> coro<> {
    process p =
        co_await create_subprocess_exec(process_options("yes").stdout_(stdio::pipe));
    const std::string line = co_await p.stdout_().readline();
    CHECK(line == "y\n");
    p.stdout_().close();
    const int code = co_await p.wait();
    CHECK(code == -SIGPIPE);
  }());
}

// ---- what surrounds it -----------------------------------------------------------------

TEST_CASE("process: its environment is ours, with more, or another one [PROC-15]",
          "[api][process][PROC-15]") {
  ::setenv("SHEAF_TEST", "ours", 1);
  run_clean([]() -> coro<> {
    const std::string ours = co_await output_of(sh("printf $SHEAF_TEST"));
    CHECK(ours == "ours");
    const std::string more = co_await output_of(
        sh("printf $SHEAF_TEST$ADDED").env("ADDED", "+").env("SHEAF_TEST", "its"));
    CHECK(more == "its+");
    const std::map<std::string, std::string> only{{"ONLY", "a=b"}};
    const std::string other =
        co_await output_of(process_options("/usr/bin/env").env(only).env("B", ""));
    CHECK(other == "B=\nONLY=a=b\n");
    const std::map<std::string, std::string> empty;
    const std::string none =
        co_await output_of(process_options("/usr/bin/env").env(empty));
    CHECK(none.empty());
  }());
  CHECK(std::string(std::getenv("SHEAF_TEST")) == "ours");
  ::unsetenv("SHEAF_TEST");
  CHECK_THROWS_AS(process_options("x").env("A=B", "c"), std::invalid_argument);
  CHECK_THROWS_AS(process_options("x").env("", "c"), std::invalid_argument);
}

TEST_CASE("process: its directory, its session and its ids [PROC-15]",
          "[api][process][PROC-15]") {
  run_clean([]() -> coro<> {
    const std::string there = co_await output_of(sh("pwd").cwd("/usr"));
    CHECK(there == "/usr\n");
    process here = co_await create_subprocess_exec(endless());
    CHECK(::getsid(here.pid()) == ::getsid(0));
    process p = co_await create_subprocess_exec(endless().start_new_session());
    CHECK(::getsid(p.pid()) == p.pid());
    here.close();
    p.close();
    if (::getuid() == 0) {
      const std::string ids =
          co_await output_of(sh("id -u; id -g").uid(65'534).gid(65'533));
      CHECK(ids == "65534\n65533\n");
    } else {
      const auto refused = co_await as_outcome(code_of(sh("exit 0").uid(0)));
      CHECK_FALSE(refused.has_value());
    }
  }());
}

// ---- many ------------------------------------------------------------------------------

TEST_CASE("process: many children at once, each with its output and end [PROC-17]",
          "[api][process][PROC-17]") {
  run_clean([]() -> coro<> {
    constexpr int many = 40;
    const auto one = [](int n) -> coro<bool> {
      const std::string number = std::to_string(n);
      process p = co_await create_subprocess_exec(
          sh("cat; echo " + number + " >&2; exit " + number)
              .stdin_(stdio::pipe)
              .stdout_(stdio::pipe)
              .stderr_(stdio::pipe));
      const process_output got = co_await p.communicate("in " + number);
      co_return got.stdout_ == "in " + number&& got.stderr_ == number + "\n" &&
          p.returncode() == n;
    };
    std::vector<coro<bool>> all;
    for (int n = 0; n < many; ++n) all.push_back(one(n));
    const std::vector<bool> right = co_await gather(std::move(all));
    CHECK(right == std::vector<bool>(many, true));
  }());
}

TEST_CASE("process: children that end together are all reaped [PROC-17]",
          "[api][process][PROC-17]") {
  run_clean([]() -> coro<> {
    std::vector<process> all;
    for (int n = 0; n < 8; ++n) {
      all.push_back(co_await create_subprocess_exec(sh("exit " + std::to_string(n))));
    }
    for (const process& each : all) test::await_zombie(each.pid());
    int sum = 0;
    for (process& each : all) {
      const int code = co_await each.wait();
      sum += code;
    }
    CHECK(sum == 28);
  }());
}
