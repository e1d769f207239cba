#include <sheaf/detail/join_shell.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/exception_group.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What a join that fails says of its children.
namespace sheaf::detail {

void require_reachable(const join_policy& policy, std::size_t values, std::size_t size) {
  if (size == 0) {
    throw std::invalid_argument(std::string(policy.name) +
                                ": there is nothing to wait for");
  }
  if (values == 0 || values > size) {
    throw std::invalid_argument(std::string(policy.name) + ": " + std::to_string(values) +
                                " of " + std::to_string(size) +
                                " values cannot be waited for");
  }
}

// The failures in the order in which they came. A cancellation is nobody's failure, and a
// request that was made of the whole is what it ends with.
void join_state::settle_with_all_failures() noexcept {
  try {
    auto failures = all_failures();
    if (cancel_requested_ || failures.empty()) {
      return settle_as_cancelled(cancel_requested_ ? cause_ : decisive_->child->cause());
    }
    const std::string message = std::string(policy_->name) + ": " +
                                std::to_string(failures.size()) + " of " +
                                std::to_string(size_) + " failed";
    fill_table();
    auto children = table_ ? reports_of(table_->rows) : std::vector<child_report>();
    settle_error(std::make_exception_ptr(
        exception_group(message, std::move(failures), std::move(children))));
  } catch (...) {  // out of memory
    settle_error(std::current_exception());
  }
}

std::vector<exception_context> join_state::all_failures() const {
  std::vector<exception_context> all;
  for (const join_link* l = first_end_; l; l = l->ended.next) {
    const future_state& c = *l->child;
    if (!c.failed()) continue;
    exception_context& e = all.emplace_back();
    e.exception = c.error();
    if (!c.is_task()) continue;
    const auto& t = static_cast<const task_state&>(c);
    e.task_id = t.id();
    e.task_name = t.name();
    e.created_at = t.created_at();
    e.waiting_at = t.failed_at();
  }
  return all;
}

void join_state::fill_table() noexcept {
  try {
    if (!table_) table_ = std::make_unique<child_table>();
    table_->rows = early_rows();
    table_->rows.reserve(table_->rows.size() + size_);
    for (std::size_t place = 0; place < size_; ++place) {
      if (links_[place].child) add_row(*table_, place);
    }
    sort_by_index(table_->rows);
  } catch (...) {  // out of memory: then there is none
    table_.reset();
  }
}

void join_state::add_row(child_table& table, std::size_t place) const {
  const future_state& c = child(place);
  table.rows.emplace_back(c, row_of(place), times_of(place, c.done()));
}

child_times join_state::times_of(std::size_t place, bool done) const noexcept {
  return {.started = table_ && table_->starts ? table_->starts[place] : began_,
          .ended = done ? links_[place].ended.at : 0};
}

}  // namespace sheaf::detail
