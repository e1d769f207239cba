#pragma once

#include <cstddef>
#include <stdexcept>

namespace sheaf {

/// gather(limit(n), ...), map(range, fn, limit(n)): at most n of the coros run at a time.
class limit {
 public:
  /// Throws std::invalid_argument for 0, with which nothing would ever run.
  explicit limit(std::size_t n) : n_(n) {
    if (n == 0) throw std::invalid_argument("limit: at least one must be allowed to run");
  }
  std::size_t count() const noexcept { return n_; }

 private:
  std::size_t n_;
};

}  // namespace sheaf
