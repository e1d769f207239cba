#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.hpp"
#include "pipe.hpp"

#include <sheaf/runtime/pipe.hpp>
#include <sheaf/stream.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

extern char** environ;

namespace test {

/// Ends the test program where there is no program called openssl: meson takes 77 for skipped.
inline void require_openssl_program() {
  static const bool none = std::system("openssl version >/dev/null 2>&1") != 0;
  if (!none) return;
  std::cout << "skipped: no program openssl here" << std::endl;
  std::_Exit(77);
}

/// `openssl ARGUMENTS...` as a child: its input and output are pipes. It is killed at the
/// end, if it has not ended.
class openssl_program {
 public:
  explicit openssl_program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    std::vector<char*> words;
    for (std::string& a : arguments) words.push_back(a.data());
    words.push_back(nullptr);
    // Neither end that is ours may live on in another child.
    for (const int fd : {in_.writing(), out_.reading()}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in_.reading(), 0);
    posix_spawn_file_actions_adddup2(&actions, out_.writing(), 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    REQUIRE(::posix_spawnp(&pid_, "openssl", &actions, nullptr, words.data(), environ) ==
            0);
    posix_spawn_file_actions_destroy(&actions);
    in_.close_reading();
    out_.close_writing();
  }
  openssl_program(const openssl_program&) = delete;
  openssl_program& operator=(const openssl_program&) = delete;
  ~openssl_program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

  void say(const std::string& text) {
    REQUIRE(::write(in_.writing(), text.data(), text.size()) ==
            static_cast<ssize_t>(text.size()));
  }
  /// The same; comes back when it has read that, for it takes one command a read.
  void command(const std::string& text) {
    say(text);
    int unread = 1;
    while (unread > 0 && ::ioctl(in_.writing(), FIONREAD, &unread) == 0) ::usleep(200);
  }
  void end_input() { in_.close_writing(); }
  void kill() { ::kill(pid_, SIGKILL); }
  /// What it prints, as a stream; once.
  sheaf::stream output() {
    auto& core = sheaf::detail::loop_core::current("test");
    sheaf::runtime::pipe handle(*core.facade());
    handle.open(::dup(out_.reading()));
    return sheaf::stream(sheaf::detail::stream_ref::adopt(
        new sheaf::detail::stream_core(core, std::move(handle), 65'536)));
  }
  /// Its exit code, -1 for a signal; blocks.
  int wait() {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pipe in_;
  pipe out_;
  pid_t pid_ = 0;
};

}  // namespace test
