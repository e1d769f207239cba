#pragma once

#include <atomic>
#include <string>

namespace sheaf::detail {

/// A file read or written as a whole, by one thread at one go.
class whole_file {
 public:
  explicit whole_file(std::string path, std::string bytes = {}) noexcept
      : path_(std::move(path)), bytes_(std::move(bytes)) {}

  // On the thread; they throw nothing, but note the error.
  void read() noexcept;
  void write(int mode) noexcept;

  // On any other thread: nobody wants it any more. What is left of a read is left out.
  void forget() noexcept { forgotten_.store(true, std::memory_order_relaxed); }

  // Afterwards. Throws what `operation`, "fs::read_file", came to.
  std::string result(const char* operation) &&;

 private:
  int read_all();
  int write_all(int mode);

  std::string path_;
  std::string bytes_;
  std::atomic<bool> forgotten_ = false;
  int code_ = 0;
};

}  // namespace sheaf::detail
