#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/outcome.hpp>

#include <source_location>
#include <string>
#include <type_traits>

namespace sheaf::detail {

/// A request to cancel, in the name of the task that runs on `l`.
cancel_ref make_cause(const loop_core& l, std::string reason, std::source_location at);
/// The library's own, in the name of `by`, or of nobody if that is null.
cancel_ref make_cause(cancel_why why, const future_state* by, std::source_location at,
                      std::string text = {});

/// How a settled state ended, its value copied. Throws invalid_state while it is pending.
template <class T>
outcome<T> read_outcome(future_state& s) {
  s.mark_retrieved();
  if (s.status() == future_status::error) return outcome<T>(s.error());
  if (s.status() == future_status::cancelled) return outcome<T>(cancelled(s.cause()));
  s.require_value();
  if constexpr (std::is_void_v<T>) {
    return outcome<T>();
  } else {
    return outcome<T>(s.value<T>());
  }
}

}  // namespace sheaf::detail
