#pragma once

#include <sheaf/detail/future_state.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::detail {

/// What became of the children of a join that failed: taken down when it ends, so that no
/// child is kept for it. Most joins have none.
struct child_table {
  struct row {
    future_status status = future_status::value;  // pending: it was left to run on
    bool is_task = false;
    std::exception_ptr error;
    cancel_ref cause;
    std::uint64_t task = 0;
    std::uint64_t started = 0;  // nanoseconds of the loop's clock; 0: never, or not known
    std::uint64_t ended = 0;
  };

  /// While the join runs, if its children do not start all at once: when each did, by place.
  std::unique_ptr<std::uint64_t[]> starts;
  std::vector<row> rows;
  std::vector<std::pair<std::size_t, std::string>> names;  // of those that were given one
};

}  // namespace sheaf::detail
