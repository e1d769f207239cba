#pragma once

#include <sheaf/detail/join_shell.hpp>
#include <sheaf/indexed.hpp>

#include <ranges>
#include <stdexcept>
#include <utility>

namespace sheaf {

/// Runs awaitables side by side and gives the value of the first one that settles, with its
/// index; if that one failed or was cancelled, throws what it ended with.
///
///     auto [index, page] = co_await race(fetch(near), fetch(far));
///     auto first = co_await race(read_line(), wait_for_signal());  // first.value: a variant
///
/// The value is a std::variant where the types differ, std::monostate for void: see
/// race_result. For the first that succeeds see first_success().
///
/// Ownership: coros, and tasks, gathers and shields given as rvalues, are handed over: those
/// that lose are cancelled, and the future is done when they have ended. What is given as an
/// lvalue stays yours, and so do the elements of a view and the future of a promise: the race
/// lets go of them and leaves nothing with them. Order: the first in time wins, of those that are done at the call the
/// first argument; children start in the order of the arguments. Failure: how losers end
/// does not matter, but an error that one throws after it was told to stop is reported.
/// Cancelling the future cancels what was handed over and waits for it. Throws
/// std::invalid_argument for an empty range. Cost: one block, 32 bytes a child.
template <class... Aws>
  requires(sizeof...(Aws) > 0 && (detail::awaitable_argument<Aws> && ...))
auto race(Aws&&... aws) {
  return detail::pick_among<false>(detail::race_policy, 1, detail::join_state::unlimited,
                                   std::forward<Aws>(aws)...);
}
template <detail::awaitable_range Range>
auto race(Range&& range) {
  return detail::pick_from<false>(detail::race_policy, 1, detail::join_state::unlimited,
                                  std::forward<Range>(range));
}

}  // namespace sheaf
