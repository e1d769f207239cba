#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "descriptors.hpp"

namespace test {

/// A directory of its own, removed with what is in it.
class scratch_dir {
 public:
  scratch_dir() {
    std::string pattern = std::filesystem::temp_directory_path() / "sheaf-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  scratch_dir(const scratch_dir&) = delete;
  scratch_dir& operator=(const scratch_dir&) = delete;
  ~scratch_dir() { std::filesystem::remove_all(path_); }

  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }
  /// Makes a file, and gives its path.
  std::string put(const std::string& name, const std::string& text) const {
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
