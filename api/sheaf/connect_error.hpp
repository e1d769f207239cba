#pragma once

#include <sheaf/runtime/error.hpp>

#include <memory>
#include <vector>

namespace sheaf {

/// None of several addresses could be connected to: what() names each with its error, and the
/// code is that of the first, which was the most wanted. A value whose copies share the list.
class connect_error : public uv_error {
 public:
  /// For the library; of two errors at least.
  explicit connect_error(std::vector<uv_error> errors);

  /// One for each address, in the order in which they failed.
  const std::vector<uv_error>& errors() const noexcept { return *errors_; }

 private:
  std::shared_ptr<const std::vector<uv_error>> errors_;
};

}  // namespace sheaf
