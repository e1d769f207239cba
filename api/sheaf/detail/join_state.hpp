#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/task_state.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// A child of a join, and the join's registration with it.
struct join_link {
  watcher registration;
  state_ref child;
};

enum class join_policy : std::uint8_t {
  structured,        ///< the first failure cancels the others; all are waited for
  leave_running,     ///< the first failure settles the join; the others run on
  return_exceptions  ///< nothing is a failure
};

/// The future that gather() gives: the untyped part.
///
/// Counts its children and keeps the first failure in time. A child that settles is counted
/// at once; what follows from it happens one batch later, when asyncio's done callback would
/// run. Holds itself while a child is watched. Errors of children count as retrieved.
class join_state : public future_state {
 public:
  bool cancel(const cancel_ref& cause) noexcept final;
  void settled(watcher& w) noexcept final;
  void run() noexcept final;
  void drop() noexcept final;
  const char* kind() const noexcept final { return "gather"; }
  std::uint64_t trace_id() const noexcept final { return id_; }

 protected:
  template <bool>
  friend struct gather_rules;

  join_state(loop_core& l, join_policy policy) noexcept
      : future_state(l), policy_(policy), id_(l.next_join_id()) {}

  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  /// Registers with the children, whose links stay where they are; starts those that were
  /// made deferred, `limit` at a time. Settles at once if all are done (GATHER-20).
  void begin(std::span<join_link> links, std::size_t limit) noexcept;

  /// Puts the result together from the children, which all have settled. May throw.
  virtual void collect() = 0;

 private:
  void child_done(const join_link& l) noexcept;
  void start_next() noexcept;
  void queue() noexcept;
  void act_on_failure() noexcept;
  void finish() noexcept;
  void settle_as_failed() noexcept;
  void trace_begin() noexcept;
  void trace_end() noexcept;
  bool tolerant() const noexcept { return policy_ == join_policy::return_exceptions; }

  std::span<join_link> links_;
  std::size_t running_ = 0;  // children that have not settled
  std::size_t next_ = 0;     // the first that a limit may still hold back
  const join_link* first_failure_ = nullptr;
  join_policy policy_;
  bool queued_ = false;
  bool reacted_ = false;  // to the first failure
  bool cancel_requested_ = false;
  std::uint32_t id_;
};

}  // namespace sheaf::detail
