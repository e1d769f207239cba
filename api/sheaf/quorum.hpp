#pragma once

#include <sheaf/detail/join_shell.hpp>
#include <sheaf/exception_group.hpp>
#include <sheaf/indexed.hpp>
#include <sheaf/limit.hpp>

#include <cstddef>
#include <utility>

namespace sheaf {

/// Runs awaitables side by side until `k` of them have succeeded and gives those values, each
/// with its index, in the order in which they came.
///
///     for (auto& [replica, version] : co_await quorum(2, std::move(reads))) ...
///
/// A std::vector of race_result, whose value is a std::variant where the types of arguments
/// differ. With limit(n) after `k` at most n coros run at a time. Failure: as soon as `k`
/// values are out of reach it throws an exception_group of the errors, in the order in which
/// they came; `cancelled` if there are none, or if the future itself was cancelled. Throws
/// std::invalid_argument for a `k` of 0 or above the number of awaitables. Ownership and
/// cost: as race(). The same future given twice counts twice.
template <class... Aws>
  requires(sizeof...(Aws) > 0 && (detail::awaitable_argument<Aws> && ...))
auto quorum(std::size_t k, limit most, Aws&&... aws) {
  return detail::pick_among<true>(detail::quorum_policy, k, most.count(),
                                  std::forward<Aws>(aws)...);
}
template <class... Aws>
  requires(sizeof...(Aws) > 0 && (detail::awaitable_argument<Aws> && ...))
auto quorum(std::size_t k, Aws&&... aws) {
  return detail::pick_among<true>(detail::quorum_policy, k, detail::join_state::unlimited,
                                  std::forward<Aws>(aws)...);
}
template <detail::awaitable_range Range>
auto quorum(std::size_t k, limit most, Range&& range) {
  return detail::pick_from<true>(detail::quorum_policy, k, most.count(),
                                 std::forward<Range>(range));
}
template <detail::awaitable_range Range>
auto quorum(std::size_t k, Range&& range) {
  return detail::pick_from<true>(detail::quorum_policy, k, detail::join_state::unlimited,
                                 std::forward<Range>(range));
}

}  // namespace sheaf
