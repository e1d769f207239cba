#include <sheaf/detail/whole_file.hpp>
#include <sheaf/runtime/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace sheaf::detail {

namespace {

constexpr std::size_t least = 4096;
constexpr std::size_t most = std::size_t{1} << 22;  // then it looks whether to go on

/// libuv's code of what has just failed.
int failure() noexcept { return -errno; }

class number {
 public:
  explicit number(int n) noexcept : n_(n) {}
  number(const number&) = delete;
  number& operator=(const number&) = delete;
  ~number() { static_cast<void>(close()); }
  int get() const noexcept { return n_; }
  int close() noexcept {
    if (n_ < 0) return 0;
    return ::close(std::exchange(n_, -1)) != 0 && errno != EINTR ? failure() : 0;
  }

 private:
  int n_;
};

int open_retrying(const char* path, int flags, int mode) noexcept {
  int n;
  do {
    n = ::open(path, flags | O_CLOEXEC, mode);
  } while (n < 0 && errno == EINTR);
  return n;
}

/// One byte more than the file is said to have, so that its end is seen by the same read.
std::size_t guess(int n) noexcept {
  struct stat s{};
  if (::fstat(n, &s) != 0 || s.st_size <= 0) return least;
  return static_cast<std::size_t>(s.st_size) + 1;
}

}  // namespace

void whole_file::read() noexcept {
  try {
    code_ = read_all();
  } catch (...) {  // std::string's
    code_ = -ENOMEM;
  }
}

void whole_file::write(int mode) noexcept { code_ = write_all(mode); }

int whole_file::read_all() {
  const number file(open_retrying(path_.c_str(), O_RDONLY, 0));
  if (file.get() < 0) return failure();
  bytes_.resize(guess(file.get()));
  std::size_t come = 0;
  while (!forgotten_.load(std::memory_order_relaxed)) {
    if (come == bytes_.size()) bytes_.resize(2 * come);
    const std::size_t room = std::min(bytes_.size() - come, most);
    const ssize_t n = ::read(file.get(), bytes_.data() + come, room);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure();
    if (n == 0) break;
    come += static_cast<std::size_t>(n);
  }
  bytes_.resize(come);
  return 0;
}

int whole_file::write_all(int mode) {
  number file(open_retrying(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, mode));
  if (file.get() < 0) return failure();
  for (std::size_t done = 0; done < bytes_.size();) {
    const ssize_t n = ::write(file.get(), bytes_.data() + done, bytes_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure();
    done += static_cast<std::size_t>(n);
  }
  return file.close();
}

std::string whole_file::result(const char* operation) && {
  if (code_ != 0) throw uv_error(code_, operation, path_);
  return std::move(bytes_);
}

}  // namespace sheaf::detail
