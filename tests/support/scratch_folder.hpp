#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace test {

/// A folder of its own, gone with what is in it when the test ends.
class scratch_folder {
 public:
  scratch_folder() {
    char pattern[] = "/tmp/sheaf-XXXXXX";
    if (!::mkdtemp(pattern)) {
      throw std::system_error(errno, std::generic_category(), "mkdtemp");
    }
    path_ = pattern;
  }
  scratch_folder(scratch_folder&& f) noexcept : path_(std::move(f.path_)) {
    f.path_.clear();
  }
  scratch_folder& operator=(scratch_folder&&) = delete;
  ~scratch_folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }
  /// Makes a file, and gives its path.
  std::string with(const std::string& name, const std::string& text = "") const {
    std::ofstream(*this / name) << text;
    return *this / name;
  }

 private:
  std::string path_;
};

}  // namespace test
