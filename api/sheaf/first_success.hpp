#pragma once

#include <sheaf/detail/join_shell.hpp>
#include <sheaf/exception_group.hpp>
#include <sheaf/indexed.hpp>
#include <sheaf/limit.hpp>

#include <utility>

namespace sheaf {

/// Runs awaitables side by side and gives the first value, with its index; those that fail
/// are passed over.
///
///     auto [index, page] = co_await first_success(fetch(near), fetch(far));
///     auto [mirror, file] = co_await first_success(limit(1), std::move(mirrors));
///
/// With limit(n) ahead at most n coros run at a time: with limit(1) each is tried when the
/// one before has failed. Failure: when none can succeed any more it throws an
/// exception_group of all errors, in the order in which they came; `cancelled` if there are
/// none, only cancellations, or if the future itself was cancelled. Ownership, order, result
/// and cost: as race().
template <class... Aws>
  requires(sizeof...(Aws) > 0 && (detail::awaitable_argument<Aws> && ...))
auto first_success(limit most, Aws&&... aws) {
  return detail::pick_among<false>(detail::first_success_policy, 1, most.count(),
                                   std::forward<Aws>(aws)...);
}
template <class... Aws>
  requires(sizeof...(Aws) > 0 && (detail::awaitable_argument<Aws> && ...))
auto first_success(Aws&&... aws) {
  return detail::pick_among<false>(detail::first_success_policy, 1,
                                   detail::join_state::unlimited,
                                   std::forward<Aws>(aws)...);
}
template <detail::awaitable_range Range>
auto first_success(limit most, Range&& range) {
  return detail::pick_from<false>(detail::first_success_policy, 1, most.count(),
                                  std::forward<Range>(range));
}
template <detail::awaitable_range Range>
auto first_success(Range&& range) {
  return detail::pick_from<false>(detail::first_success_policy, 1,
                                  detail::join_state::unlimited,
                                  std::forward<Range>(range));
}

}  // namespace sheaf
