#pragma once

#include <sheaf/loop.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace test {

/// Collects what a loop reports, in place of stderr. Declare it before the loop: reports come
/// until the loop is gone.
class report_log {
 public:
  void listen(sheaf::loop& l) {
    l.set_exception_handler(
        [this](const sheaf::exception_context& c) { all_.push_back(c); });
  }
  std::size_t size() const noexcept { return all_.size(); }
  const sheaf::exception_context& operator[](std::size_t i) const { return all_.at(i); }
  std::vector<std::string> messages() const {
    std::vector<std::string> m;
    for (const auto& c : all_) m.push_back(c.message);
    return m;
  }

 private:
  std::vector<sheaf::exception_context> all_;
};

}  // namespace test
