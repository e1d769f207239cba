#pragma once

#include <unistd.h>

#include <system_error>

namespace test {

/// Both ends of a pipe, closed with it.
class pipe {
 public:
  pipe() {
    if (::pipe(ends_) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe");
  }
  pipe(const pipe&) = delete;
  pipe& operator=(const pipe&) = delete;
  ~pipe() {
    close_reading();
    close_writing();
  }

  int reading() const noexcept { return ends_[0]; }
  int writing() const noexcept { return ends_[1]; }
  void put() const { check(::write(ends_[1], "x", 1)); }
  void take() const {
    char c;
    check(::read(ends_[0], &c, 1));
  }
  void close_reading() noexcept { close(ends_[0]); }
  void close_writing() noexcept { close(ends_[1]); }

 private:
  static void check(ssize_t n) {
    if (n != 1) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  static void close(int& fd) noexcept {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }

  int ends_[2];
};

}  // namespace test
