#pragma once

#include <cstdint>

namespace sheaf::detail {

/// When a join is settled.
enum class settles : std::uint8_t {
  by_all,    ///< by the last value, or by the first failure
  by_ends,   ///< by the last end: nothing is a failure
  by_first,  ///< by the first end, whichever way it went
  by_enough  ///< by as many values as are wanted, or when they are out of reach
};

/// What happens to the children that have not ended by then. Those of the join were made by
/// the call or handed over to it as rvalues; it does not end what the caller keeps.
enum class leftover : std::uint8_t {
  ended,          ///< every one is cancelled and awaited
  ended_if_ours,  ///< those of the join are; it lets go of the others
  left            ///< the join settles without them, and they run on
};

/// Where the children come from.
enum class supply : std::uint8_t {
  at_once,  ///< all are there when the join begins; a limit may hold some back
  later     ///< the join makes them one by one, as there is room
};

/// All that makes one combinator differ from another.
struct join_policy {
  const char* name;
  settles when;
  leftover rest;
  supply from = supply::at_once;

  /// Whether ends with a value need more than to be counted.
  constexpr bool attentive() const noexcept {
    return when == settles::by_first || when == settles::by_enough ||
           from == supply::later;
  }
};

inline constexpr join_policy gather_policy{"gather", settles::by_all, leftover::ended};
inline constexpr join_policy gather_leaving{"gather", settles::by_all, leftover::left};
inline constexpr join_policy gather_ends{"gather", settles::by_ends, leftover::ended};
inline constexpr join_policy race_policy{"race", settles::by_first,
                                         leftover::ended_if_ours};
inline constexpr join_policy first_success_policy{"first_success", settles::by_enough,
                                                  leftover::ended_if_ours};
inline constexpr join_policy quorum_policy{"quorum", settles::by_enough,
                                           leftover::ended_if_ours};
inline constexpr join_policy hedge_policy{"hedge", settles::by_enough, leftover::ended,
                                          supply::later};
inline constexpr join_policy map_policy{"map", settles::by_all, leftover::ended,
                                        supply::later};
inline constexpr join_policy map_ends{"map", settles::by_ends, leftover::ended,
                                      supply::later};

}  // namespace sheaf::detail
