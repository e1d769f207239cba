#pragma once

#include <sheaf/detail/promise_base.hpp>

#include <cstdint>
#include <source_location>
#include <unordered_map>

namespace sheaf::detail {

/// What a loop remembers in debug mode alone, for its reports.
///
/// Beside the states and not in them, so that nobody pays who does not ask.
class debug_notes {
 public:
  /// Where a promise's future was made. Its entry stays when it dies, and is replaced when
  /// the next one is made in its place; one that is not known replaces it too.
  void made(const void* future, std::source_location at) { made_at_[future] = at; }
  std::source_location made_at(const void* future) const noexcept {
    const auto found = made_at_.find(future);
    return found == made_at_.end() ? std::source_location() : found->second;
  }

  /// A cancellation was thrown into a task, at the await `at`.
  void told(std::uint64_t task, place_pointer at) { told_at_[task] = at; }
  /// That place, forgotten; null if the task was never told.
  place_pointer take_told(std::uint64_t task) noexcept {
    const auto found = told_at_.find(task);
    if (found == told_at_.end()) return nullptr;
    const place_pointer at = found->second;
    told_at_.erase(found);
    return at;
  }

  void clear() noexcept {
    made_at_.clear();
    told_at_.clear();
  }

 private:
  std::unordered_map<const void*, std::source_location> made_at_;
  std::unordered_map<std::uint64_t, place_pointer> told_at_;
};

}  // namespace sheaf::detail
