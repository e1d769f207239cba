#include <sheaf/child_report.hpp>
#include <sheaf/detail/child_table.hpp>
#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/runtime/one_line.hpp>

#include <string>
#include <utility>

namespace sheaf {

namespace {

std::string how(const child_report& c) {
  if (!c.outcome) return "runs on";
  if (c.outcome->has_value()) return "succeeded";
  if (!c.outcome->is_cancelled()) return "failed";
  return c.started ? "was cancelled" : "was cancelled before it began";
}

std::string reason_of(const outcome<>& o) {
  const std::exception_ptr error = o.error();
  const cancelled* const c = detail::thrown<cancelled>(error);
  return c ? c->reason() : std::string();
}

std::string why(const child_report& c) {
  if (!c.outcome || c.outcome->has_value()) return {};
  if (!c.outcome->is_cancelled()) return ": " + describe(c.outcome->error());
  const std::string reason = reason_of(*c.outcome);
  return reason.empty() ? reason : ": " + reason;
}

std::string took(const child_report& c) {
  if (!c.started || !c.ended) return {};
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(*c.ended - *c.started)
          .count();
  return us % 1000 == 0 || us >= 10'000 ? " after " + std::to_string(us / 1000) + " ms"
                                        : " after " + std::to_string(us) + " us";
}

}  // namespace

std::string describe(const child_report& child) {
  const std::string name = child.name.empty() ? "" : " '" + child.name + '\'';
  return runtime::one_line('#' + std::to_string(child.index) + name + ' ' + how(child) +
                           took(child) + why(child));
}

namespace detail {

namespace {

std::optional<outcome<>> outcome_of(const child_row& row) {
  switch (row.status) {
    case future_status::value:
      return outcome<>();
    case future_status::error:
      return outcome<>(row.more->error);
    case future_status::cancelled:
      return outcome<>(cancelled(row.cause));
    case future_status::pending:
      break;
  }
  return std::nullopt;
}

std::optional<child_report::time_point> time_of(std::uint64_t ns) {
  if (ns == 0) return std::nullopt;
  return child_report::time_point(std::chrono::nanoseconds(ns));
}

std::string name_of(const child_row& row) {
  if (row.more && !row.more->name.empty()) return row.more->name;
  return row.task != 0 ? "Task-" + std::to_string(row.task) : "";
}

child_report report_of(const child_row& row) {
  return {.index = row.index,
          .task = row.task,
          .name = name_of(row),
          .outcome = outcome_of(row),
          .started = time_of(row.when.started),
          .ended = time_of(row.when.ended)};
}

}  // namespace

std::vector<child_report> reports_of(const std::vector<child_row>& rows) {
  std::vector<child_report> all;
  all.reserve(rows.size());
  for (const child_row& row : rows) all.push_back(report_of(row));
  return all;
}

std::vector<child_report> children_of(const future_state& of) {
  const auto* const join = dynamic_cast<const join_state*>(&of);
  if (!join || !join->table()) return {};
  return reports_of(join->table()->rows);
}

}  // namespace detail
}  // namespace sheaf
