#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

namespace test {

/// A directory of its own, gone with what is in it when the test ends.
class scratch_dir {
 public:
  scratch_dir() : path_(std::filesystem::temp_directory_path() / "sheaf-XXXXXX") {
    if (!::mkdtemp(path_.data())) {
      throw std::system_error(errno, std::generic_category(), "mkdtemp");
    }
  }
  scratch_dir(scratch_dir&& d) noexcept : path_(std::exchange(d.path_, {})) {}
  scratch_dir& operator=(scratch_dir&&) = delete;
  ~scratch_dir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }
  /// Makes a file, and gives its path.
  std::string put(const std::string& name, const std::string& text = "") const {
    std::ofstream(*this / name) << text;
    return *this / name;
  }
  std::string text(const std::string& name) const {
    std::ifstream in(*this / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool has(const std::string& name) const {
    return std::filesystem::exists(*this / name);
  }

 private:
  std::string path_;
};

}  // namespace test
