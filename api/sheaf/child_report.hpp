#pragma once

#include <sheaf/outcome.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sheaf {

/// What became of one child of a combinator that failed: a row of future::children().
///
///     auto all = gather(load(a), load(b));
///     const auto got = co_await as_outcome(all);
///     for (const auto& child : all.children()) std::cout << describe(child) << '\n';
///
/// Taken down when the combinator failed, in the order of the arguments or elements; nothing
/// is taken down for one that succeeds. Times are the loop's, as it knew them at the batch;
/// what was over when it was given ended then. `started` is missing of what never began,
/// `ended` of what runs on. A map and a task_group, which may go on for ever, know the last
/// 1,024 of the children that had ended before the first failure, unless they were told to
/// keep_reports() of more or fewer; `index` counts those too of which there is none.
struct child_report {
  using time_point = std::chrono::steady_clock::time_point;

  std::size_t index = 0;
  std::uint64_t task = 0;  ///< its id; 0 if it was a future, or is not known
  std::string name;        ///< of the task; empty if it has none
  std::optional<sheaf::outcome<>> outcome;  ///< none: it was left to run on
  std::optional<time_point> started;
  std::optional<time_point> ended;
};

/// One line: "#1 'Task-7' failed after 20 ms: connection refused".
std::string describe(const child_report& child);

namespace detail {
class future_state;
class child_row;
std::vector<child_report> children_of(const future_state& of);
std::vector<child_report> reports_of(const std::vector<child_row>& rows);
}  // namespace detail

}  // namespace sheaf
