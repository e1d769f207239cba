#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/task_state.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// A child of a join, and the join's registration with it. Holds a reference to the child
/// from add() until the join has ended.
struct join_link {
  watcher registration;
  future_state* child;
};

/// Room for the links of a join; add() makes them. They must not move from then on.
class join_links {
 public:
  explicit join_links(std::size_t size)
      : links_(static_cast<join_link*>(
            runtime::frame_pool::allocate_object(size * sizeof(join_link)))),
        size_(size) {}
  join_links(const join_links&) = delete;
  join_links& operator=(const join_links&) = delete;
  ~join_links() {
    runtime::frame_pool::deallocate_object(links_, size_ * sizeof(join_link));
  }
  join_link* get() const noexcept { return links_; }

 private:
  join_link* const links_;
  const std::size_t size_;
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
  std::source_location awaits_at() const noexcept final { return awaited_at(); }
  std::uint64_t trace_id() const noexcept final { return id_; }

 protected:
  ~join_state() override = default;
  /// Lets go of the children of a join that could not be completed. For the destructor of
  /// who has the links.
  void leave_children() noexcept;

  template <bool>
  friend struct gather_rules;

  join_state(loop_core& l, join_policy policy) noexcept
      : future_state(l), policy_(policy), id_(l.next_join_id()) {}

  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  /// Where the links are; add() fills them in order. They must not move from then on.
  void set_links(join_link* links) noexcept { links_ = links; }

  /// Takes over a reference to the next child.
  void add(state_ref child) noexcept {
    if (child->done()) return add_done(std::move(child));
    join_link& l = next_link(std::move(child));
    ++running_;
    l.child->watch(l.registration, *this);
  }
  /// The same, of a task that was made for this join: nothing has happened to it yet.
  void add_new(state_ref child) noexcept {
    join_link& l = next_link(std::move(child));
    ++running_;
    l.child->watch_alone(l.registration, *this);
  }

  /// All children are there. Starts those that were made deferred, `limit` at a time, and
  /// settles at once if all are done (GATHER-20).
  void begin(std::size_t limit) noexcept;

  /// Lets go of one child, which is a Task if it is one of ours.
  template <class Task>
  void release_child(std::size_t i) noexcept {
    future_state& c = *std::exchange(links_[i].child, nullptr);
    child_of_call(c) ? static_cast<Task&>(c).template release_as<Task>() : c.release();
  }
  /// Each was let go of by release_child().
  void children_released() noexcept { size_ = 0; }

  std::size_t size() const noexcept { return size_; }
  future_state& child(std::size_t i) const noexcept { return *links_[i].child; }

  /// Puts the result together from the children, which all have settled. May throw.
  virtual void collect() = 0;

 private:
  join_link& next_link(state_ref child) noexcept {
    return *::new (links_ + size_++) join_link{{}, child.detach()};
  }
  void add_done(state_ref child) noexcept;
  void note(future_state& child) noexcept {
    if (child.status() != future_status::value) [[unlikely]]
      note_failure(child);
  }
  void note_failure(future_state& child) noexcept;
  void settled_unusually(future_state& child) noexcept;
  void start_next() noexcept;
  static bool is_held(const future_state& c) noexcept;
  void queue() noexcept;
  void act_on_failure() noexcept;
  void finish() noexcept;
  void settle_as_failed() noexcept;
  void release_children() noexcept;
  void trace_begin() noexcept;
  void trace_end() noexcept;
  bool tolerant() const noexcept { return policy_ == join_policy::return_exceptions; }

  join_link* links_ = nullptr;
  std::size_t size_ = 0;
  std::size_t running_ = 1;    // children that have not settled, and one until begin()
  std::size_t held_back_ = 0;  // the last children, which a limit has not let start
  future_state* first_failure_ = nullptr;
  join_policy policy_;
  bool queued_ = false;
  bool reacted_ = false;  // to the first failure
  bool cancel_requested_ = false;
  std::uint32_t id_;
};

}  // namespace sheaf::detail
