#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace sheaf {

/// gather(limit(n), ...), map(range, fn, limit(n)): at most n of the coros run at a time.
class limit {
 public:
  /// Throws std::invalid_argument for 0, with which nothing would ever run.
  explicit limit(std::size_t n) : n_(n), reports_(std::max(n, usual_reports)) {
    if (n == 0) throw std::invalid_argument("limit: at least one must be allowed to run");
  }
  std::size_t count() const noexcept { return n_; }

  /// Of how many elements that have ended future::children() of a map is to tell, should one
  /// fail later: the last `reports`, in 48 bytes each. If nothing is said, 1,024 or, if that
  /// is more, n. Those of gather() have all.
  limit& keep_reports(std::size_t reports) & {
    reports_ = reports;
    return *this;
  }
  limit&& keep_reports(std::size_t reports) && {
    return std::move(keep_reports(reports));
  }
  std::size_t reports() const noexcept { return reports_; }
  static constexpr std::size_t usual_reports = 1024;

 private:
  std::size_t n_;
  std::size_t reports_;
};

}  // namespace sheaf
