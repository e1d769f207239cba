#pragma once

#include <utility>

namespace sheaf::detail {

class join_state;

/// A loop's requests to cancel that go through joins which are nested very deep.
///
/// A join hands a request to its children, whose tasks may await joins again: each level is a
/// call in a call. Beyond `most` of them a join is put off, and gets the request when the
/// outermost has handed on what it could. Until all is told the joins on the way stay marked as
/// being cancelled, so that a request which goes in a circle ends where it began.
class deep_requests {
 public:
  static constexpr unsigned most = 100;

  bool full() const noexcept { return level_ == most; }
  bool outermost() const noexcept { return level_ == 1; }
  void enter() noexcept { ++level_; }
  void leave() noexcept { --level_; }

 private:
  friend class join_state;
  unsigned level_ = 0;
  join_state* put_off_ =
      nullptr;  // lists through the joins, which hold themselves meanwhile
  join_state* told_ = nullptr;
};

}  // namespace sheaf::detail
