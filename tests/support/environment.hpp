#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace test {

/// Sets a variable of the environment, or unsets it for null, until the end of the scope.
class environment {
 public:
  environment(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) before_ = old;
    put(value);
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() { put(before_ ? before_->c_str() : nullptr); }

 private:
  void put(const char* value) const {
    value ? ::setenv(name_, value, 1) : ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace test
