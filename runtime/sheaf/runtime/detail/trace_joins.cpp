#include <sheaf/runtime/detail/trace_joins.hpp>

#include <algorithm>

namespace sheaf::runtime::detail {

trace_joins::trace_joins(const trace_recorder& recorder) {
  for (std::size_t i = 0; i < recorder.size(); ++i) {
    const auto& entry = recorder[i];
    if (entry.kind == trace_kind::join_begin) {
      auto& made = joins_[entry.a];
      made.label = recorder.name(entry.name);
      made.owner = entry.task;
      made.size = entry.b;
      made.what = entry.name;
    } else if (entry.kind == trace_kind::task_waits) {
      const auto known = joins_.find(entry.a);
      if (known == joins_.end() || known->second.what != entry.name) continue;
      if (known->second.place == 0) known->second.place = entry.b;
    } else if (entry.kind == trace_kind::join_child && entry.task != 0) {
      const auto known = joins_.find(entry.a);
      if (known == joins_.end()) continue;
      known->second.children.push_back(entry.task);
      joins_of_.emplace(entry.task, entry.a);
    }
  }
  for (auto& [id, made] : joins_) {
    // A group begins with none and gets them one by one.
    made.size = std::max(made.size, static_cast<std::uint32_t>(made.children.size()));
    made.label += '(' + std::to_string(made.size) + ')';
  }
}

trace_joins::join* trace_joins::find(std::uint64_t id) {
  const auto known = joins_.find(id);
  return known == joins_.end() ? nullptr : &known->second;
}

const trace_joins::join* trace_joins::awaited_for(std::uint64_t task,
                                                  std::uint64_t& id) const {
  const auto [begin, end] = joins_of_.equal_range(task);
  for (auto it = begin; it != end; ++it) {
    const auto& made = joins_.at(it->second);
    if (made.place == 0) continue;
    id = it->second;
    return &made;
  }
  return nullptr;
}

void trace_joins::finish(std::uint64_t task) {
  const auto [begin, end] = joins_of_.equal_range(task);
  for (auto it = begin; it != end; ++it) {
    auto& waits = joins_.at(it->second);
    if (!waits.settled) waits.finished.push_back(task);
  }
}

std::vector<std::uint64_t> trace_joins::open() const {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, state] : joins_) {
    if (state.open) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::string task_list(const std::vector<std::uint64_t>& tasks) {
  constexpr std::size_t most = 1000;
  std::string list = "[";
  for (std::size_t i = 0; i < std::min(tasks.size(), most); ++i) {
    if (i > 0) list += ',';
    list += std::to_string(tasks[i]);
  }
  return list + ']';
}

}  // namespace sheaf::runtime::detail
