#include <sheaf/child_report.hpp>
#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/join_state.hpp>

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
  return '#' + std::to_string(child.index) + name + ' ' + how(child) + took(child) +
         why(child);
}

namespace detail {

namespace {

std::optional<outcome<>> outcome_of(const child_table::row& row) {
  switch (row.status) {
    case future_status::value:
      return outcome<>();
    case future_status::error:
      return outcome<>(row.error);
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

child_report report_of(const child_table::row& row, std::size_t index) {
  child_report r;
  r.index = index;
  r.task = row.task;
  if (row.is_task) r.name = "Task-" + std::to_string(row.task);
  r.outcome = outcome_of(row);
  r.started = time_of(row.started);
  r.ended = time_of(row.ended);
  return r;
}

}  // namespace

child_report report_of(const task_state& child, std::size_t index, child_times when) {
  child_report r = report_of({.status = child.status(),
                              .is_task = true,
                              .error = child.error(),
                              .cause = child.cause(),
                              .task = child.id(),
                              .started = when.started,
                              .ended = when.ended},
                             index);
  if (child.named()) r.name = child.name();
  return r;
}

std::vector<child_report> children_of(const future_state& of) {
  std::vector<child_report> all;
  const auto* const join = dynamic_cast<const join_state*>(&of);
  if (!join || !join->table()) return all;
  const child_table& table = *join->table();
  all.reserve(table.rows.size());
  for (const auto& row : table.rows) all.push_back(report_of(row, all.size()));
  for (const auto& [index, name] : table.names) all[index].name = name;
  return all;
}

}  // namespace detail
}  // namespace sheaf
